//! P14: calls and casts through one RabbitMQ to a server of the real oslo.messaging, by our client and by its own.

use std::time::{Duration, Instant};

use cells::CellConnector;
use conformance::RabbitMq;
use conformance::fakes::{admin, cell_on_bus};
use connect::{BusTarget, CarriedContext, CellBus, ConnectorOptions, NovaConnector, RpcRequest};
use context::Deadline;
use futures_util::StreamExt;
use futures_util::stream::iter;
use nova_interop::{Oracle, Peers};
use serde_json::{Value, json};

use crate::peers::{median, row};
use crate::{asked, number};

const HOST: &str = "cell1";
const ROUNDS: usize = 5;

/// What is asked, how often in a round, and by how many at once.
struct Load {
    cast: bool,
    count: usize,
    at_once: usize,
}

pub(crate) async fn measure(peers: &Peers) {
    let broker = RabbitMq::start(&[HOST]).await.expect("a broker");
    let mapping = cell_on_bus(&broker.url(HOST)).expect("a mapping");
    let connector = NovaConnector::new(ConnectorOptions::default());
    let bus = connector.open_messaging(&mapping).expect("a bus");
    let url = broker.plain_url(HOST);
    let url = url.expose();
    let mut server = Oracle::start(peers);
    let served = json!({"ask": "rpc.serve", "url": url, "topic": "compute", "server": "theirs"});
    asked(&mut server, served);
    let mut client = Oracle::start(peers);
    let mut python = |load: &Load| {
        let ask = if load.cast {
            "rpc.timed_casts"
        } else {
            "rpc.timed_calls"
        };
        let question = json!({
            "ask": ask, "url": url, "topic": "compute", "server": "theirs",
            "count": load.count, "threads": load.at_once,
        });
        load.count as f64 / number(&asked(&mut client, question))
    };

    for (name, ours, theirs) in [
        ("calls one by one", Load::calls(150, 1), Load::calls(150, 1)),
        // As many threads as the server's own pool has: more of them only wait.
        (
            "calls 64 at once",
            Load::calls(600, 64),
            Load::calls(300, 64),
        ),
        (
            "casts one by one",
            Load::casts(1500, 1),
            Load::casts(600, 1),
        ),
        (
            "casts 256 at once",
            Load::casts(6000, 256),
            Load::casts(600, 64),
        ),
    ] {
        let (mut us, mut them) = (Vec::new(), Vec::new());
        let warm = Load {
            count: ours.at_once,
            ..ours
        };
        rate(&bus, &warm).await;
        for _ in 0..ROUNDS {
            us.push(rate(&bus, &ours).await);
            settled(&bus).await;
            them.push(python(&theirs));
            settled(&bus).await;
        }
        row(
            &format!(
                "P14 {name}; peer Python's client, {} threads",
                theirs.at_once
            ),
            median(us),
            "/s",
            Some(median(them)),
        );
    }
    asked(
        &mut server,
        json!({"ask": "rpc.stop", "topic": "compute", "server": "theirs"}),
    );
}

impl Load {
    const fn calls(count: usize, at_once: usize) -> Self {
        Self {
            cast: false,
            count,
            at_once,
        }
    }

    const fn casts(count: usize, at_once: usize) -> Self {
        Self {
            cast: true,
            count,
            at_once,
        }
    }
}

fn ample() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn asking(method: &str, args: Value) -> RpcRequest {
    let mut request = RpcRequest::new(method, args.as_object().expect("arguments").clone());
    request.version = "6.0".into();
    request.context = CarriedContext::of(&admin());
    request
}

/// Ours, a second.
async fn rate(bus: &CellBus, load: &Load) -> f64 {
    let target = || BusTarget::server("compute", "theirs");
    let one = |n: usize| async move {
        match load.cast {
            true => bus
                .cast(target(), asking("note", json!({"n": n})), ample())
                .await
                .expect("sent"),
            false => drop(
                bus.call(target(), asking("echo", json!({"arg": n})), ample())
                    .await
                    .expect("an answer"),
            ),
        }
    };
    let began = Instant::now();
    let done = iter(0..load.count)
        .map(one)
        .buffer_unordered(load.at_once)
        .count()
        .await;
    assert_eq!(done, load.count);
    load.count as f64 / began.elapsed().as_secs_f64()
}

/// Waits until the server has taken every cast: a call comes after them.
async fn settled(bus: &CellBus) {
    let last = asking("echo", json!({"arg": 0}));
    bus.call(BusTarget::server("compute", "theirs"), last, ample())
        .await
        .expect("an answer");
}

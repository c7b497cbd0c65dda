//! P14 between our own client and server: calls and casts through RabbitMQ, one after the other and many at once. The peer
//! is the driver by hand on the same broker: a channel that confirms, a queue of replies, no envelope and no budget.
//!
//! Against Python's client and server they are measured by `cargo xtask interop`.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on has no figure to give"
)]

mod peers;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use cells::{CellConnector, SecretText};
use connect::{
    BusTarget, CellBus, ConnectorOptions, Endpoint, NovaConnector, RemoteError, RpcRequest,
};
use context::Deadline;
use futures_util::StreamExt;
use futures_util::stream::iter;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use nova_conformance::fakes::cell_on_bus;
use nova_conformance::{RabbitMq, Redis};
use peers::{AMPLE, load, median, row};
use serde_json::{Value, json};
use tokio::sync::oneshot;

const ROUNDS: usize = 5;

fn ample() -> Deadline {
    // Short enough that no sign of life is asked for.
    Deadline::after(AMPLE.min(ConnectorOptions::default().bus_monitor))
}

fn open(url: &SecretText) -> CellBus {
    let mapping = cell_on_bus(url).expect("a mapping");
    NovaConnector::new(ConnectorOptions::default())
        .open_messaging(&mapping)
        .expect("a bus")
}

struct Echo;

#[async_trait]
impl Endpoint for Echo {
    async fn handle(&self, request: RpcRequest, _: Deadline) -> Result<Value, RemoteError> {
        Ok(request.args.get("arg").cloned().unwrap_or_default())
    }
}

fn asking(method: &str, n: usize) -> RpcRequest {
    let args = json!({"arg": n});
    RpcRequest::new(method, args.as_object().cloned().unwrap_or_default())
}

/// What is measured: a call or a cast by its number.
async fn rate<F: Future>(count: usize, at_once: usize, work: impl Fn(usize) -> F) -> f64 {
    let began = Instant::now();
    let done = iter(0..count).map(work).buffer_unordered(at_once);
    done.for_each(|_| std::future::ready(())).await;
    count as f64 / began.elapsed().as_secs_f64()
}

/// A client and a server by hand.
struct ByHand {
    channel: Channel,
    waiting: Arc<Mutex<HashMap<String, oneshot::Sender<Vec<u8>>>>>,
    _connections: [Connection; 2],
}

const REQUESTS: &str = "by-hand";
const REPLIES: &str = "by-hand-replies";

async fn channel(url: &str) -> (Connection, Channel) {
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(url, properties)
        .await
        .expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .expect("confirms");
    for queue in [REQUESTS, REPLIES] {
        let options = QueueDeclareOptions::default();
        channel
            .queue_declare(queue.into(), options, FieldTable::default())
            .await
            .expect("a queue");
    }
    (connection, channel)
}

async fn send(channel: &Channel, queue: &str, id: &str, body: &[u8]) {
    let properties = BasicProperties::default().with_correlation_id(id.into());
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish("".into(), queue.into(), options, body, properties);
    sent.await.expect("sent").await.expect("confirmed");
}

impl ByHand {
    async fn new(url: &SecretText) -> Self {
        let url = url.expose().replacen("rabbit", "amqp", 1);
        let (client, requests) = channel(&url).await;
        let (server, answers) = channel(&url).await;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let none = FieldTable::default;
        let consume = answers.basic_consume(REQUESTS.into(), "".into(), options, none());
        let mut asked = consume.await.expect("a consumer");
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = asked.next().await {
                let id = delivery.properties.correlation_id().clone();
                let Some(id) = id.filter(|id| !id.as_str().is_empty()) else {
                    continue;
                };
                let answers = answers.clone();
                tokio::spawn(async move {
                    send(&answers, REPLIES, id.as_str(), &delivery.data).await;
                });
            }
        });
        let consume = requests.basic_consume(REPLIES.into(), "".into(), options, none());
        let mut replies = consume.await.expect("a consumer");
        let waiting: Arc<Mutex<HashMap<String, oneshot::Sender<Vec<u8>>>>> = Arc::default();
        let calls = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = replies.next().await {
                let id = delivery.properties.correlation_id().clone();
                let id = id.map(|id| id.as_str().to_owned()).unwrap_or_default();
                let call = calls.lock().expect("nobody panics").remove(&id);
                if let Some(call) = call {
                    let _gone = call.send(delivery.data);
                }
            }
        });
        Self {
            channel: requests,
            waiting,
            _connections: [client, server],
        }
    }

    async fn call(&self, n: usize) {
        let id = format!("{n}-{}", uuid::Uuid::new_v4().simple());
        let (answer, came) = oneshot::channel();
        self.waiting
            .lock()
            .expect("nobody panics")
            .insert(id.clone(), answer);
        send(&self.channel, REQUESTS, &id, b"{\"arg\": 1}").await;
        came.await.expect("an answer");
    }

    async fn cast(&self) {
        send(&self.channel, REQUESTS, "", b"{\"arg\": 1}").await;
    }
}

async fn rabbit() {
    let broker = RabbitMq::start(&["cell1"]).await.expect("RabbitMQ");
    let url = broker.url("cell1");
    let server = open(&url);
    let _serving = server
        .serve("compute", "host1", Echo, ample())
        .await
        .expect("a server");
    let bus = open(&url);
    let by_hand = ByHand::new(&broker.plain_url("cell1")).await;
    let target = || BusTarget::server("compute", "host1");
    let call = |n: usize| {
        let asked = bus.call(target(), asking("echo", n), ample());
        async { asked.await.map(drop).expect("an answer") }
    };
    let cast = |n: usize| {
        let sent = bus.cast(target(), asking("note", n), ample());
        async { sent.await.expect("a cast") }
    };
    call(0).await;
    by_hand.call(0).await;
    for (what, count, at_once, is_call) in [
        ("calls, one by one", 400, 1, true),
        ("calls, 64 at once", 2000, 64, true),
        ("casts, one by one", 1000, 1, false),
        ("casts, 256 at once", 5000, 256, false),
    ] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            match is_call {
                true => {
                    ours.push(rate(count, at_once, call).await);
                    theirs.push(rate(count, at_once, |n| by_hand.call(n)).await);
                }
                false => {
                    ours.push(rate(count, at_once, cast).await);
                    theirs.push(rate(count, at_once, |_| by_hand.cast()).await);
                }
            }
        }
        row(
            &format!("P14 RabbitMQ, {what}; peer the driver by hand"),
            median(ours),
            "1/s",
            Some(median(theirs)),
        );
    }
}

async fn redis() {
    let broker = Redis::start().await.expect("Redis");
    let server = open(&broker.url());
    let _serving = server
        .serve("compute", "host1", Echo, ample())
        .await
        .expect("a server");
    let bus = open(&broker.url());
    let target = || BusTarget::server("compute", "host1");
    let call = |n: usize| {
        let asked = bus.call(target(), asking("echo", n), ample());
        async { asked.await.map(drop).expect("an answer") }
    };
    call(0).await;
    for (what, count, at_once) in [("one by one", 400, 1), ("64 at once", 2000, 64)] {
        let mut ours = Vec::new();
        for _ in 0..ROUNDS {
            ours.push(rate(count, at_once, call).await);
        }
        row(
            &format!("calls over Redis, {what}"),
            median(ours),
            "1/s",
            None,
        );
    }
}

fn main() {
    load();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        rabbit().await;
        redis().await;
    });
    load();
}

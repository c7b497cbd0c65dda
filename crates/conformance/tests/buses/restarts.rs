//! A RabbitMQ that is killed, that blocks its publishers, and that loses its queues: nothing confirmed is lost, and no
//! answer comes twice.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cells::ErrorClass;
use connect::CallError;
use futures_util::future::join_all;
use lapin::options::QueueDeleteOptions;
use nova_conformance::RabbitMq;
use serde_json::{Value, json};

use crate::malformed::Raw;
use crate::service::Service;
use crate::{SLACK, class, compute, open, request, soon, until, who, with, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_may_be_killed_blocked_and_robbed_of_its_queues() {
    let mut server = RabbitMq::start(&["cell1"]).await.unwrap();
    a_killed_broker_loses_nothing_it_confirmed(&mut server).await;
    a_blocked_broker_is_waited_for_within_the_budget(&server).await;
    deleted_queues_come_back(&server).await;
}

async fn a_killed_broker_loses_nothing_it_confirmed(server: &mut RabbitMq) {
    let url = with(&server.url("cell1"), "amqp_durable_queues=true");
    let service = Service::new("host1");
    let working = Service::new("host2");
    let bus = open(&url);
    let serving = bus
        .serve("compute", "host1", service.clone(), soon())
        .await
        .unwrap();
    let _working = open(&url)
        .serve("compute", "host2", working.clone(), soon())
        .await
        .unwrap();
    drop(serving);
    until("the server has stopped", || async {
        bus.call(compute("host1"), who(), within(300))
            .await
            .is_err()
    })
    .await;

    let casts = (0..300).map(|n| {
        let note = request("note", json!({"n": n}));
        bus.cast(compute("host1"), note, soon())
    });
    let confirmed = join_all(casts)
        .await
        .iter()
        .filter(|cast| cast.is_ok())
        .count();
    assert_eq!(confirmed, 300);
    let hang = request("hang", json!({}));
    let call = bus.call(compute("host2"), hang, within(300_000));
    let kill = async {
        until("the call is worked on", || async {
            working.count("hang") == 1
        })
        .await;
        // Confirmed after the call was.
        bus.call(compute("host2"), who(), soon()).await.unwrap();
        server.signal("KILL").unwrap();
        let begun = Instant::now();
        let error = bus
            .call(compute("host2"), who(), within(1000))
            .await
            .unwrap_err();
        assert!(matches!(
            class(error),
            ErrorClass::Unreachable | ErrorClass::Timeout
        ));
        assert!(begun.elapsed() < Duration::from_secs(1) + SLACK);
        tokio::task::block_in_place(|| server.restart()).unwrap();
        working.gate.add_permits(10);
    };
    let (answer, ()) = tokio::join!(call, kill);
    assert_eq!(answer.unwrap(), json!("done"));
    assert_eq!(working.count("hang"), 1);

    let again = Service::new("host1");
    let _again = bus
        .serve("compute", "host1", again.clone(), soon())
        .await
        .unwrap();
    let arrived = |service: &Service| -> HashSet<Option<i64>> {
        let notes = service.asked("note");
        notes
            .iter()
            .map(|note| note.args.get("n").and_then(Value::as_i64))
            .collect()
    };
    until("everything confirmed arrives", || async {
        arrived(&again).len() == 300
    })
    .await;
    assert_eq!(
        again.count("note") + service.count("note"),
        300,
        "something came twice"
    );
    // A server that was there all the time serves again.
    until("the other server is back", || async {
        bus.call(compute("host2"), who(), within(2000))
            .await
            .is_ok()
    })
    .await;
}

async fn a_blocked_broker_is_waited_for_within_the_budget(server: &RabbitMq) {
    let url = with(&server.url("cell1"), "amqp_durable_queues=true");
    let service = Service::new("host3");
    let bus = open(&url);
    let _serving = bus
        .serve("compute", "host3", service.clone(), soon())
        .await
        .unwrap();
    let note = || request("note", json!({}));
    bus.call(compute("host3"), who(), soon()).await.unwrap();
    server.block(true).await.unwrap();
    // The broker says so with the first message it does not take.
    let mut refused = 0;
    for _ in 0..4 {
        let begun = Instant::now();
        if let Err(error) = bus.cast(compute("host3"), note(), within(300)).await {
            assert!(matches!(
                error.class(),
                ErrorClass::Overloaded | ErrorClass::Timeout
            ));
            refused += 1;
        }
        assert!(begun.elapsed() < Duration::from_millis(300) + SLACK);
    }
    assert!(refused >= 3, "{refused} of 4 were refused");
    let waits = bus.call(compute("host3"), who(), soon());
    let (answer, unblocked) = tokio::join!(waits, server.block(false));
    unblocked.unwrap();
    assert_eq!(answer.unwrap(), json!("host3"));
    // What was refused while the broker was known to be blocked was never sent.
    assert!(service.count("note") <= 2, "{}", service.count("note"));
}

async fn deleted_queues_come_back(server: &RabbitMq) {
    let url = with(&server.url("cell1"), "amqp_durable_queues=true");
    let service = Service::new("host4");
    let bus = open(&url);
    let _serving = bus.serve("robbed", "host4", service, soon()).await.unwrap();
    let target = || connect::BusTarget::server("robbed", "host4");
    bus.call(target(), who(), soon()).await.unwrap();
    let raw = Raw::new(server, "cell1").await;
    for queue in ["robbed.host4", "robbed"] {
        let options = QueueDeleteOptions::default();
        raw.channel()
            .queue_delete(queue.into(), options)
            .await
            .unwrap();
        until("its server declares it again", || async {
            match bus.call(target(), who(), within(2000)).await {
                Ok(_) => true,
                Err(CallError::Bus(_)) => false,
                Err(other) => panic!("{other:?}"),
            }
        })
        .await;
    }
}

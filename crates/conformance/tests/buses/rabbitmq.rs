//! The suite on RabbitMQ, and what is RabbitMQ's own: logins, virtual hosts, several hosts, kinds of queues, long calls.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cells::{ErrorClass, SecretText};
use connect::{ConnectorOptions, QueueProfile, Queues};
use nova_conformance::{PASSWORD, RabbitMq};
use serde_json::json;

use crate::logged::Logged;
use crate::service::Service;
use crate::{
    SLACK, class, compute, malformed, open, open_with, request, soon, suite, until, who, with,
    within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_keeps_what_every_bus_promises() {
    let log = Logged::everything();
    let server = RabbitMq::start(&["cell1", "durable", "quorum"])
        .await
        .unwrap();
    let url = server.url("cell1");
    suite::suite(&|| open(&url)).await;
    failures_have_their_class(&server).await;
    another_host_is_used_where_one_is_down(&server).await;
    long_calls_live_by_their_signs_of_life(&url).await;
    every_kind_of_queue_works(&server).await;
    let log = log.text();
    assert!(log.contains("nova_connect"), "nothing was logged");
    assert!(!log.contains(PASSWORD), "the log has the password");
    // As bytes, which is how the driver would write it.
    let bytes: Vec<String> = PASSWORD.bytes().map(|byte| byte.to_string()).collect();
    assert!(
        !log.contains(&bytes.join(", ")),
        "the log has the password's bytes"
    );
    // Last: its own client is the driver as it comes, and that does log what it should not.
    malformed::suite(&server).await;
}

async fn checked(url: &str) -> Option<ErrorClass> {
    let bus = open(&SecretText::from(url));
    assert!(!format!("{bus:?}").contains("hunter2"));
    let error = bus.check(within(20_000)).await.err()?;
    assert!(!format!("{error} {error:?} {}", error.detail()).contains("hunter2"));
    Some(error.class())
}

async fn failures_have_their_class(server: &RabbitMq) {
    let port = server.port();
    let url = server.url("nonesuch");
    assert_eq!(checked(url.expose()).await, Some(ErrorClass::Schema));
    let wrong = format!("rabbit://nova:hunter2@127.0.0.1:{port}/cell1");
    assert_eq!(checked(&wrong).await, Some(ErrorClass::Authentication));
    let unknown = format!("rabbit://nobody:hunter2@127.0.0.1:{port}/cell1");
    assert_eq!(checked(&unknown).await, Some(ErrorClass::Authentication));
    let refused = "rabbit://nova:hunter2@127.0.0.1:1/cell1";
    assert_eq!(checked(refused).await, Some(ErrorClass::Unreachable));
    let nowhere = "rabbit://nova:hunter2@nowhere.invalid/cell1";
    assert_eq!(checked(nowhere).await, Some(ErrorClass::Unreachable));
    let plain = with(&server.url("cell1"), "ssl=true");
    assert_eq!(checked(plain.expose()).await, Some(ErrorClass::Tls));

    // A peer that takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let bus = open(
        &format!("rabbit://nova:hunter2@127.0.0.1:{port}/cell1")
            .as_str()
            .into(),
    );
    let begun = Instant::now();
    let error = bus.check(within(300)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Timeout);
    assert!(begun.elapsed() < Duration::from_millis(300) + SLACK);
    // And is left: its end of the connection is closed.
    let (mut peer, _) = silent.accept().unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let read = tokio::task::spawn_blocking(move || {
        std::io::copy(&mut peer, &mut std::io::sink()).map(drop)
    });
    read.await.unwrap().unwrap();
}

async fn another_host_is_used_where_one_is_down(server: &RabbitMq) {
    let url = server.url("cell1");
    let url = url.expose().replace(
        "@127.0.0.1",
        "@127.0.0.1:1,nova:hunter2@127.0.0.1:1,nova:p%40ss%3Aw%2Frd%252F%3F%23%26@127.0.0.1",
    );
    for _ in 0..5 {
        assert_eq!(checked(&url).await, None);
    }
}

async fn long_calls_live_by_their_signs_of_life(url: &SecretText) {
    let service = Service::new("slow");
    let server = open(url);
    let serving = server
        .serve("long", "slow", service.clone(), soon())
        .await
        .unwrap();
    let options = ConnectorOptions {
        bus_monitor: Duration::from_secs(2),
        ..ConnectorOptions::default()
    };
    let bus = open_with(url, options);
    let target = || connect::BusTarget::server("long", "slow");
    let call = bus.call(target(), request("hang", json!({})), soon());
    tokio::pin!(call);
    // Longer than a silent server is waited for.
    let early = tokio::time::timeout(Duration::from_secs(5), &mut call).await;
    assert!(early.is_err(), "{early:?}");
    service.gate.add_permits(1);
    assert_eq!(call.await.unwrap(), json!("done"));

    // A server that stops while it works gives no more signs.
    let asked = service.count("hang");
    let call = bus.call(target(), request("hang", json!({})), soon());
    let gone = async {
        until("the call arrives", || async {
            service.count("hang") > asked
        })
        .await;
        drop(serving);
        Instant::now()
    };
    let (answer, stopped) = tokio::join!(call, gone);
    assert_eq!(class(answer.unwrap_err()), ErrorClass::Timeout);
    assert!(
        stopped.elapsed() < Duration::from_secs(4) + SLACK,
        "{:?}",
        stopped.elapsed()
    );
}

async fn every_kind_of_queue_works(server: &RabbitMq) {
    for (host, kind, query) in [
        ("durable", Queues::Durable, "amqp_durable_queues=true"),
        (
            "quorum",
            Queues::Quorum,
            "rabbit_quorum_queue=true&rabbit_transient_quorum_queue=true",
        ),
    ] {
        let service = Service::new("host1");
        let by_url = open(&with(&server.url(host), query));
        let _serving = by_url
            .serve("compute", "host1", service, soon())
            .await
            .unwrap();
        let options = ConnectorOptions {
            bus_queues: QueueProfile {
                topics: kind,
                replies: kind,
            },
            ..ConnectorOptions::default()
        };
        let by_options = open_with(&server.url(host), options);
        let answer = by_options.call(compute("host1"), who(), soon()).await;
        assert_eq!(answer.unwrap(), json!("host1"), "{host}");
        // Who was told something else uses what is there.
        let unaware = open(&server.url(host));
        let second = Service::new("host1");
        let _second = unaware
            .serve("compute", "host1", second, soon())
            .await
            .unwrap();
        let answer = unaware.call(compute("host1"), who(), soon()).await;
        assert_eq!(answer.unwrap(), json!("host1"), "{host}");
    }
}

//! The suite on Redis, and what is Redis's own: databases, and requests whose server died over them.

use std::collections::HashSet;
use std::time::Duration;

use cells::{ErrorClass, SecretText};
use connect::ConnectorOptions;
use futures_util::future::join_all;
use nova_conformance::{PASSWORD, Redis};
use serde_json::{Value, json};

use crate::logged::Logged;
use crate::service::Service;
use crate::{compute, open, open_with, request, soon, suite, until, who, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_what_every_bus_promises() {
    let log = Logged::everything();
    let mut server = Redis::start().await.unwrap();
    let url = server.url();
    suite::suite(&|| open(&url)).await;
    failures_have_their_class(&server).await;
    what_a_dead_server_left_goes_to_another(&server).await;
    a_killed_redis_loses_nothing_it_took(&mut server).await;
    let log = log.text();
    assert!(log.contains("nova_connect"), "nothing was logged");
    assert!(!log.contains(PASSWORD), "the log has the password");
}

async fn checked(url: &str) -> Option<ErrorClass> {
    let bus = open(&SecretText::from(url));
    let error = bus.check(within(20_000)).await.err()?;
    assert!(!format!("{bus:?} {error:?} {}", error.detail()).contains("hunter2"));
    Some(error.class())
}

async fn failures_have_their_class(server: &Redis) {
    let port = server.port();
    let url = server.url();
    assert_eq!(checked(url.expose()).await, None);
    let other = format!("{}99", url.expose());
    assert_eq!(checked(&other).await, Some(ErrorClass::Schema));
    let odd = format!("{}cell1", url.expose());
    assert_eq!(checked(&odd).await, Some(ErrorClass::Configuration));
    let wrong = format!("redis://nova:hunter2@127.0.0.1:{port}/");
    assert_eq!(checked(&wrong).await, Some(ErrorClass::Authentication));
    let nobody = format!("redis://127.0.0.1:{port}/");
    assert_eq!(checked(&nobody).await, Some(ErrorClass::Authentication));
    let refused = "redis://nova:hunter2@127.0.0.1:1/";
    assert_eq!(checked(refused).await, Some(ErrorClass::Unreachable));
}

async fn what_a_dead_server_left_goes_to_another(server: &Redis) {
    let options = || ConnectorOptions {
        bus_monitor: Duration::from_secs(2),
        ..ConnectorOptions::default()
    };
    let bus = open_with(&server.url(), options());
    let (dies, lives) = (Service::new("dies"), Service::new("lives"));
    let serving = open_with(&server.url(), options())
        .serve("left", "dies", dies.clone(), soon())
        .await
        .unwrap();
    let target = || connect::BusTarget::topic("left");
    bus.cast(target(), request("hang", json!({})), soon())
        .await
        .unwrap();
    until("the request is worked on", || async {
        dies.count("hang") == 1
    })
    .await;
    drop(serving);
    let _serving = open_with(&server.url(), options())
        .serve("left", "lives", lives.clone(), soon())
        .await
        .unwrap();
    until("another takes it", || async { lives.count("hang") == 1 }).await;
    // It is not given away again while it is worked on.
    let alive = bus.call(target(), who(), soon()).await.unwrap();
    assert_eq!(alive, json!("lives"));
    tokio::time::timeout(Duration::from_secs(5), async {
        until("a second time", || async { lives.count("hang") > 1 }).await;
    })
    .await
    .unwrap_err();
    lives.gate.add_permits(1);
}

async fn a_killed_redis_loses_nothing_it_took(server: &mut Redis) {
    let url = server.url();
    let bus = open(&url);
    let working = Service::new("host5");
    let server_bus = open(&url);
    let serving = server_bus.serve("compute", "host5", working.clone(), soon());
    let _serving = serving.await.unwrap();
    let early = Service::new("host6");
    drop(
        bus.serve("compute", "host6", early.clone(), soon())
            .await
            .unwrap(),
    );
    let casts =
        (0..300).map(|n| bus.cast(compute("host6"), request("note", json!({"n": n})), soon()));
    assert!(join_all(casts).await.iter().all(Result::is_ok));
    let call = bus.call(
        compute("host5"),
        request("hang", json!({})),
        within(300_000),
    );
    let kill = async {
        until("the call is worked on", || async {
            working.count("hang") == 1
        })
        .await;
        server.signal("KILL").unwrap();
        tokio::task::block_in_place(|| server.restart()).unwrap();
        working.gate.add_permits(10);
    };
    let (answer, ()) = tokio::join!(call, kill);
    assert_eq!(answer.unwrap(), json!("done"));
    assert_eq!(working.count("hang"), 1);
    let late = Service::new("host6");
    let _late = bus
        .serve("compute", "host6", late.clone(), soon())
        .await
        .unwrap();
    let arrived = || -> HashSet<Option<i64>> {
        let notes = [early.asked("note"), late.asked("note")].concat();
        notes
            .iter()
            .map(|note| note.args.get("n").and_then(Value::as_i64))
            .collect()
    };
    until("everything that was taken arrives", || async {
        arrived().len() == 300
    })
    .await;
}

//! A bus on the Redis that sentinels name: the suite on it, and another one that writes after the first is gone.

use std::time::Instant;

use cells::{ErrorClass, SecretText};
use connect::CellBus;
use nova_conformance::RedisSentinels;
use serde_json::json;

use crate::service::Service;
use crate::{compute, open, request, soon, suite, until, who, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_behind_sentinels_may_change_under_a_bus() {
    let mut all = RedisSentinels::start().await.unwrap();
    let url = all.url();
    suite::suite(&|| open(&url)).await;
    who_is_no_sentinel_or_knows_another_name(&all).await;

    let service = Service::new("host1");
    let (bus, served) = (open(&url), open(&url));
    let serving = served.serve("compute", "host1", service.clone(), soon());
    let _serving = serving.await.unwrap();
    answers(&bus).await;
    let first = all.primary().unwrap().port();
    all.primary().unwrap().signal("KILL").unwrap();
    all.lose_a_sentinel();
    let begun = Instant::now();
    // Whoever was there all the time: a client, and a server.
    answers(&bus).await;
    // The sentinel that is asked here may hear of it later than the one that the bus asked.
    until("the sentinels name another one", || async {
        all.primary().is_ok_and(|now| now.port() != first)
    })
    .await;
    crate::say(&format!("another one writes after {:?}", begun.elapsed()));
    let before = service.count("note");
    for n in 0..20 {
        let note = request("note", json!({ "n": n }));
        bus.cast(compute("host1"), note, soon()).await.unwrap();
    }
    until("what was cast arrives", || async {
        service.count("note") == before + 20
    })
    .await;
    // And one that is new.
    answers(&open(&url)).await;
}

async fn answers(bus: &CellBus) {
    until("a call is answered", || async {
        let answer = bus.call(compute("host1"), who(), within(2000)).await;
        answer.is_ok_and(|answer| answer == json!("host1"))
    })
    .await;
}

async fn checked(url: &str) -> Option<ErrorClass> {
    let error = open(&SecretText::from(url)).check(within(20_000)).await;
    let error = error.err()?;
    assert!(!format!("{error} {error:?} {}", error.detail()).contains("hunter2"));
    Some(error.class())
}

async fn who_is_no_sentinel_or_knows_another_name(all: &RedisSentinels) {
    let url = all.url();
    let url = url.expose();
    assert_eq!(checked(url).await, None);
    let other = url.replace("/cell1", "/cell2");
    assert_eq!(checked(&other).await, Some(ErrorClass::Configuration));
    let nameless = url.replace("/cell1", "/");
    assert_eq!(checked(&nameless).await, Some(ErrorClass::Configuration));
    let wrong = url.replace("p%40ss", "hunter2");
    assert_eq!(checked(&wrong).await, Some(ErrorClass::Authentication));
    // A Redis and no sentinel.
    let port = all.primary().unwrap().port();
    let redis = format!("redis+sentinel://nova:hunter2@127.0.0.1:{port}/cell1");
    assert_eq!(checked(&redis).await, Some(ErrorClass::Configuration));
}

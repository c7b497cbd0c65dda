//! What every bus promises, whichever it is.

use std::time::{Duration, Instant};

use cells::ErrorClass;
use connect::{BusTarget, CarriedContext, CellBus};
use context::{RequestContext, Roles, TrustPolicy, WireRules};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::service::Service;
use crate::{SLACK, class, compute, remote, request, soon, until, who, within};

/// `open` gives the same bus each time, over a connection of its own where there are any.
pub(crate) async fn suite(open: &impl Fn() -> CellBus) {
    let bus = open();
    bus.check(soon()).await.unwrap();
    a_topic_that_nobody_serves_is_refused_at_once(open).await;

    let (one, two) = (Service::new("host1"), Service::new("host2"));
    let serving = bus
        .serve("compute", "host1", one.clone(), soon())
        .await
        .unwrap();
    let _two = open()
        .serve("compute", "host2", two.clone(), soon())
        .await
        .unwrap();

    calls_are_answered(open).await;
    requests_reach_whom_they_are_for(open, &one, &two).await;
    contexts_arrive_and_are_not_believed(open, &one).await;
    a_budget_ends_a_call(open, &one).await;

    drop(serving);
    drop(bus);
    let bus = open();
    until("a server that stopped answers no more", || async {
        bus.call(compute("host1"), who(), within(500))
            .await
            .is_err()
    })
    .await;
    assert_eq!(
        bus.call(compute("host2"), who(), soon()).await.unwrap(),
        json!("host2")
    );
}

async fn a_topic_that_nobody_serves_is_refused_at_once(open: &impl Fn() -> CellBus) {
    let bus = open();
    let begun = Instant::now();
    let nobody = || BusTarget::topic("nobody");
    let error = bus.call(nobody(), who(), soon()).await.unwrap_err();
    assert_eq!(class(error), ErrorClass::Unreachable);
    let error = bus.cast(nobody(), who(), soon()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unreachable);
    bus.fanout("nobody", who(), soon()).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

async fn calls_are_answered(open: &impl Fn() -> CellBus) {
    let bus = open();
    let long = "\u{1F600}\"\\\n".repeat(100_000);
    for value in [
        json!(null),
        json!(7),
        json!({"a": [1, 2.5, "x"]}),
        json!(long),
    ] {
        let asked = request("echo", json!({"arg": value}));
        let answer = bus.call(compute("host1"), asked, soon()).await.unwrap();
        assert!(answer == value);
    }
    let error = bus
        .call(compute("host1"), request("lose", json!({})), soon())
        .await
        .unwrap_err();
    let error = remote(error);
    assert_eq!(
        (error.class.as_str(), error.module.as_str()),
        ("InstanceNotFound", "nova.exception")
    );
    assert_eq!(error.message, "Instance abc could not be found.");

    let mut newer = who();
    newer.version = "6.6".into();
    let error = bus.call(compute("host1"), newer, soon()).await.unwrap_err();
    assert_eq!(remote(error).class, "UnsupportedVersion");
    let mut other = who();
    other.namespace = Some("other".into());
    let error = bus.call(compute("host1"), other, soon()).await.unwrap_err();
    assert_eq!(remote(error).class, "UnsupportedVersion");
    let private = request("__class__", json!({}));
    let error = bus
        .call(compute("host1"), private, soon())
        .await
        .unwrap_err();
    assert_eq!(remote(error).class, "NoSuchMethod");

    let many = (0..200).map(|n| {
        let asked = request("echo", json!({"arg": n}));
        bus.call(BusTarget::topic("compute"), asked, soon())
    });
    for (n, answer) in join_all(many).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), json!(n));
    }
}

async fn requests_reach_whom_they_are_for(
    open: &impl Fn() -> CellBus,
    one: &Service,
    two: &Service,
) {
    let bus = open();
    let note = |n: usize| request("note", json!({"n": n}));
    let before = (one.count("note"), two.count("note"));
    for n in 0..20 {
        bus.cast(compute("host2"), note(n), soon()).await.unwrap();
    }
    until("all casts arrive", || async {
        two.count("note") == before.1 + 20
    })
    .await;
    assert_eq!(one.count("note"), before.0);
    bus.fanout("compute", note(99), soon()).await.unwrap();
    until("a fanout reaches everybody", || async {
        (one.count("note"), two.count("note")) == (before.0 + 1, before.1 + 21)
    })
    .await;
    // In order, from one sender to one server.
    let numbers: Vec<Value> = two
        .asked("note")
        .iter()
        .filter_map(|request| request.args.get("n").cloned())
        .collect();
    assert_eq!(numbers.len(), 21);
}

async fn contexts_arrive_and_are_not_believed(open: &impl Fn() -> CellBus, one: &Service) {
    let bus = open();
    let roles: Roles = ["member", "reader"].into_iter().collect();
    let sent = RequestContext::for_background("test", context::Identity::default(), roles);
    let sent = sent.elevated("to see whether a claim is believed");
    let mut asked = request("echo", json!({"arg": "context"}));
    asked.context = CarriedContext::of(&sent);
    bus.call(compute("host1"), asked, soon()).await.unwrap();
    let arrived = one
        .asked("echo")
        .into_iter()
        .find(|request| request.args.get("arg") == Some(&json!("context")));
    let believe = |trust: TrustPolicy| {
        let carried = arrived.clone().unwrap().context;
        carried.believe(&WireRules::default(), trust, std::sync::Arc::default())
    };
    let context = believe(TrustPolicy::Accept).unwrap();
    assert_eq!(context.request_id(), sent.request_id());
    assert_eq!(context.is_admin(), sent.is_admin());
    let held = believe(TrustPolicy::Recompute).unwrap();
    let has_role = held.roles().contains("admin");
    assert_eq!(held.is_admin(), has_role);
}

async fn a_budget_ends_a_call(open: &impl Fn() -> CellBus, one: &Service) {
    let bus = open();
    let hang = || request("hang", json!({}));
    bus.check(soon()).await.unwrap();
    let begun = Instant::now();
    let error = bus
        .call(compute("host1"), hang(), within(400))
        .await
        .unwrap_err();
    assert_eq!(class(error), ErrorClass::Timeout);
    assert!(
        begun.elapsed() < Duration::from_millis(400) + SLACK,
        "{:?}",
        begun.elapsed()
    );
    // The server works on for others, and drops what nobody waits for.
    assert_eq!(
        bus.call(compute("host1"), who(), soon()).await.unwrap(),
        json!("host1")
    );
    // The request whose caller has gone may still take one.
    one.gate.add_permits(2);
    assert_eq!(
        bus.call(compute("host1"), hang(), soon()).await.unwrap(),
        json!("done")
    );
}

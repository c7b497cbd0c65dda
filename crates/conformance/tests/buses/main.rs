//! Buses on real brokers: one suite for all of them, and what is each one's own. A broker that cannot be had fails the
//! test.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod in_process;
mod logged;
mod malformed;
mod rabbitmq;
mod redis;
mod redis_server;
mod restarts;
mod sentinels;
mod service;
mod suite;
mod tls;

use std::future::Future;
use std::time::{Duration, Instant};

use cells::{CellConnector, ErrorClass, SecretText};
use connect::{BusTarget, CallError, CellBus, ConnectorOptions, NovaConnector, RpcRequest};
use context::Deadline;
use nova_conformance::fakes::cell_on_bus;
use serde_json::{Value, json};

/// A bus of its own connector: nothing is shared with another one.
fn open(transport: &SecretText) -> CellBus {
    open_with(transport, ConnectorOptions::default())
}

fn open_with(transport: &SecretText, options: ConnectorOptions) -> CellBus {
    NovaConnector::new(options)
        .open_messaging(&cell_on_bus(transport).unwrap())
        .unwrap()
}

/// The URL with an option in its query.
fn with(url: &SecretText, option: &str) -> SecretText {
    let separator = if url.expose().contains('?') { '&' } else { '?' };
    SecretText::new(format!("{}{separator}{option}", url.expose()))
}

fn within(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

/// Longer than anything takes on a machine that builds something else at the same time.
fn soon() -> Deadline {
    within(60_000)
}

/// What a budget may be overrun by on such a machine.
const SLACK: Duration = Duration::from_secs(3);

fn request(method: &str, args: Value) -> RpcRequest {
    let mut request = RpcRequest::new(method, args.as_object().unwrap().clone());
    request.version = "6.0".into();
    request
}

/// A question that any server answers with its name.
fn who() -> RpcRequest {
    request("who", json!({}))
}

fn compute(server: &str) -> BusTarget {
    BusTarget::server("compute", server)
}

fn class(error: CallError) -> ErrorClass {
    match error {
        CallError::Bus(error) => error.class(),
        other => panic!("the bus was expected to fail, got {other:?}"),
    }
}

fn remote(error: CallError) -> connect::RemoteError {
    match error {
        CallError::Remote(error) => error,
        CallError::Bus(error) => panic!("{}: {}", error.class(), error.detail()),
        other => panic!("{other:?}"),
    }
}

/// Waits until something holds. Each look waits for a broker, or lets others run.
async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::task::yield_now().await;
    }
}

/// Figures, seen with `--no-capture`.
#[expect(clippy::print_stdout, reason = "a test's own words")]
fn say(what: &str) {
    println!("{what}");
}

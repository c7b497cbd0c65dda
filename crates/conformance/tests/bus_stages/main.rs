//! Connections to a broker that break at each stage, in each way: reported within the budget, the bus is used again soon
//! after, and nothing is left behind: no task, no thread, no descriptor, no connection on the broker.
//!
//! What is counted is this whole process's, so its tests take turns.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod left;
#[path = "../buses/service.rs"]
mod service;
mod stages;

use cells::SecretText;
use nova_conformance::faults::Step;
use nova_conformance::{RabbitMq, Redis};
use tokio::sync::Mutex;

use crate::stages::Broker;

static TURNS: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_broken_at_each_stage_is_reported_in_time_and_leaves_nothing() {
    let _turn = TURNS.lock().await;
    let server = RabbitMq::start(&["cell1"]).await.unwrap();
    let before = server.connections().await.unwrap();
    assert_eq!(before, 0);
    let broker = Broker {
        url: server.url("cell1"),
        port: server.port(),
        logging_in: Step::ClientSays(b"PLAIN".to_vec()),
    };
    stages::suite(&broker).await;
    // In its own words, beside the system's.
    left::until("the broker has no connection any more", || async {
        server.connections().await.unwrap() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_broken_at_each_stage_is_reported_in_time_and_leaves_nothing() {
    let _turn = TURNS.lock().await;
    let server = Redis::start().await.unwrap();
    let broker = Broker {
        url: server.url(),
        port: server.port(),
        logging_in: Step::ClientSays(b"AUTH".to_vec()),
    };
    stages::suite(&broker).await;
}

/// The same place, through another port.
fn at_port(url: &SecretText, port: u16) -> SecretText {
    let (head, tail) = url.expose().split_once("127.0.0.1:").unwrap();
    let rest = tail.split_once('/').unwrap().1;
    SecretText::new(format!("{head}127.0.0.1:{port}/{rest}"))
}

/// Figures, seen with `--no-capture`.
#[expect(clippy::print_stdout, reason = "a test's own words")]
fn say(what: &str) {
    println!("{what}");
}

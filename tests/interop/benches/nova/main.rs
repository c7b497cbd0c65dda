//! Beside Nova: what Nova's own code takes for the same, in the same run, on the same servers. Every figure's peer is Nova
//! or oslo.messaging as `cargo xtask interop` installs them; what one would write by hand is the other benches' peer.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on has no figure to give"
)]

mod messages;
#[path = "../../../../crates/conformance/benches/peers/mod.rs"]
mod peers;
mod scatters;
mod servers;
#[path = "../../../../crates/conformance/benches/peers/service.rs"]
mod service;

use conformance::fakes;
use nova_interop::{Oracle, Peers};
use serde_json::Value;

/// What Nova has to say; the runtime's other threads go on meanwhile.
fn asked(nova: &mut Oracle, question: Value) -> Value {
    tokio::task::block_in_place(|| nova.ask(question)).value()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn main() {
    let nova = Peers::here();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let all = async move {
        peers::load();
        scatters::measure(&nova).await;
        messages::measure(&nova).await;
        servers::measure(&nova).await;
        peers::load();
    };
    // On a worker, as a service's own code is.
    runtime.block_on(runtime.spawn(all)).expect("all figures");
}

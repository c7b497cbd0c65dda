//! The suite on the bus inside a process. Buses are shared within a connector, so all its handles are one.

use crate::{open, suite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_inside_the_process_keeps_what_every_bus_promises() {
    let bus = open(&"fake:///suite".into());
    suite::suite(&|| bus.clone()).await;
}

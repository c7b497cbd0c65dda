//! The scatter suite on the thread executor.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use cells::CellError;
use nova_conformance as conformance;
use nova_conformance::fakes::{FakeCloud, Gate, admin};
use nova_conformance::scatter_suite::{BlockingRunner, PARALLEL, PER_CELL};
use scatter::{Scatter, ThreadExecutor, ThreadPolicy};

fn runner() -> BlockingRunner<ThreadExecutor> {
    let policy = ThreadPolicy {
        workers: PARALLEL,
        per_cell: PER_CELL,
        ..ThreadPolicy::default()
    };
    BlockingRunner(ThreadExecutor::new("suite", policy).unwrap())
}

conformance::scatter_suite!(runner());

/// Says that it is dropped, and panics.
struct Fuse(Sender<()>);

impl Drop for Fuse {
    fn drop(&mut self) {
        let _ = self.0.send(());
        panic!("the test says so");
    }
}

/// Whoever is the last to hold a call drops what its caller gave, and where the caller has gone, that is a worker.
#[test]
fn what_panics_as_it_is_dropped_costs_no_worker() {
    let policy = ThreadPolicy {
        workers: 1,
        max_abandoned: 0,
        ..ThreadPolicy::default()
    };
    let executor = ThreadExecutor::new("fuse", policy).unwrap();
    let (cloud, request, gate) = (FakeCloud::of(1), admin(), Gate::default());
    let (dropped, is_dropped) = channel();
    let (fuse, shut) = (Fuse(dropped), gate.clone());
    let report = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(Duration::from_millis(100))
        .run_blocking(&executor, move |_| {
            let _burns = &fuse;
            shut.pass_blocking();
            Ok::<(), CellError>(())
        });
    assert_eq!(report.counts().timed_out, 1);
    gate.open();
    is_dropped.recv_timeout(Duration::from_secs(60)).unwrap();
    let report = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(Duration::from_secs(60))
        .run_blocking(&executor, |_| Ok::<(), CellError>(()));
    assert_eq!(report.counts().answered, 1);
}

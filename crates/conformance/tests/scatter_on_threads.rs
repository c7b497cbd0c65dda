//! The scatter suite on the thread executor.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use nova_conformance as conformance;
use nova_conformance::scatter_suite::{BlockingRunner, PARALLEL, PER_CELL};
use scatter::{ThreadExecutor, ThreadPolicy};

fn runner() -> BlockingRunner<ThreadExecutor> {
    let policy = ThreadPolicy {
        workers: PARALLEL,
        per_cell: PER_CELL,
        ..ThreadPolicy::default()
    };
    BlockingRunner(ThreadExecutor::new("suite", policy).unwrap())
}

conformance::scatter_suite!(runner());

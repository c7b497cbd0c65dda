//! The scatter suite for async work on the thread executor, over one shared runtime.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::sync::Arc;

use nova_conformance as conformance;
use nova_conformance::scatter_suite::{AsyncRunner, PARALLEL, PER_CELL};
use scatter::{BridgedExecutor, ThreadExecutor, ThreadPolicy};

fn runner() -> AsyncRunner<BridgedExecutor> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let policy = ThreadPolicy {
        workers: PARALLEL,
        per_cell: PER_CELL,
        ..ThreadPolicy::default()
    };
    let threads = ThreadExecutor::new("suite", policy).unwrap();
    AsyncRunner {
        executor: BridgedExecutor::new(threads, runtime.handle().clone()),
        runtime: Arc::new(runtime),
        isolates_blocking: true,
    }
}

conformance::scatter_suite!(runner());

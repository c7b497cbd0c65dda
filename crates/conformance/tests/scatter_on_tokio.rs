//! The scatter suite on the tokio executor.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::sync::Arc;

use nova_conformance as conformance;
use nova_conformance::scatter_suite::{AsyncRunner, PARALLEL};
use scatter::TokioExecutor;

/// Workers enough that works which block, as the stalled connector does, leave some for the others.
fn runner() -> AsyncRunner<TokioExecutor> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(PARALLEL)
        .enable_time()
        .build()
        .unwrap();
    AsyncRunner {
        executor: TokioExecutor::new(runtime.handle().clone()),
        runtime: Arc::new(runtime),
        isolates_blocking: false,
    }
}

conformance::scatter_suite!(runner());

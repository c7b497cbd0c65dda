//! P11, and what looking on costs: memory per cell in flight, and time per cell with a recorder of metrics and a subscriber
//! of spans installed.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on has no figure to give"
)]

mod peers;
#[path = "peers/processor.rs"]
mod processor;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cells::CellError;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use nova_conformance::fakes::{FakeCloud, HonestConnector, admin};
use peers::{AMPLE, load, row};
use processor::thread_seconds;
use scatter::{Scatter, ScatterStats, TokioExecutor};
use tracing::span;

/// Counts what it is told, as the cheapest real recorder would.
struct Counting;

struct Sum(AtomicU64);

impl HistogramFn for Sum {
    fn record(&self, value: f64) {
        self.0.fetch_add(value.to_bits() >> 32, Ordering::Relaxed);
    }
}

impl Recorder for Counting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(AtomicU64::new(0)))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(AtomicU64::new(0)))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Sum(AtomicU64::new(0))))
    }
}

/// Takes every span and event, and counts them.
#[derive(Default)]
struct Watching(AtomicU64);

impl tracing::Subscriber for Watching {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &span::Id) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn exit(&self, _: &span::Id) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const CELLS: usize = 64;

/// Microseconds of processor time per cell, the median of a few rounds.
async fn per_cell(stats: Option<&ScatterStats>) -> f64 {
    let (cloud, request) = (FakeCloud::of(CELLS), admin());
    let executor = TokioExecutor::current().expect("inside a runtime");
    let calls = 400;
    let mut rounds = Vec::new();
    for _ in 0..9 {
        let began = thread_seconds();
        for _ in 0..calls {
            let mut scatter = Scatter::new(&request, &cloud.cells, cloud.all()).timeout(AMPLE);
            if let Some(stats) = stats {
                scatter = scatter.stats(stats);
            }
            let report = scatter
                .run(&executor, |_| async { Ok::<u64, CellError>(1) })
                .await;
            assert!(!report.is_partial());
        }
        let took = thread_seconds() - began;
        rounds.push(took / (calls * CELLS) as f64 * 1e6);
    }
    peers::median(rounds)
}

async fn looking_on() {
    let alone = per_cell(None).await;
    let noted = per_cell(Some(&ScatterStats::default())).await;
    row("stats on, more per cell", noted - alone, "us", None);
    metrics::set_global_recorder(Counting).expect("the first recorder");
    let recorded = per_cell(Some(&ScatterStats::default())).await;
    row(
        "stats and metrics on, more per cell",
        recorded - alone,
        "us",
        None,
    );
    tracing::subscriber::set_global_default(Watching::default()).expect("the first subscriber");
    let watched = per_cell(Some(&ScatterStats::default())).await;
    row(
        "stats, metrics and every span on, more per cell",
        watched - alone,
        "us",
        None,
    );
}

/// Resident memory of this process in bytes.
fn resident() -> f64 {
    peers::memory_kib("VmRSS:") * 1024.0
}

async fn in_flight() {
    let cells = 10_000;
    let (cloud, request) = (FakeCloud::of(cells), admin());
    let executor = TokioExecutor::current().expect("inside a runtime");
    // Cells are open before, so that only what is in flight is counted.
    for number in 0..cells {
        let id = FakeCloud::<HonestConnector>::id(number);
        drop(cloud.cells.target(&request, id).expect("it is there"));
    }
    let began = Arc::new(AtomicU64::new(0));
    let before = resident();
    let call = {
        let (cloud, request, executor) = (cloud.clone(), request.clone(), executor.clone());
        let began = Arc::clone(&began);
        tokio::spawn(async move {
            Scatter::new(&request, &cloud.cells, cloud.all())
                .timeout(AMPLE)
                .run(&executor, move |_| {
                    began.fetch_add(1, Ordering::SeqCst);
                    std::future::pending::<Result<(), CellError>>()
                })
                .await
        })
    };
    while began.load(Ordering::SeqCst) < cells as u64 {
        tokio::task::yield_now().await;
    }
    let each = (resident() - before) / cells as f64;
    row("P11 memory per cell in flight", each, "bytes", None);
    call.abort();
}

fn main() {
    load();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(in_flight());
    runtime.block_on(looking_on());
    load();
}

//! P5, P6, P13 and R3's throughput: cells that take their time, and one that takes too much. Peers are the ideal times.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on has no figure to give"
)]

mod peers;

use std::time::{Duration, Instant};

use cells::CellError;
use nova_conformance::fakes::{FakeCloud, Gate, HonestConnector, admin};
use peers::{load, median, row};
use scatter::{CellTask, Scatter, ScatterReport, ThreadExecutor, ThreadPolicy, TokioExecutor};

fn number(task: &CellTask<HonestConnector>) -> usize {
    task.cell().database().number
}

/// A scatter in which each cell takes this long.
async fn taking(
    cloud: &FakeCloud,
    budget: Duration,
    takes: impl Fn(usize) -> Duration + Send + Sync + 'static,
) -> ScatterReport<usize> {
    let executor = TokioExecutor::current().expect("inside a runtime");
    let request = admin();
    Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(budget)
        .run(&executor, move |task| {
            let cell = number(&task);
            let time = takes(cell);
            async move {
                tokio::time::sleep(time).await;
                Ok::<usize, CellError>(cell)
            }
        })
        .await
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn on_tokio() {
    let cloud = FakeCloud::of(20);
    let mut rounds = Vec::new();
    for _ in 0..7 {
        let report = taking(&cloud, Duration::from_secs(5), |_| {
            Duration::from_millis(100)
        })
        .await;
        rounds.push(millis(report.elapsed()));
        assert!(!report.is_partial());
    }
    row(
        "P5 first page, 20 cells of 100 ms",
        median(rounds),
        "ms",
        Some(100.0),
    );

    let cloud = FakeCloud::of(4);
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let slow = |cell| Duration::from_millis(if cell == 1 { 6_000 } else { 5 });
        let report = taking(&cloud, Duration::from_secs(2), slow).await;
        rounds.push(millis(report.elapsed()));
        let counts = report.counts();
        assert_eq!((counts.answered, counts.timed_out), (3, 1));
    }
    row(
        "P6 one of 4 cells takes 6 s, budget 2 s",
        median(rounds),
        "ms",
        Some(2_000.0),
    );

    for cells in [64, 256, 1000] {
        let cloud = FakeCloud::of(cells);
        let mut rounds = Vec::new();
        for _ in 0..7 {
            let report = taking(&cloud, Duration::from_secs(5), |_| {
                Duration::from_millis(50)
            })
            .await;
            rounds.push(millis(report.elapsed()));
            assert!(!report.is_partial());
        }
        row(
            &format!("P13 {cells} cells of 50 ms, async"),
            median(rounds),
            "ms",
            Some(50.0),
        );
    }
}

fn on_threads() {
    let executor = ThreadExecutor::new("bench", ThreadPolicy::default()).expect("threads");
    let request = admin();
    for cells in [64, 256, 1000] {
        let cloud = FakeCloud::of(cells);
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let scatter =
                Scatter::new(&request, &cloud.cells, cloud.all()).timeout(Duration::from_secs(10));
            let report = scatter.run_blocking(&executor, |_| {
                std::thread::sleep(Duration::from_millis(50));
                Ok::<(), CellError>(())
            });
            rounds.push(millis(report.elapsed()));
            assert!(!report.is_partial());
        }
        let ideal = cells.div_ceil(64) * 50;
        row(
            &format!("P13 {cells} cells of 50 ms, 64 threads"),
            median(rounds),
            "ms",
            Some(ideal as f64),
        );
    }
}

fn sixteen_threads() -> ThreadExecutor {
    let policy = ThreadPolicy {
        workers: 16,
        per_cell: 4,
        ..ThreadPolicy::default()
    };
    ThreadExecutor::new("bench", policy).expect("threads")
}

/// Calls a second to one healthy cell at a time, for this long; cell 0 is left out.
fn healthy_calls(executor: &ThreadExecutor, cloud: &FakeCloud, time: Duration) -> f64 {
    let request = admin();
    let (began, mut calls) = (Instant::now(), 0_usize);
    while began.elapsed() < time {
        let one = cloud
            .all()
            .into_iter()
            .skip(1 + calls % 7)
            .take(1)
            .collect();
        let report = Scatter::new(&request, &cloud.cells, one)
            .timeout(Duration::from_secs(5))
            .run_blocking(executor, |_| Ok::<(), CellError>(()));
        assert!(!report.is_partial());
        calls += 1;
    }
    calls as f64 / began.elapsed().as_secs_f64()
}

/// R3: cell 0 hangs on four workers for a minute. Meanwhile single-cell calls to the other cells, in turns through its
/// executor and through one that has nothing to do with it.
fn throughput_beside_a_cell_hung_for_a_minute() {
    let (sick, sound) = (sixteen_threads(), sixteen_threads());
    let (cloud, request) = (FakeCloud::of(8), admin());
    let (round, minute) = (Duration::from_millis(400), Duration::from_secs(60));
    for executor in [&sick, &sound] {
        healthy_calls(executor, &cloud, round);
    }
    let gate = Gate::default();
    let (mut beside, mut alone) = (Vec::new(), Vec::new());
    std::thread::scope(|callers| {
        for _ in 0..4 {
            let gate = gate.clone();
            callers.spawn(|| {
                let hung = cloud.all().into_iter().take(1).collect();
                let report = Scatter::new(&request, &cloud.cells, hung)
                    .timeout(minute)
                    .run_blocking(&sick, move |_| {
                        gate.pass_blocking();
                        Ok::<(), CellError>(())
                    });
                assert!(report.is_partial());
            });
        }
        let began = Instant::now();
        while began.elapsed() + round * 2 < minute {
            beside.push(healthy_calls(&sick, &cloud, round));
            alone.push(healthy_calls(&sound, &cloud, round));
        }
    });
    gate.open();
    row(
        "R3 healthy calls/s beside a cell hung for a minute, threads",
        median(beside),
        "1/s",
        Some(median(alone)),
    );
}

fn main() {
    load();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let measured = runtime.spawn(on_tokio());
    runtime.block_on(measured).expect("the measurement");
    on_threads();
    throughput_beside_a_cell_hung_for_a_minute();
    load();
}

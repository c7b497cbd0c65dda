//! Reports of a scatter taken as they come, on simulated time.

#![expect(clippy::expect_used, reason = "a step that fails is a test that fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cells::{CellError, ErrorClass};
use nova_conformance::fakes::{FakeCloud, admin};
use nova_conformance::sim::Seeded;
use scatter::{OutcomeKind, Scatter, TokioExecutor};
use tokio::time::{Instant, sleep};

const BUDGET: Duration = Duration::from_secs(1);

fn executor() -> TokioExecutor {
    TokioExecutor::current().expect("a test has a runtime")
}

#[tokio::test(start_paused = true)]
async fn reports_come_as_the_cells_answer_and_the_late_ones_at_the_end() {
    let (cloud, request, executor) = (FakeCloud::of(4).with_rejected(&[1]), admin(), executor());
    let began = Instant::now();
    let mut stream = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(BUDGET)
        .stream(&executor, |task| async move {
            match task.cell().database().number {
                0 => sleep(Duration::from_millis(300)).await,
                2 => sleep(Duration::from_millis(100)).await,
                _ => std::future::pending().await,
            }
            Ok::<(), CellError>(())
        });
    let mut came = Vec::new();
    while let Some(report) = stream.next().await {
        came.push((report.outcome.kind(), began.elapsed().as_millis()));
    }
    use OutcomeKind::{Answered, Rejected, TimedOut};
    let [rejected, first, second, late] = came[..] else {
        panic!("{came:?}");
    };
    assert_eq!(rejected, (Rejected, 0));
    assert_eq!((first.0, first.1 / 10), (Answered, 10));
    assert_eq!((second.0, second.1 / 10), (Answered, 30));
    assert_eq!((late.0, late.1 / 10), (TimedOut, 100));
    assert!(stream.counts().add_up());
}

#[tokio::test(start_paused = true)]
async fn every_cell_comes_exactly_once_however_they_end() {
    for seed in 0..500 {
        let mut dice = Seeded::new(seed);
        let cells = dice.below(10);
        let ends: Arc<[(usize, u64)]> = (0..cells)
            .map(|_| (dice.below(4), dice.below(1_500) as u64))
            .collect();
        let (cloud, request, executor) = (FakeCloud::of(cells), admin(), executor());
        let planned = Arc::clone(&ends);
        let mut stream = Scatter::new(&request, &cloud.cells, cloud.all())
            .timeout(BUDGET)
            .in_flight(1 + dice.below(12))
            .stream(&executor, move |task| {
                let (how, when) = planned[task.cell().database().number];
                async move {
                    sleep(Duration::from_millis(when)).await;
                    match how {
                        0 => std::future::pending().await,
                        1 => Err(CellError::new(ErrorClass::Statement, "on purpose")),
                        _ => Ok(()),
                    }
                }
            });
        // A caller may look at some and take the rest at once.
        let mut names = Vec::new();
        for _ in 0..dice.below(cells + 2) {
            let Some(report) = stream.next().await else {
                break;
            };
            names.push(report.cell.uuid().to_owned());
        }
        let mut counts = stream.counts();
        let rest = stream.into_rest().await;
        counts.answered += rest.counts().answered;
        counts.failed += rest.counts().failed;
        counts.timed_out += rest.counts().timed_out;
        assert!(counts.add_up(), "seed {seed}: {counts:?}");
        names.extend(
            rest.into_cells()
                .iter()
                .map(|cell| cell.cell.uuid().to_owned()),
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), cells, "seed {seed}");
    }
}

/// Counts the works that are under way.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_ends_its_works() {
    let (cloud, request, executor) = (FakeCloud::of(5), admin(), executor());
    let under_way = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&under_way);
    let mut stream = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(BUDGET)
        .stream(&executor, move |task| {
            let count = Arc::clone(&count);
            async move {
                let _under_way = UnderWay::new(&count);
                if task.cell().database().number > 0 {
                    std::future::pending::<()>().await;
                }
                Ok::<(), CellError>(())
            }
        });
    let first = stream.next().await.expect("one answers");
    assert_eq!(first.outcome.kind(), OutcomeKind::Answered);
    assert_eq!(under_way.load(Ordering::SeqCst), 4);
    drop(stream);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(under_way.load(Ordering::SeqCst), 0);
}

//! The ordered stream over concurrent cells, on simulated time.

#![expect(clippy::expect_used, reason = "a step that fails is a test that fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cells::{CellError, ErrorClass};
use nova_conformance::fakes::{FakeCloud, Gate, HonestConnector, admin};
use nova_conformance::sim::Seeded;
use scatter::{
    CellRows, CellTask, MergePolicy, Merged, MissingCells, Outcome, OutcomeKind, RowSink, Scatter,
    ScatterReport, SkipReason, Stage, TokioExecutor,
};
use tokio::time::Instant;

type Task = CellTask<HonestConnector>;
type Sink = RowSink<u32, usize>;

const BUDGET: Duration = Duration::from_secs(2);

fn number(task: &Task) -> usize {
    task.cell().database().number
}

fn skipping() -> MergePolicy {
    MergePolicy {
        missing: MissingCells::Skip,
        ..MergePolicy::default()
    }
}

/// Starts a merge over this many cells; the request and the cloud live as long as the test.
macro_rules! merge {
    ($cells:expr, $policy:expr, $work:expr) => {{
        let cloud = FakeCloud::of($cells);
        let executor = TokioExecutor::current().expect("a test has a runtime");
        let executor: &'static TokioExecutor = Box::leak(Box::new(executor));
        Scatter::new(&admin(), &cloud.cells, cloud.all())
            .timeout(BUDGET)
            .merge(executor, $policy, $work)
    }};
}

type Stream<'e> = Merged<'e, TokioExecutor, HonestConnector, u32, usize>;

/// All rows, as key and cell.
async fn all(merged: &mut Stream<'_>) -> Vec<(u32, usize)> {
    let mut rows = Vec::new();
    while let Some(row) = merged.next().await.expect("missing cells are skipped") {
        assert_eq!(row.row, row.at);
        rows.push((row.key, row.at));
    }
    rows
}

fn kinds(report: ScatterReport<CellRows>) -> Vec<OutcomeKind> {
    assert!(report.counts().add_up());
    report
        .into_cells()
        .iter()
        .map(|cell| cell.outcome.kind())
        .collect()
}

async fn send(sink: &mut Sink, cell: usize, keys: &[u32]) -> Result<(), CellError> {
    sink.send(keys.iter().map(|key| (*key, cell)).collect())
        .await
}

use OutcomeKind::{Answered, Failed, TimedOut};

#[tokio::test(start_paused = true)]
async fn random_cells_come_out_as_one_stable_sort() {
    for seed in 0..300 {
        let mut dice = Seeded::new(seed);
        let lanes: Vec<Vec<Vec<u32>>> = (0..dice.below(7))
            .map(|_| {
                let mut keys: Vec<u32> = (0..dice.below(40))
                    .map(|_| u32::from(dice.percent(50)) * 7 + u32::from(dice.percent(30)))
                    .collect();
                keys.sort_unstable();
                keys.chunks(1 + dice.below(9))
                    .map(<[u32]>::to_vec)
                    .collect()
            })
            .collect();
        let mut expected: Vec<(u32, usize)> = Vec::new();
        for (cell, batches) in lanes.iter().enumerate() {
            expected.extend(batches.iter().flatten().map(|key| (*key, cell)));
        }
        expected.sort();
        let policy = MergePolicy {
            look_ahead_rows: 1 + dice.below(20),
            ..MergePolicy::default()
        };
        let (count, shared) = (lanes.len(), Arc::new(lanes));
        let mut merged = merge!(count, policy, move |task: Task, mut sink: Sink| {
            let (lanes, mut dice) = (
                Arc::clone(&shared),
                Seeded::new(seed ^ number(&task) as u64),
            );
            async move {
                let cell = number(&task);
                for batch in &lanes[cell] {
                    tokio::time::sleep(dice.millis(5)).await;
                    send(&mut sink, cell, batch).await?;
                }
                Ok::<(), CellError>(())
            }
        });
        assert_eq!(all(&mut merged).await, expected, "seed {seed}");
        let report = merged.finish();
        let rows = report.require_all().expect("no cell is missing");
        assert_eq!(
            rows.iter().map(|(_, rows)| rows.rows).sum::<usize>(),
            expected.len()
        );
        assert!(rows.iter().all(|(_, rows)| rows.complete));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_is_given_out_as_soon_as_no_unfinished_cell_can_precede_it() {
    let gate = Gate::default();
    let shut = gate.clone();
    let mut merged = merge!(2, skipping(), move |task: Task, mut sink: Sink| {
        let gate = shut.clone();
        async move {
            match number(&task) {
                0 => send(&mut sink, 0, &[1, 4]).await?,
                _ => {
                    send(&mut sink, 1, &[2]).await?;
                    sink.nothing_before(4);
                    gate.pass().await;
                    send(&mut sink, 1, &[9]).await?;
                }
            }
            Ok::<(), CellError>(())
        }
    });
    let began = Instant::now();
    for expected in [1, 2, 4] {
        let row = merged
            .next()
            .await
            .expect("no cell is missing")
            .expect("a row");
        assert_eq!(row.key, expected);
    }
    assert_eq!(
        began.elapsed(),
        Duration::ZERO,
        "nobody waited for the second cell's end"
    );
    gate.open();
    assert_eq!(all(&mut merged).await, [(9, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_hung_cell_costs_its_own_rows_and_the_budget() {
    let mut merged = merge!(3, skipping(), |task: Task, mut sink: Sink| async move {
        let cell = number(&task);
        send(&mut sink, cell, &[1]).await?;
        if cell == 1 {
            std::future::pending::<()>().await;
        }
        send(&mut sink, cell, &(2..100).collect::<Vec<_>>()).await
    });
    let began = Instant::now();
    let rows = all(&mut merged).await;
    assert!(began.elapsed() <= BUDGET + Duration::from_millis(1));
    assert_eq!(rows.len(), 2 * 99 + 1);
    assert!(rows.is_sorted());
    assert_eq!(kinds(merged.finish()), [Answered, TimedOut, Answered]);
}

#[tokio::test(start_paused = true)]
async fn where_every_cell_is_needed_a_failed_one_ends_the_stream_by_name() {
    let mut merged = merge!(
        2,
        MergePolicy::default(),
        |task: Task, mut sink: Sink| async move {
            let cell = number(&task);
            send(&mut sink, cell, &[1, 2]).await?;
            match cell {
                1 => Err(CellError::new(ErrorClass::Statement, "on purpose")),
                _ => send(&mut sink, cell, &[8]).await,
            }
        }
    );
    let mut given = 0;
    let missing = loop {
        match merged.next().await {
            Ok(Some(_)) => given += 1,
            Ok(None) => panic!("the stream ended as if nothing was missing"),
            Err(missing) => break missing,
        }
    };
    assert_eq!((given, missing.missing().len()), (4, 1));
    assert!(missing.to_string().contains("cell1"), "{missing}");
    assert!(
        merged
            .next()
            .await
            .expect("the error was said once")
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_cell_whose_rows_are_not_in_order_has_failed_even_if_it_hides_it() {
    let mut merged = merge!(2, skipping(), |task: Task, mut sink: Sink| async move {
        let cell = number(&task);
        send(&mut sink, cell, &[3, 5]).await?;
        let refused = send(&mut sink, cell, &[4 + 2 * u32::from(cell == 0)]).await;
        assert_eq!(refused.is_err(), cell == 1);
        Ok::<(), CellError>(())
    });
    let rows = all(&mut merged).await;
    assert_eq!(rows, [(3, 0), (3, 1), (5, 0), (5, 1), (6, 0)]);
    assert_eq!(kinds(merged.finish()), [Answered, Failed]);
}

#[tokio::test(start_paused = true)]
async fn no_cell_runs_further_ahead_than_it_may() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let policy = MergePolicy {
        look_ahead_rows: 10,
        ..skipping()
    };
    let mut merged = merge!(1, policy, move |_task: Task, mut sink: Sink| {
        let sent = Arc::clone(&counter);
        async move {
            for key in 0..100 {
                send(&mut sink, 0, &[key; 5]).await?;
                sent.fetch_add(5, Ordering::SeqCst);
            }
            Ok::<(), CellError>(())
        }
    });
    for given in 1..=500 {
        merged
            .next()
            .await
            .expect("no cell is missing")
            .expect("a row");
        tokio::task::yield_now().await;
        let ahead = sent.load(Ordering::SeqCst).saturating_sub(given);
        assert!(ahead < 10 + 5, "{ahead} rows ahead");
    }
    assert!(merged.next().await.expect("no cell is missing").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_has_enough_ends_the_works_and_blames_nobody() {
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ended);
    let mut merged = merge!(3, skipping(), move |task: Task, mut sink: Sink| {
        let ends = Ends(Arc::clone(&counter));
        async move {
            let _ends = ends;
            let cell = number(&task);
            for key in 0.. {
                send(&mut sink, cell, &[key]).await?;
            }
            Ok::<(), CellError>(())
        }
    });
    for _ in 0..30 {
        merged
            .next()
            .await
            .expect("no cell is missing")
            .expect("a row");
    }
    let answers = merged.finish().require_all().expect("nobody is blamed");
    for (_, rows) in &answers {
        assert_eq!(
            *rows,
            CellRows {
                rows: 10,
                complete: false
            }
        );
    }
    while ended.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_was_not_come_to_is_skipped_as_not_needed() {
    let merged = merge!(2, skipping(), |_task: Task, _sink: Sink| async move {
        Ok::<(), CellError>(())
    });
    for cell in merged.finish().into_cells() {
        assert!(matches!(
            cell.outcome,
            Outcome::Skipped(SkipReason::NotNeeded)
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_waits_for_the_reader_at_the_end_is_told_from_one_that_hangs() {
    let policy = MergePolicy {
        look_ahead_rows: 4,
        ..skipping()
    };
    let mut merged = merge!(2, policy, |task: Task, mut sink: Sink| async move {
        let cell = number(&task);
        send(&mut sink, cell, &[1]).await?;
        if cell == 1 {
            std::future::pending::<()>().await;
        }
        for key in 2..100 {
            send(&mut sink, cell, &[key]).await?;
        }
        Ok::<(), CellError>(())
    });
    let rows = all(&mut merged).await;
    // What the healthy cell had sent is given out; what comes after is not known, so nothing is made up.
    assert_eq!(rows, [(1, 0), (1, 1), (2, 0), (3, 0), (4, 0), (5, 0)]);
    let late: Vec<_> = merged
        .finish()
        .into_cells()
        .into_iter()
        .map(|cell| match cell.outcome {
            Outcome::TimedOut(late) => late.stage,
            other => panic!("{}", other.kind()),
        })
        .collect();
    assert_eq!(late, [Stage::Reader, Stage::Running]);
}

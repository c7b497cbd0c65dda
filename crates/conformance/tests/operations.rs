//! Operations with checked input and output; reports in words and figures.

#![expect(clippy::expect_used, reason = "a step that fails is a test that fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cells::{CellError, ErrorClass, Selection};
use context::{
    AuditClass, AuditError, AuditEvent, AuditJournal, AuditOutcome, AuditSink, FailMode,
};
use nova_conformance::fakes::{FakeCloud, HonestConnector, admin};
use scatter::{
    CellTask, Effect, InvalidValue, Isolation, IsolationPolicy, Limits, Meter, Operation,
    OperationSpec, Operations, Outcome, OutcomeKind, PermitClass, Refused, RegistryBuilder,
    Scatter, ScatterStats, ThreadExecutor, ThreadPolicy, TokioExecutor, WhenMissing,
};

/// Reads numbers up to a limit.
struct ReadNumbers {
    version: u32,
    effect: Effect,
}

const V1: ReadNumbers = ReadNumbers {
    version: 1,
    effect: Effect::Read,
};

impl Operation for ReadNumbers {
    type Input = usize;
    type Output = Vec<u8>;

    fn spec(&self) -> OperationSpec {
        OperationSpec {
            name: "numbers.read",
            version: self.version,
            effect: self.effect,
            class: PermitClass::Listing,
            limits: Limits {
                rows: 3,
                ..Limits::default()
            },
        }
    }

    fn check_input(&self, input: &usize) -> Result<(), InvalidValue> {
        match *input > 100 {
            true => Err(InvalidValue("at most 100")),
            false => Ok(()),
        }
    }

    fn check_output(&self, output: &Vec<u8>) -> Result<(), InvalidValue> {
        match output.contains(&66) {
            true => Err(InvalidValue("66 is no number here")),
            false => Ok(()),
        }
    }
}

fn operations(cloud: &FakeCloud, admins_only: bool) -> Operations<HonestConnector> {
    let registry = RegistryBuilder::default()
        .register(V1.spec())
        .expect("one operation")
        .freeze();
    let isolation = Isolation::new(IsolationPolicy::default());
    Operations::new(
        cloud.cells.clone(),
        registry,
        isolation,
        move |request, _| !admins_only || !request.is_admin(),
    )
}

async fn work(
    task: CellTask<HonestConnector>,
    input: Arc<usize>,
    mut meter: Meter,
) -> Result<Vec<u8>, CellError> {
    let rows = match task.cell().database().number {
        1 => *input + 1,
        2 => return Ok(vec![66]),
        _ => *input,
    };
    let mut numbers = Vec::new();
    for _ in 0..rows {
        meter.row(1)?;
        numbers.push(1);
    }
    Ok(numbers)
}

async fn run(
    operations: &Operations<HonestConnector>,
    version: u32,
    input: usize,
) -> Result<Vec<Outcome<Vec<u8>>>, Refused> {
    let executor = TokioExecutor::current().expect("a test has a runtime");
    let operation = Arc::new(ReadNumbers { version, ..V1 });
    let report = operations
        .run(
            &admin(),
            &executor,
            &operation,
            input,
            &Selection::All,
            work,
        )
        .await?;
    Ok(report
        .into_cells()
        .into_iter()
        .map(|cell| cell.outcome)
        .collect())
}

#[tokio::test]
async fn too_much_or_wrong_output_is_that_cells_failure() {
    let outcomes = run(&operations(&FakeCloud::of(3), false), 1, 3)
        .await
        .expect("it is allowed");
    let classes: Vec<Option<ErrorClass>> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Failed(failure) => Some(failure.class()),
            _ => None,
        })
        .collect();
    assert_eq!(
        classes,
        [None, Some(ErrorClass::Limit), Some(ErrorClass::Decode)]
    );
}

#[tokio::test]
async fn what_is_not_registered_allowed_or_valid_runs_in_no_cell() {
    let cloud = FakeCloud::of(1);
    let other_version = run(&operations(&cloud, false), 2, 1).await;
    assert!(matches!(
        other_version,
        Err(Refused::Unregistered("numbers.read", 2))
    ));
    let forbidden = run(&operations(&cloud, true), 1, 1).await;
    assert!(matches!(forbidden, Err(Refused::Forbidden("numbers.read"))));
    let invalid = run(&operations(&cloud, false), 1, 101).await;
    assert!(matches!(invalid, Err(Refused::Input { .. })));
}

#[test]
fn blocking_work_is_checked_the_same() {
    let cloud = FakeCloud::of(3);
    let operations = operations(&cloud, false);
    let executor = ThreadExecutor::new("test", ThreadPolicy::default()).expect("threads");
    let report = operations
        .run_blocking(
            &admin(),
            &executor,
            &Arc::new(V1),
            2,
            &Selection::All,
            |task, input, mut meter| {
                let number = task.cell().database().number;
                (0..*input + number).try_for_each(|_| meter.row(1))?;
                Ok::<_, CellError>(if number == 1 { vec![66] } else { vec![1] })
            },
        )
        .expect("it is allowed");
    let failed = |outcome: Outcome<Vec<u8>>| match outcome {
        Outcome::Failed(failure) => Some(failure.class()),
        _ => None,
    };
    let cells = report.into_cells().into_iter();
    let classes: Vec<_> = cells.map(|cell| failed(cell.outcome)).collect();
    let expected = [None, Some(ErrorClass::Decode), Some(ErrorClass::Limit)];
    assert_eq!(classes, expected);
}

/// Keeps what it is given until it is told to fail.
#[derive(Default)]
struct Notes {
    kept: Mutex<Vec<(Option<String>, AuditOutcome)>>,
    fails: std::sync::atomic::AtomicBool,
}

impl AuditSink for Notes {
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if self.fails.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(AuditError {
                sink: "notes",
                source: "full".into(),
            });
        }
        let note = (event.target.clone(), event.outcome);
        self.kept.lock().expect("not poisoned").push(note);
        Ok(())
    }
}

#[tokio::test]
async fn refusals_and_changes_are_in_the_journal_before_any_cell_is_asked() {
    let (cloud, notes) = (FakeCloud::of(1), Arc::new(Notes::default()));
    let changes = ReadNumbers {
        version: 2,
        effect: Effect::Idempotent,
    };
    let registry = RegistryBuilder::default()
        .register(V1.spec())
        .and_then(|builder| builder.register(changes.spec()))
        .expect("two operations")
        .freeze();
    let isolation = Isolation::new(IsolationPolicy::default());
    let journal = AuditJournal::new(vec![Arc::clone(&notes) as Arc<dyn AuditSink>])
        .fail_mode(AuditClass::Other, FailMode::Closed);
    let stats = ScatterStats::default();
    let operations = Operations::new(cloud.cells.clone(), registry, isolation, |_, _| true)
        .journal(Arc::new(journal))
        .stats(&stats);
    let executor = TokioExecutor::current().expect("a test has a runtime");
    let (request, all) = (admin(), Selection::All);
    let (reads, changes) = (Arc::new(V1), Arc::new(changes));
    let run = |operation, input| operations.run(&request, &executor, operation, input, &all, work);
    assert!(run(&reads, 1).await.is_ok());
    assert!(run(&changes, 1).await.is_ok());
    assert!(run(&reads, 101).await.is_err());
    let name = Some("numbers.read".to_owned());
    let expected = [
        (name.clone(), AuditOutcome::Success),
        (name, AuditOutcome::Failure),
    ];
    assert_eq!(*notes.kept.lock().expect("not poisoned"), expected);

    notes.fails.store(true, std::sync::atomic::Ordering::SeqCst);
    let refused = run(&changes, 1).await;
    assert!(matches!(refused, Err(Refused::NotAudited { .. })));
    assert!(run(&reads, 1).await.is_ok(), "reads are not audited");
    // Three ran; what was refused asked no cell.
    assert!(stats.read().iter().all(|cell| cell.run.count() == 3));
}

#[tokio::test(start_paused = true)]
async fn a_report_explains_itself_and_names_the_cell_that_was_waited_for() {
    let (cloud, stats) = (
        FakeCloud::of(3).with_rejected(&[2]),
        ScatterStats::default(),
    );
    let (request, executor) = (
        admin(),
        TokioExecutor::current().expect("a test has a runtime"),
    );
    let report = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(Duration::from_secs(1))
        .stats(&stats)
        .run(&executor, |task| async move {
            if task.cell().database().number == 1 {
                task.connecting();
                tokio::time::sleep(Duration::from_millis(20)).await;
                task.connected();
                std::future::pending::<()>().await;
            }
            Ok::<u8, CellError>(7)
        })
        .await;
    let explained = report.explain();
    let table = explained.to_string();
    assert!(
        table.contains("* cell1") && table.contains("timed_out"),
        "{table}"
    );
    assert!(table.ends_with("1 of 3 answered in 1000.0 ms"), "{table}");
    let json = explained.to_json();
    assert_eq!((&json["asked"], &json["timed_out"]), (&3.into(), &1.into()));
    assert_eq!(json["cells"][1]["detail"], "running");
    assert_eq!(json["cells"][1]["connect_ms"], 20.0);
    let noted = stats.read();
    assert_eq!(noted.len(), 3);
    assert_eq!(noted[1].outcomes[2], (OutcomeKind::TimedOut, 1));
    assert!(noted[1].run.quantile(0.5) >= Some(Duration::from_secs(1)));

    let (sum, missing) = report
        .reduce(WhenMissing::Assume(100), 0_u32, |sum, one| {
            sum + u32::from(one)
        })
        .expect("missing cells are assumed");
    assert_eq!((sum, missing.len()), (207, 2));
}

//! The cases, as sentences. Each makes a cloud, runs a script in it and looks at the report.

use std::collections::HashSet;
use std::time::Duration;

use cells::{CellConnector, ErrorClass};
use context::Deadline;
use scatter::{
    Answers, Counts, Missing, Outcome, OutcomeKind, Progress, Rejection, Scatter, ScatterReport,
    Stage, TimedOut,
};

use super::runner::Runner;
use super::script::{Act, Meeting, Script};
use crate::fakes::{FailingConnector, FakeCloud, FakeDatabase, Gate, StallingConnector, admin};

/// Long enough for everything that does not hang; no case waits for its end.
const AMPLE: Duration = Duration::from_secs(30);
/// For cases that wait for the end: everything that does not hang has ended long before.
const SHORT: Duration = Duration::from_millis(400);
/// How much later than its budget a report may be, on a machine that others use too: far less than [`AMPLE`], so that a
/// report which waits for a hung cell is seen all the same. How late it really is, is a benchmark's business.
const GRACE: Duration = Duration::from_secs(5);

use OutcomeKind::{Answered, Failed, Rejected, TimedOut as Late};

fn run<C>(
    runner: &impl Runner,
    cloud: &FakeCloud<C>,
    budget: Duration,
    script: &Script,
) -> ScatterReport<Option<usize>>
where
    C: CellConnector<Database = FakeDatabase>,
{
    let request = admin();
    let scatter = Scatter::new(&request, &cloud.cells, cloud.all()).timeout(budget);
    let report = runner.run(scatter, script);
    assert!(report.counts().add_up(), "{:?}", report.counts());
    assert!(
        report.elapsed() < budget + GRACE,
        "budget {budget:?}, took {:?}",
        report.elapsed()
    );
    report
}

fn all<T>(report: ScatterReport<T>) -> Answers<T> {
    report
        .require_all()
        .unwrap_or_else(|missing| panic!("{missing}"))
}

fn kinds<T>(report: ScatterReport<T>) -> Vec<OutcomeKind> {
    report
        .into_cells()
        .iter()
        .map(|cell| cell.outcome.kind())
        .collect()
}

fn late<T>(report: ScatterReport<T>, cell: usize) -> TimedOut {
    match report.into_cells().swap_remove(cell).outcome {
        Outcome::TimedOut(late) => late,
        other => panic!("cell {cell} is {}", other.kind()),
    }
}

/// Reports and answers stand in the order in which the cells were asked for.
pub fn every_cell_answers_in_the_order_asked(runner: &impl Runner) {
    let report = run(runner, &FakeCloud::of(12), AMPLE, &Script::default());
    let answers = all(report);
    let numbers: Vec<_> = answers.into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, (0..12).map(Some).collect::<Vec<_>>());
}

/// W-32: nothing that a work answers with is taken for a failure.
pub fn an_answer_that_holds_nothing_is_an_answer(runner: &impl Runner) {
    let script = Script::new([(0, Act::AnswerNothing)]);
    let report = run(runner, &FakeCloud::of(2), AMPLE, &script);
    assert_eq!(kinds(report), [Answered, Answered]);
}

/// Nobody asked, nothing missing.
pub fn an_empty_selection_gives_an_empty_report(runner: &impl Runner) {
    let report = run(runner, &FakeCloud::of(0), AMPLE, &Script::default());
    assert_eq!(report.counts(), Counts::default());
    assert!(all(report).is_empty());
}

/// Every cell waits for every other one: asked one after the other, they would never end.
pub fn cells_run_beside_each_other(runner: &impl Runner) {
    let meeting = Act::Meet(Meeting::of(super::PARALLEL));
    let script = Script::new((0..super::PARALLEL).map(|cell| (cell, meeting.clone())));
    let report = run(runner, &FakeCloud::of(super::PARALLEL), AMPLE, &script);
    assert_eq!(all(report).len(), super::PARALLEL);
}

/// The class leaves; the detail does not.
pub fn a_failing_cell_is_reported_with_its_class(runner: &impl Runner) {
    let script = Script::new([(1, Act::Fail(ErrorClass::Schema))]);
    let report = run(runner, &FakeCloud::of(3), AMPLE, &script);
    let (answers, missing) = report.into_parts();
    assert_eq!(answers.len(), 2);
    match &missing[0].outcome {
        Outcome::Failed(failure) => assert_eq!(failure.class(), ErrorClass::Schema),
        other => panic!("the cell is {}", other.kind()),
    }
    assert!(!format!("{missing:?}").contains("script"));
}

/// W-13: a panic is that cell's outcome, and the executor is as good as before.
pub fn a_panicking_cell_costs_only_itself(runner: &impl Runner) {
    let cloud = FakeCloud::of(4);
    let script = Script::new([(1, Act::Panic), (2, Act::PanicAtOnce)]);
    for _ in 0..2 * super::PARALLEL {
        let report = run(runner, &cloud, AMPLE, &script);
        let (answers, missing) = report.into_parts();
        let class = |cell: &Missing| match &cell.outcome {
            Outcome::Failed(failure) => Some(failure.class()),
            _ => None,
        };
        let classes: Vec<_> = missing.iter().map(class).collect();
        assert_eq!(answers.len(), 2);
        assert_eq!(classes, [Some(ErrorClass::Panicked); 2]);
    }
    cells_run_beside_each_other(runner);
}

/// W-12, W-22: the others' answers are there, and the report names the stage.
pub fn a_hung_cell_is_the_one_blamed(runner: &impl Runner) {
    let gate = Gate::default();
    let script = Script::new([(2, Act::Hang(gate.clone()))]);
    let report = run(runner, &FakeCloud::of(4), SHORT, &script);
    gate.open();
    let running = TimedOut {
        stage: Stage::Running,
        progress: Progress::StillRunning,
    };
    assert_eq!(report.counts().answered, 3);
    assert_eq!(late(report, 2), running);
}

/// Where it hung is part of the outcome.
pub fn a_cell_that_hangs_while_it_connects_says_so(runner: &impl Runner) {
    let gate = Gate::default();
    let script = Script::new([(0, Act::HangConnecting(gate.clone()))]);
    let report = run(runner, &FakeCloud::of(2), SHORT, &script);
    gate.open();
    assert_eq!(late(report, 0).stage, Stage::Connecting);
}

/// W-11: Nova loses the whole call.
pub fn a_cell_that_cannot_be_opened_costs_only_itself(runner: &impl Runner) {
    let connector = FailingConnector {
        class: ErrorClass::Configuration,
        cells: HashSet::from([1]),
    };
    let cloud = FakeCloud::with(3, connector);
    let report = run(runner, &cloud, AMPLE, &Script::default());
    assert_eq!(kinds(report), [Answered, Failed, Answered]);
}

/// W-11: targeting is under the budget, beside the others. What the seam forbids (opening blocks) costs its cell only
/// where each work has a thread of its own; elsewhere the budget holds all the same.
pub fn a_connector_that_stalls_costs_only_its_cell(runner: &impl Runner) {
    let gate = Gate::default();
    let connector = StallingConnector {
        gate: gate.clone(),
        cells: HashSet::from([0]),
    };
    let cloud = FakeCloud::with(4, connector);
    let script = Script::default();
    let report = run(runner, &cloud, SHORT, &script);
    gate.open();
    if runner.isolates_blocking() {
        assert_eq!((report.counts().answered, script.called()), (3, 3));
    }
    assert_eq!(late(report, 0).stage, Stage::Targeting);
}

/// A row that is no mapping is in the report, with its problems.
pub fn a_rejected_mapping_is_accounted_for(runner: &impl Runner) {
    let cloud = FakeCloud::of(3).with_rejected(&[1]);
    let report = run(runner, &cloud, AMPLE, &Script::default());
    assert_eq!(kinds(report), [Answered, Rejected, Answered]);
}

/// W-33: Nova asks twice and keeps one answer.
pub fn a_duplicate_row_is_rejected_and_asked_once(runner: &impl Runner) {
    let cloud = FakeCloud::of(2);
    let twin = cloud.rows.edit()[0].clone();
    cloud.rows.edit().push(twin);
    cloud.refresh();
    let script = Script::default();
    let report = run(runner, &cloud, AMPLE, &script);
    assert_eq!(kinds(report), [Answered, Answered, Rejected]);
    assert_eq!(script.called(), 2);
}

/// The selection was made before the cell went.
pub fn a_cell_gone_from_the_mappings_is_rejected(runner: &impl Runner) {
    let cloud = FakeCloud::of(2);
    let (request, chosen) = (admin(), cloud.all());
    cloud.rows.edit().pop();
    cloud.refresh();
    let scatter = Scatter::new(&request, &cloud.cells, chosen).timeout(AMPLE);
    let report = runner.run(scatter, &Script::default());
    match &report.into_cells()[1].outcome {
        Outcome::Rejected(Rejection::Gone) => {}
        other => panic!("the cell is {}", other.kind()),
    }
}

/// The work goes on after the report, and nobody hears of it.
pub fn a_late_answer_changes_nothing(runner: &impl Runner) {
    let (cloud, gate) = (FakeCloud::of(3), Gate::default());
    let script = Script::new([(1, Act::Hang(gate.clone()))]);
    let report = run(runner, &cloud, SHORT, &script);
    gate.open();
    assert_eq!(kinds(report), [Answered, Late, Answered]);
    let again = run(runner, &cloud, AMPLE, &Script::default());
    assert_eq!(kinds(again), [Answered; 3]);
}

/// A budget of nothing is over before anything begins.
pub fn a_spent_budget_asks_nobody(runner: &impl Runner) {
    let script = Script::default();
    let report = run(runner, &FakeCloud::of(3), Duration::ZERO, &script);
    assert_eq!(script.called(), 0);
    assert_eq!(late(report, 1).progress, Progress::NeverStarted);
}

/// A deadline only shrinks.
pub fn the_requests_own_deadline_ends_the_call(runner: &impl Runner) {
    let (cloud, gate) = (FakeCloud::of(2), Gate::default());
    let request = admin().with_deadline(Deadline::after(SHORT));
    let script = Script::new([(0, Act::Hang(gate.clone()))]);
    let scatter = Scatter::new(&request, &cloud.cells, cloud.all()).timeout(AMPLE);
    let report = runner.run(scatter, &script);
    gate.open();
    assert!(report.elapsed() < SHORT + GRACE);
    assert_eq!(kinds(report), [Late, Answered]);
}

/// Two at a time, and really two: pairs wait for each other.
pub fn no_more_cells_than_allowed_are_under_way(runner: &impl Runner) {
    let cloud = FakeCloud::of(6);
    let pairs = (0..3).flat_map(|pair| {
        let meeting = Act::Meet(Meeting::of(2));
        [(2 * pair, meeting.clone()), (2 * pair + 1, meeting)]
    });
    let script = Script::new(pairs);
    let request = admin();
    let scatter = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(AMPLE)
        .in_flight(2);
    let report = runner.run(scatter, &script);
    assert_eq!(report.counts().answered, 6);
    assert_eq!(script.most_at_once(), 2);
}

/// The report tells the cell that hung from the one that never had its turn.
pub fn a_cell_held_back_by_the_limit_is_not_blamed_for_running(runner: &impl Runner) {
    let (cloud, gate) = (FakeCloud::of(2), Gate::default());
    let script = Script::new([(0, Act::Hang(gate.clone()))]);
    let request = admin();
    let scatter = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(SHORT)
        .in_flight(1);
    let report = runner.run(scatter, &script);
    gate.open();
    let held_back = TimedOut {
        stage: Stage::InFlight,
        progress: Progress::NeverStarted,
    };
    assert_eq!(late(report, 1), held_back);
}

/// One cell's share ends, the next cell gets its turn within the budget.
pub fn a_cell_that_takes_more_than_its_share_is_late_alone(runner: &impl Runner) {
    let (cloud, gate) = (FakeCloud::of(3), Gate::default());
    let script = Script::new([(0, Act::Hang(gate.clone()))]);
    let request = admin();
    let scatter = Scatter::new(&request, &cloud.cells, cloud.all())
        .timeout(AMPLE)
        .cell_timeout(SHORT)
        .in_flight(1);
    let report = runner.run(scatter, &script);
    gate.open();
    assert!(report.elapsed() < SHORT + GRACE, "{:?}", report.elapsed());
    assert_eq!(kinds(report), [Late, Answered, Answered]);
}

/// Async work is dropped; blocking work finds out when it looks.
pub fn works_that_nobody_waits_for_are_told(runner: &impl Runner) {
    let gate = Gate::default();
    let script = Script::new([(0, Act::Hang(gate.clone()))]);
    let report = run(runner, &FakeCloud::of(1), SHORT, &script);
    assert_eq!(report.counts().timed_out, 1);
    gate.open();
    soon("nobody told the work", || {
        script.told() == 1 && script.under_way() == 0
    });
}

/// A connection may keep its work's stages for as long as it lives, and a work may hand a copy of its context on: nothing else
/// of the call is kept with them.
pub fn what_is_kept_of_a_work_keeps_nothing_of_the_call(runner: &impl Runner) {
    let script = Script::new([(1, Act::Fail(ErrorClass::Internal))]);
    let report = run(runner, &FakeCloud::of(3), AMPLE, &script);
    assert_eq!(report.counts().answered, 2);
    soon("the call is kept", || script.is_let_go());
}

fn soon(what: &str, holds: impl Fn() -> bool) {
    let end = std::time::Instant::now() + AMPLE;
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

/// W-12, R3: each of eight concurrent callers gets every healthy cell's answer.
pub fn eight_callers_of_a_hung_cell_lose_nothing_else(runner: &impl Runner) {
    let (cloud, gate) = (FakeCloud::of(4), Gate::default());
    let script = Script::new([(3, Act::Hang(gate.clone()))]);
    std::thread::scope(|callers| {
        for _ in 0..8 {
            callers.spawn(|| {
                let report = run(runner, &cloud, SHORT, &script);
                assert_eq!(kinds(report), [Answered, Answered, Answered, Late]);
            });
        }
    });
    gate.open();
}

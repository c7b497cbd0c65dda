//! Permits as blocking works meet them: they take theirs where they begin, and where there is none their caller waits for it.
//! The executor runs a job when the test says so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails is a test that fails"
)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cells::CellError;
use nova_conformance::fakes::{FakeCloud, Gate, admin};
use scatter::{
    Accepted, BlockingExecutor, BulkheadPolicy, Clock, Isolation, IsolationPolicy, Job, Outcome,
    Pace, PermitClass, Rejection, Scatter, ScatterReport, Stage, Works,
};

const AMPLE: Duration = Duration::from_secs(60);

/// Keeps jobs until somebody takes them out.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<VecDeque<Job>>>);

impl BlockingExecutor for ByHand {
    type Submitted = ();

    fn clock(&self) -> Clock {
        Clock::MONOTONIC
    }

    fn submit(&self, works: Works, _pace: Pace) -> Accepted<()> {
        self.0.lock().unwrap().extend(works.map(|work| work.job));
        Accepted {
            works: (),
            refused: Vec::new(),
        }
    }

    fn abandon(&self, _works: &(), _numbers: &[usize]) {}
}

impl ByHand {
    fn has(&self, jobs: usize) -> bool {
        self.0.lock().unwrap().len() == jobs
    }

    fn take(&self) -> Job {
        self.0.lock().unwrap().pop_front().expect("a job")
    }

    /// Waits for the next job.
    fn next(&self) -> Job {
        until("a job", || self.has(1));
        self.take()
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + AMPLE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::yield_now();
    }
}

/// One cell with one permit, and what calls of it share.
#[derive(Clone)]
struct OnePermit {
    cloud: FakeCloud,
    isolation: Isolation,
    executor: ByHand,
    /// Works that have begun.
    begun: Arc<AtomicUsize>,
}

impl OnePermit {
    fn new() -> Self {
        let bulkhead = BulkheadPolicy {
            interactive: 1,
            ..BulkheadPolicy::default()
        };
        Self {
            cloud: FakeCloud::of(1),
            isolation: Isolation::new(IsolationPolicy {
                bulkhead,
                ..IsolationPolicy::default()
            }),
            executor: ByHand::default(),
            begun: Arc::default(),
        }
    }

    /// A call on a thread of its own, whose work waits at the gate.
    fn call(&self, budget: Duration, gate: &Gate) -> JoinHandle<ScatterReport<()>> {
        let (of, gate) = (self.clone(), gate.clone());
        thread::spawn(move || {
            let request = admin();
            let begun = Arc::clone(&of.begun);
            Scatter::new(&request, &of.cloud.cells, of.cloud.all())
                .timeout(budget)
                .isolation(&of.isolation, PermitClass::Interactive)
                .run_blocking(&of.executor, move |_| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    gate.pass_blocking();
                    Ok::<(), CellError>(())
                })
        })
    }

    /// The permit is free again: a call's work takes it where it begins.
    fn serves_the_next_call(&self) {
        let next = self.call(AMPLE, &open());
        self.executor.next().run();
        assert!(!next.join().unwrap().is_partial());
    }

    /// Two calls that both found the permit free when they were made, and of which the first has it now. What the second's
    /// job finds is for the test to see.
    fn two_calls(
        &self,
        shut: &Gate,
        budget_of_second: Duration,
    ) -> [JoinHandle<ScatterReport<()>>; 2] {
        let first = self.call(AMPLE, shut);
        until("the first call's job", || self.executor.has(1));
        let second = self.call(budget_of_second, shut);
        until("the second call's job", || self.executor.has(2));
        let job = self.executor.take();
        thread::spawn(move || job.run());
        until("the first work is under way", || shut.waiting() == 1);
        [first, second]
    }
}

fn open() -> Gate {
    let gate = Gate::default();
    gate.open();
    gate
}

fn only(report: ScatterReport<()>) -> Outcome<()> {
    report.into_cells().swap_remove(0).outcome
}

#[test]
fn work_that_finds_no_permit_where_it_begins_waits_for_one_and_runs_once() {
    let (cell, shut) = (OnePermit::new(), Gate::default());
    let [first, second] = cell.two_calls(&shut, AMPLE);
    cell.executor.take().run();
    assert_eq!(cell.begun.load(Ordering::SeqCst), 1, "it came back unbegun");
    assert!(cell.executor.has(0), "its caller waits for the permit");
    shut.open();
    assert!(!first.join().unwrap().is_partial());
    cell.executor.next().run();
    assert!(!second.join().unwrap().is_partial());
    assert_eq!(cell.begun.load(Ordering::SeqCst), 2);
    cell.serves_the_next_call();
}

#[test]
fn work_that_waits_for_its_permit_to_the_end_of_the_budget_is_late_there() {
    let (cell, shut) = (OnePermit::new(), Gate::default());
    let [first, second] = cell.two_calls(&shut, Duration::from_millis(300));
    cell.executor.take().run();
    match only(second.join().unwrap()) {
        Outcome::TimedOut(late) => assert_eq!(late.stage, Stage::Permit),
        other => panic!("{}", other.kind()),
    }
    shut.open();
    assert!(!first.join().unwrap().is_partial());
    // Who waited in vain has left the queue.
    cell.serves_the_next_call();
}

#[test]
fn a_permit_that_was_waited_for_comes_back_from_a_job_that_never_runs() {
    let (cell, shut) = (OnePermit::new(), Gate::default());
    let [first, second] = cell.two_calls(&shut, AMPLE);
    cell.executor.take().run();
    shut.open();
    assert!(!first.join().unwrap().is_partial());
    drop(cell.executor.next());
    match only(second.join().unwrap()) {
        Outcome::Rejected(Rejection::ShuttingDown) => {}
        other => panic!("{}", other.kind()),
    }
    cell.serves_the_next_call();
}

#[test]
fn a_call_of_a_cell_without_a_permit_left_waits_before_it_submits_anything() {
    let (cell, shut) = (OnePermit::new(), Gate::default());
    let first = cell.call(AMPLE, &shut);
    let job = cell.executor.next();
    thread::spawn(move || job.run());
    until("the first work is under way", || shut.waiting() == 1);
    match only(cell.call(Duration::from_millis(300), &shut).join().unwrap()) {
        Outcome::TimedOut(late) => assert_eq!(late.stage, Stage::Permit),
        other => panic!("{}", other.kind()),
    }
    assert!(cell.executor.has(0));
    shut.open();
    assert!(!first.join().unwrap().is_partial());
}

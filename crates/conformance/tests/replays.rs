//! Replays of what Nova does badly (nova-facts 1.13, W-12, W-22): hung cells and many callers, one after the other and at
//! once, on every executor. Real threads, real time; the hung works are released at the end only.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use nova_conformance::fakes::{FakeCloud, Gate, admin};
use nova_conformance::scatter_suite::{Act, AsyncRunner, BlockingRunner, Runner, Script};
use scatter::{
    BridgedExecutor, Counts, OutcomeKind, Scatter, ScatterReport, ThreadExecutor, ThreadPolicy,
    TokioExecutor,
};
use tokio::runtime::{Builder, Runtime};

const CELLS: usize = 8;
const BUDGET: Duration = Duration::from_millis(250);
/// How much later than its budget a report may be, on a machine that others use too. Who hangs here hangs for good.
const GRACE: Duration = Duration::from_secs(5);

fn runtime() -> Arc<Runtime> {
    Arc::new(
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap(),
    )
}

/// The pool as it is unless an operator changes it.
fn threads() -> ThreadExecutor {
    ThreadExecutor::new("replay", ThreadPolicy::default()).unwrap()
}

fn on_tokio() -> AsyncRunner<TokioExecutor> {
    let runtime = runtime();
    AsyncRunner {
        executor: TokioExecutor::new(runtime.handle().clone()),
        runtime,
        isolates_blocking: false,
    }
}

fn bridged() -> AsyncRunner<BridgedExecutor> {
    let runtime = runtime();
    AsyncRunner {
        executor: BridgedExecutor::new(threads(), runtime.handle().clone()),
        runtime,
        isolates_blocking: true,
    }
}

/// A cloud some of whose cells hang for ever.
struct Sick {
    cloud: FakeCloud,
    hung: usize,
    script: Script,
    gate: Gate,
}

impl Sick {
    fn with(hung: usize) -> Self {
        let gate = Gate::default();
        let act = Act::Hang(gate.clone());
        Self {
            cloud: FakeCloud::of(CELLS),
            hung,
            script: Script::new((0..hung).map(|cell| (cell, act.clone()))),
            gate,
        }
    }

    /// One call. The healthy cells have answered, the hung ones are blamed, the budget has held.
    fn call(&self, runner: &impl Runner) -> Counts {
        let request = admin();
        let scatter = Scatter::new(&request, &self.cloud.cells, self.cloud.all()).timeout(BUDGET);
        let report = runner.run(scatter, &self.script);
        assert!(report.elapsed() < BUDGET + GRACE, "{:?}", report.elapsed());
        let counts = report.counts();
        assert!(counts.add_up());
        for (cell, kind) in kinds(report).into_iter().enumerate() {
            let answered = kind == OutcomeKind::Answered;
            assert_eq!(answered, cell >= self.hung, "cell {cell} is {kind}");
        }
        counts
    }
}

impl Drop for Sick {
    fn drop(&mut self) {
        self.gate.open();
    }
}

fn kinds<T>(report: ScatterReport<T>) -> Vec<OutcomeKind> {
    report
        .into_cells()
        .iter()
        .map(|cell| cell.outcome.kind())
        .collect()
}

fn eight_callers_at_once(runner: &impl Runner) {
    let sick = Sick::with(1);
    std::thread::scope(|callers| {
        for _ in 0..8 {
            callers.spawn(|| sick.call(runner));
        }
    });
}

fn twenty_calls_in_a_row(runner: &impl Runner, hung: usize) {
    let sick = Sick::with(hung);
    for _ in 0..20 {
        assert_eq!(sick.call(runner).answered, CELLS - hung);
    }
}

/// P6: one of four cells takes long; every row of the others is there when the budget ends, and one cell is blamed.
fn one_slow_of_four(runner: &impl Runner) {
    let gate = Gate::default();
    let script = Script::new([(1, Act::Hang(gate.clone()))]);
    let (cloud, request) = (FakeCloud::of(4), admin());
    let scatter = Scatter::new(&request, &cloud.cells, cloud.all()).timeout(BUDGET);
    let began = Instant::now();
    let report = runner.run(scatter, &script);
    assert!(began.elapsed() < BUDGET + GRACE);
    gate.open();
    let counts = report.counts();
    assert_eq!((counts.answered, counts.timed_out), (3, 1));
}

macro_rules! replays {
    ($($executor:ident: $runner:expr;)*) => {
        $(mod $executor {
            #[test]
            fn eight_callers_at_once_lose_no_healthy_answer() {
                super::eight_callers_at_once(&$runner);
            }

            #[test]
            fn twenty_calls_in_a_row_lose_no_healthy_answer() {
                super::twenty_calls_in_a_row(&$runner, 1);
            }

            #[test]
            fn with_five_of_eight_cells_hung_the_other_three_answer_every_time() {
                super::twenty_calls_in_a_row(&$runner, 5);
            }

            #[test]
            fn one_slow_cell_of_four_is_the_only_one_blamed() {
                super::one_slow_of_four(&$runner);
            }
        })*
    };
}

replays! {
    on_tokio: super::on_tokio();
    on_threads: nova_conformance::scatter_suite::BlockingRunner(super::threads());
    over_the_bridge: super::bridged();
}

#[test]
fn a_pool_as_small_as_novas_gets_its_size_back_within_a_second() {
    let policy = ThreadPolicy {
        workers: 5,
        per_cell: 1,
        ..ThreadPolicy::default()
    };
    let pool = ThreadExecutor::new("five", policy).unwrap();
    let runner = BlockingRunner(pool.clone());
    let gate = Gate::default();
    let hang = Act::Hang(gate.clone());
    let script = Script::new((0..5).map(|cell| (cell, hang.clone())));
    let (cloud, request) = (FakeCloud::of(CELLS), admin());
    let call = || {
        let scatter = Scatter::new(&request, &cloud.cells, cloud.all()).timeout(BUDGET);
        runner.run(scatter, &script).counts()
    };
    // All five workers are stuck, so the other three cells never begin: said as such, and once only.
    assert_eq!((call().answered, pool.abandoned()), (0, 5));
    let after = Instant::now();
    let second = call();
    assert!(after.elapsed() < Duration::from_secs(1));
    assert_eq!((second.answered, second.skipped), (3, 5));
    assert_eq!(pool.stats().workers, 5);
    let ending = Instant::now();
    assert_eq!(pool.shutdown(Duration::from_millis(20)), 5);
    assert!(ending.elapsed() < Duration::from_secs(1));
    gate.open();
    assert_eq!(pool.shutdown(Duration::from_secs(20)), 0);
}

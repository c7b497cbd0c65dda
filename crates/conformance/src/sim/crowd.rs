//! Many callers of the same cells, with permits, breakers and retries between them, on simulated time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cells::{CellError, ErrorClass};
use scatter::{
    BreakerPolicy, BulkheadPolicy, Effect, Isolation, IsolationPolicy, PermitClass, RetryPolicy,
    Scatter, TokioExecutor,
};
use tokio::runtime::{Builder, Handle};
use tokio::sync::Barrier;
use tokio::time::Instant;

use super::program::Program;
use super::random::Seeded;
use super::scenario::cloud;
use super::trace::Told;
use crate::fakes::{FakeCloud, HonestConnector, admin};

/// One caller: when it comes, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Since the start.
    pub comes: Duration,
    /// Its budget.
    pub budget: Duration,
    /// Whose permits it takes.
    pub class: PermitClass,
    /// What its work says it does.
    pub effect: Effect,
    /// It drops its call after this long.
    pub gone_after: Option<Duration>,
}

/// What every cell does, whoever asks, and who asks.
#[derive(Debug, Clone)]
pub struct Crowd {
    pub(super) seed: u64,
    pub(super) programs: Vec<Program>,
    pub(super) callers: Vec<Caller>,
    pub(super) policy: IsolationPolicy,
}

/// What every caller was told.
#[derive(Debug, Clone)]
pub struct CrowdTrace {
    pub(super) crowd: Crowd,
    /// Per caller: each cell's outcome, and how long the call took. None where the caller went.
    pub(super) told: Vec<(Option<Vec<Told>>, Duration)>,
    /// Per cell and class: the most works at the same time.
    pub(super) peaks: Vec<[usize; 3]>,
    /// After the last caller: whether each class could take all its permits of every cell at once.
    pub(super) permits_are_back: [bool; 3],
    pub(super) leaked: usize,
}

pub(super) const CLASSES: [PermitClass; 3] = [
    PermitClass::Interactive,
    PermitClass::Listing,
    PermitClass::Periodic,
];

impl Crowd {
    /// The crowd of a seed: a few cells, good, slow, failing and hung; up to 24 callers within two seconds; few permits;
    /// sometimes breakers, sometimes retries.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut dice = Seeded::new(seed);
        let callers = 1 + dice.below(24);
        let bulkhead = BulkheadPolicy {
            interactive: 1 + dice.below(4),
            listing: 1 + dice.below(2),
            periodic: 1,
            waiting: dice.below(6),
        };
        let breaker = dice.percent(50).then(|| BreakerPolicy {
            suspect_after: 2,
            open_for: Duration::from_millis(200),
            ..BreakerPolicy::default()
        });
        Self {
            seed,
            programs: (0..1 + dice.below(4)).map(|_| program(&mut dice)).collect(),
            callers: (0..callers).map(|_| caller(&mut dice)).collect(),
            policy: IsolationPolicy {
                bulkhead,
                breaker,
                retry: dice.percent(50).then(RetryPolicy::default),
            },
        }
    }

    /// Plays it and says what happened.
    ///
    /// # Panics
    /// Where the machine does not give a runtime.
    #[must_use]
    pub fn play(&self) -> CrowdTrace {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        runtime.block_on(self.played())
    }

    async fn played(&self) -> CrowdTrace {
        let place = Place {
            cloud: cloud(self.programs.len(), &[]),
            isolation: Isolation::new(self.policy.clone()),
            programs: self.programs.clone().into(),
            at_work: Arc::new(Mutex::new(vec![Default::default(); self.programs.len()])),
        };
        let callers: Vec<_> = self
            .callers
            .iter()
            .map(|caller| tokio::spawn(place.clone().serve(caller.clone())))
            .collect();
        let prober = tokio::spawn(place.clone().probe());
        let mut told = Vec::new();
        for caller in callers {
            told.push(caller.await.unwrap_or((None, Duration::MAX)));
        }
        prober.abort();
        let _aborted = prober.await;
        let mut permits_are_back = [false; 3];
        for (class, back) in CLASSES.into_iter().zip(&mut permits_are_back) {
            *back = place.all_permits(class, &self.policy.bulkhead).await;
        }
        CrowdTrace {
            crowd: self.clone(),
            told,
            peaks: place.peaks(),
            permits_are_back,
            leaked: Handle::current().metrics().num_alive_tasks(),
        }
    }
}

/// Works at the same time, now and at the most, of one cell and class.
#[derive(Debug, Clone, Copy, Default)]
struct Busy {
    now: usize,
    peak: usize,
}

type AtWork = Arc<Mutex<Vec<[Busy; 3]>>>;

/// Counts one work for as long as it lives.
struct Working {
    at_work: AtWork,
    cell: usize,
    class: usize,
}

impl Working {
    fn new(at_work: &AtWork, cell: usize, class: usize) -> Self {
        {
            let mut all = at_work.lock().unwrap_or_else(PoisonError::into_inner);
            let busy = &mut all[cell][class];
            busy.now += 1;
            busy.peak = busy.peak.max(busy.now);
        }
        Self {
            at_work: Arc::clone(at_work),
            cell,
            class,
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut all = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        all[self.cell][self.class].now -= 1;
    }
}

#[derive(Clone)]
struct Place {
    cloud: FakeCloud,
    isolation: Isolation,
    programs: Arc<[Program]>,
    at_work: AtWork,
}

fn place_of(class: PermitClass) -> usize {
    CLASSES.iter().position(|one| *one == class).unwrap_or(0)
}

impl Place {
    async fn serve(self, caller: Caller) -> (Option<Vec<Told>>, Duration) {
        tokio::time::sleep(caller.comes).await;
        let began = Instant::now();
        let (request, executor) = (admin(), TokioExecutor::new(Handle::current()));
        let (programs, at_work) = (Arc::clone(&self.programs), Arc::clone(&self.at_work));
        let class = place_of(caller.class);
        let call = Scatter::new(&request, &self.cloud.cells, self.cloud.all())
            .timeout(caller.budget)
            .isolation(&self.isolation, caller.class)
            .effect(caller.effect)
            .run(&executor, move |task| {
                let (programs, at_work) = (Arc::clone(&programs), Arc::clone(&at_work));
                async move {
                    let cell = task.cell().database().number;
                    let _working = Working::new(&at_work, cell, class);
                    programs[cell].perform(&task, |_| ()).await
                }
            });
        let report = match caller.gone_after {
            None => Some(call.await),
            Some(time) => tokio::time::timeout(time, call).await.ok(),
        };
        let told = report.map(|report| report.into_cells().into_iter().map(Told::of).collect());
        (told, began.elapsed())
    }

    /// Probes as a service would: a cell is good if its program comes to a good end.
    async fn probe(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = Instant::now().into_std();
            let Some(probe) = self.isolation.probe(now) else {
                continue;
            };
            for cell in probe.cells() {
                let is_it = |n: &usize| FakeCloud::<HonestConnector>::id(*n) == *cell;
                let number = (0..self.programs.len()).find(is_it);
                let ends = number.and_then(|n| self.programs[n].ends());
                probe.came_back(*cell, matches!(ends, Some((_, "answered"))), now);
            }
        }
    }

    /// Whether works of this class can hold all its permits of every cell at once.
    async fn all_permits(&self, class: PermitClass, policy: &BulkheadPolicy) -> bool {
        let permits = [policy.interactive, policy.listing, policy.periodic][place_of(class)];
        let meet: Arc<[Barrier]> = self
            .programs
            .iter()
            .map(|_| Barrier::new(permits))
            .collect();
        let calls = (0..permits).map(|_| {
            let (place, meet) = (self.clone(), Arc::clone(&meet));
            tokio::spawn(async move {
                let (request, executor) = (admin(), TokioExecutor::new(Handle::current()));
                let report = Scatter::new(&request, &place.cloud.cells, place.cloud.all())
                    .timeout(Duration::from_secs(10))
                    .isolation(&place.isolation, class)
                    // An open breaker lets it through.
                    .effect(Effect::Mutating)
                    .run(&executor, move |task| {
                        let meet = Arc::clone(&meet);
                        async move {
                            meet[task.cell().database().number].wait().await;
                            Ok::<(), CellError>(())
                        }
                    })
                    .await;
                !report.is_partial()
            })
        });
        let mut all = true;
        for call in calls.collect::<Vec<_>>() {
            all &= call.await.unwrap_or(false);
        }
        all
    }

    fn peaks(&self) -> Vec<[usize; 3]> {
        let all = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|classes| classes.map(|busy| busy.peak))
            .collect()
    }
}

fn caller(dice: &mut Seeded) -> Caller {
    Caller {
        comes: dice.millis(2_000),
        budget: Duration::from_millis(1) + dice.millis(500),
        class: CLASSES[dice.below(3)],
        effect: [Effect::Read, Effect::Idempotent, Effect::Mutating][dice.below(3)],
        gone_after: dice.percent(10).then(|| dice.millis(300)),
    }
}

fn program(dice: &mut Seeded) -> Program {
    let mut program = Program::new();
    if dice.percent(30) {
        program = program.connect(dice.millis(50));
    }
    program = program.wait(dice.millis(150));
    match dice.below(100) {
        0..15 => program.hang(),
        15..35 => program.fail(ErrorClass::Unreachable),
        35..45 => program.fail(ErrorClass::Statement),
        45..50 => program.panic(),
        _ => program,
    }
}

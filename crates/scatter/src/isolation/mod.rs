//! What keeps a sick cell from costing more than itself, over all calls of a process: permits by class, breakers, retry
//! tokens. Each is a plain policy and a pure state machine; this is their one home, with a lock for each cell's permits, and
//! one for breakers and tokens that is taken only where there are any.

mod breaker;
mod bulkhead;
mod policy;
#[cfg(feature = "tokio")]
mod prober;
mod retry;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use cells::{CellId, ErrorClass};

use self::breaker::{Breakers, Sign, Verdict};
use self::bulkhead::{Asked, Bulkhead, WaitId};
use self::retry::RetryBudget;
use crate::executor::{Clock, Refusal};
use crate::hash::CellMap;
use crate::outcome::{Outcome, Rejection, SkipReason, Stage};

#[cfg(feature = "tokio")]
pub use self::prober::{Prober, ProberPolicy};

pub use self::policy::{
    BreakerPolicy, BulkheadPolicy, Effect, IsolationPolicy, PermitClass, RetryPolicy,
};

/// Shared by all scatters that should know of each other; clones are the same.
#[derive(Clone)]
pub struct Isolation(Arc<Inner>);

struct Inner {
    policy: IsolationPolicy,
    stations: RwLock<CellMap<Arc<Station>>>,
    judges: Option<Arc<Mutex<Judges>>>,
}

/// One cell's permits, and who judges it. What each work touches comes first, beside the count of those who hold it.
#[repr(C)]
struct Station {
    bulkhead: Mutex<Bulkhead>,
    judges: Option<Arc<Mutex<Judges>>>,
    cell: CellId,
}

/// What looks at more than one cell.
struct Judges {
    breakers: Option<Breakers>,
    retries: Option<RetryBudget>,
    probing: bool,
}

impl Isolation {
    /// Permits, breakers and tokens of this policy.
    #[must_use]
    pub fn new(policy: IsolationPolicy) -> Self {
        let judges = Judges {
            breakers: policy.breaker.clone().map(Breakers::new),
            retries: policy.retry.clone().map(RetryBudget::new),
            probing: false,
        };
        let any = judges.breakers.is_some() || judges.retries.is_some();
        Self(Arc::new(Inner {
            policy,
            stations: RwLock::default(),
            judges: any.then(|| Arc::new(Mutex::new(judges))),
        }))
    }

    /// Cells whose breaker is open or half open.
    #[must_use]
    pub fn ejected(&self) -> usize {
        let judges = self.judges();
        let breakers = judges.as_ref().and_then(|all| all.breakers.as_ref());
        breakers.map_or(0, Breakers::ejected)
    }

    /// Cells that should be probed now, and the right to probe them. None while somebody else does: there is one prober.
    /// Probe them however the service checks a cell, and say with [`Probe::came_back`] what came of it. A `Prober` does it
    /// again and again.
    #[must_use]
    pub fn probe(&self, now: Instant) -> Option<Probe> {
        let mut judges = self.judges()?;
        if judges.probing {
            return None;
        }
        let cells = judges.breakers.as_ref()?.due(now);
        judges.probing = true;
        drop(judges);
        Some(Probe {
            isolation: self.clone(),
            cells,
        })
    }

    /// Asks for a permit, within the time that is left.
    pub(crate) fn admit(
        &self,
        cell: CellId,
        class: PermitClass,
        effect: Effect,
        left: Duration,
        now: Instant,
        clock: Clock,
    ) -> Result<Admission, Refusal> {
        let station = self.station(cell);
        let mut verdict = Verdict::Pass;
        station.breakers(|breakers| verdict = breakers.ask(cell, effect));
        if verdict == Verdict::FailFast {
            return Err(Refusal::Skipped(SkipReason::BreakerOpen));
        }
        let asked = lock(&station.bulkhead).ask(class, left);
        let turned_away = |station: &Station, why| {
            station.breakers(|breakers| breakers.ended(cell, verdict, Sign::None, now));
            Err(Refusal::Rejected(why))
        };
        let state = match asked {
            Asked::Granted => Held::Since(now),
            Asked::Waits(id) => Held::Waits(id),
            Asked::Full => return turned_away(&station, Rejection::QueueFull),
            Asked::TooLate => return turned_away(&station, Rejection::NoTime),
        };
        let turn = Turn {
            station,
            clock,
            state,
            class,
            verdict,
        };
        Ok(match state {
            Held::Waits(_) => Admission::Wait(Waiting(Some(turn))),
            _ => Admission::Now(turn.granted()),
        })
    }

    fn station(&self, cell: CellId) -> Arc<Station> {
        let table = &self.0.stations;
        let known = table.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(station) = known.get(&cell) {
            return Arc::clone(station);
        }
        drop(known);
        let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(Station {
                cell,
                bulkhead: Mutex::new(Bulkhead::new(&self.0.policy.bulkhead)),
                judges: self.0.judges.clone(),
            })
        };
        Arc::clone(table.entry(cell).or_insert_with(new))
    }

    fn judges(&self) -> Option<MutexGuard<'_, Judges>> {
        self.0.judges.as_deref().map(lock)
    }
}

/// Does this with the breakers, where there are any.
fn with_breakers(judges: Option<&Mutex<Judges>>, with: impl FnOnce(&mut Breakers)) {
    if let Some(judges) = judges
        && let Some(breakers) = &mut lock(judges).breakers
    {
        with(breakers);
    }
}

impl Station {
    fn breakers(&self, with: impl FnOnce(&mut Breakers)) {
        with_breakers(self.judges.as_deref(), with);
    }

    /// Does this with the retry tokens, where there are any.
    fn retries(&self, with: impl FnOnce(&mut RetryBudget)) {
        if let Some(judges) = &self.judges
            && let Some(retries) = &mut lock(judges).retries
        {
            with(retries);
        }
    }
}

fn lock<S>(mutex: &Mutex<S>) -> MutexGuard<'_, S> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Isolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Isolation")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

/// Whether a work may begin.
pub(crate) enum Admission {
    Now(Permit),
    Wait(Waiting),
}

/// One work's place with its cell, from asking to the end.
struct Turn {
    station: Arc<Station>,
    clock: Clock,
    state: Held,
    class: PermitClass,
    verdict: Verdict,
}

#[derive(Clone, Copy)]
enum Held {
    Waits(WaitId),
    Since(Instant),
    /// It was given back.
    Over,
}

impl Turn {
    fn granted(self) -> Permit {
        let station = &self.station;
        station.retries(|retries| retries.earn(station.cell));
        Permit(self)
    }

    /// Gives the place back, once.
    fn end(&mut self, sign: Sign, now: Instant) {
        let Self { station, class, .. } = self;
        let next = match std::mem::replace(&mut self.state, Held::Over) {
            Held::Over => return,
            Held::Waits(id) => lock(&station.bulkhead).cancel(*class, id),
            Held::Since(since) => {
                let held_for = now.saturating_duration_since(since);
                lock(&station.bulkhead).release(*class, held_for)
            }
        };
        station.breakers(|breakers| breakers.ended(station.cell, self.verdict, sign, now));
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !matches!(self.state, Held::Over) {
            // Where its end said nothing, a trial is over all the same.
            let now = self.clock.now();
            self.end(Sign::None, now);
        }
    }
}

/// A work that waits for its permit. Dropped, it leaves the queue.
pub(crate) struct Waiting(Option<Turn>);

impl Waiting {
    /// The permit, when it is its turn; else the waker is woken then.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Option<Permit> {
        let turn = self.0.as_mut()?;
        let Held::Waits(id) = turn.state else {
            return None;
        };
        if !lock(&turn.station.bulkhead).poll(turn.class, id, waker) {
            return None;
        }
        turn.state = Held::Since(turn.clock.now());
        self.0.take().map(Turn::granted)
    }
}

/// A work's right to use its cell. Held until the work has ended, also where nobody waits for it any more.
pub(crate) struct Permit(Turn);

impl Permit {
    /// The work has come to an end by itself: gives the permit back, and tells the breaker.
    pub(crate) fn ended<T>(mut self, outcome: &Outcome<T>, now: Instant) {
        let sign = match outcome {
            Outcome::Answered(_) => Sign::Good,
            Outcome::Failed(failure) => sign_of(failure.class()),
            Outcome::TimedOut(_) => Sign::Bad,
            Outcome::Rejected(_) | Outcome::Skipped(_) => Sign::None,
        };
        self.0.end(sign, now);
    }

    /// Whether work that was called so often and failed with this class may be called once more; takes a token if so.
    pub(crate) fn may_retry(
        &self,
        calls: impl FnOnce() -> u32,
        effect: Effect,
        class: ErrorClass,
    ) -> bool {
        let mut may = false;
        if effect.may_repeat() && class.is_retryable() {
            let station = &self.0.station;
            station.retries(|retries| {
                may = calls() < retries.attempts() && retries.spend(station.cell);
            });
        }
        may
    }
}

impl Isolation {
    /// A cell was late while its work ran.
    pub(crate) fn late(&self, cell: CellId, stage: Stage, now: Instant) {
        if matches!(stage, Stage::Targeting | Stage::Connecting | Stage::Running) {
            let late =
                |breakers: &mut Breakers| breakers.ended(cell, Verdict::Trial, Sign::Bad, now);
            with_breakers(self.0.judges.as_deref(), late);
        }
    }
}

/// A failure speaks against its cell where it says that the cell could not be used, whoever asks.
fn sign_of(class: ErrorClass) -> Sign {
    match class {
        ErrorClass::Unreachable
        | ErrorClass::Authentication
        | ErrorClass::Tls
        | ErrorClass::Timeout
        | ErrorClass::Overloaded => Sign::Bad,
        _ => Sign::None,
    }
}

/// Cells to be probed, and the right to do so. Dropped, it lets others probe.
#[must_use = "the cells stay suspect until a probe has come back"]
pub struct Probe {
    isolation: Isolation,
    cells: Vec<CellId>,
}

impl Probe {
    /// The cells to probe.
    #[must_use]
    pub fn cells(&self) -> &[CellId] {
        &self.cells
    }

    /// Says what came of one cell's probe.
    pub fn came_back(&self, cell: CellId, good: bool, now: Instant) {
        let judges = self.isolation.0.judges.as_deref();
        with_breakers(judges, |breakers| breakers.probed(cell, good, now));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(mut judges) = self.isolation.judges() {
            judges.probing = false;
        }
    }
}

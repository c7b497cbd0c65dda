//! What keeps a sick cell from costing more than itself, over all calls of a process: permits by class, breakers, retry
//! tokens. Each is a plain policy and a pure state machine; this is their one home and its one lock per cell table.

mod breaker;
mod bulkhead;
mod policy;
mod retry;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use cells::{CellId, ErrorClass};

use self::breaker::{Breakers, Sign, Verdict};
use self::bulkhead::{Asked, Bulkhead, WaitId};
use self::retry::RetryBudget;
use crate::executor::{Clock, Refusal};
use crate::outcome::{Outcome, Rejection, SkipReason, Stage};

pub use self::policy::{
    BreakerPolicy, BulkheadPolicy, Effect, IsolationPolicy, PermitClass, RetryPolicy,
};

/// Shared by all scatters that should know of each other; clones are the same.
#[derive(Clone)]
pub struct Isolation(Arc<Inner>);

struct Inner {
    policy: IsolationPolicy,
    state: Mutex<State>,
}

struct State {
    bulkheads: HashMap<CellId, Bulkhead>,
    breakers: Option<Breakers>,
    retries: Option<RetryBudget>,
    probing: bool,
}

impl Isolation {
    /// Permits, breakers and tokens of this policy.
    #[must_use]
    pub fn new(policy: IsolationPolicy) -> Self {
        let state = State {
            bulkheads: HashMap::new(),
            breakers: policy.breaker.clone().map(Breakers::new),
            retries: policy.retry.clone().map(RetryBudget::new),
            probing: false,
        };
        Self(Arc::new(Inner {
            policy,
            state: Mutex::new(state),
        }))
    }

    /// Cells whose breaker is open or half open.
    #[must_use]
    pub fn ejected(&self) -> usize {
        self.state().breakers.as_ref().map_or(0, Breakers::ejected)
    }

    /// Cells that should be probed now, and the right to probe them. None while somebody else does: there is one prober.
    /// Probe them however the service checks a cell, and say with [`Probe::came_back`] what came of it.
    #[must_use]
    pub fn probe(&self, now: Instant) -> Option<Probe> {
        let mut state = self.state();
        if state.probing {
            return None;
        }
        let cells = state.breakers.as_ref()?.due(now);
        state.probing = true;
        drop(state);
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
        clock: Clock,
    ) -> Result<Admission, Refusal> {
        let mut state = self.state();
        let verdict = state
            .breakers
            .as_mut()
            .map_or(Verdict::Pass, |all| all.ask(cell, effect));
        if verdict == Verdict::FailFast {
            return Err(Refusal::Skipped(SkipReason::BreakerOpen));
        }
        let policy = &self.0.policy.bulkhead;
        let bulkhead = state
            .bulkheads
            .entry(cell)
            .or_insert_with(|| Bulkhead::new(policy));
        let asked = bulkhead.ask(class, left);
        let turn = |granted| Turn {
            isolation: self.clone(),
            cell,
            class,
            verdict,
            clock,
            state: granted,
            spoken: false,
        };
        match asked {
            Asked::Granted => {
                if let Some(retries) = &mut state.retries {
                    retries.earn(cell);
                }
                drop(state);
                Ok(Admission::Now(Permit(turn(Held::Since(clock.now())))))
            }
            Asked::Waits(id) => {
                drop(state);
                Ok(Admission::Wait(Waiting(Some(turn(Held::Waits(id))))))
            }
            Asked::Full => self.turned_away(state, cell, verdict, clock, Rejection::QueueFull),
            Asked::TooLate => self.turned_away(state, cell, verdict, clock, Rejection::NoTime),
        }
    }

    fn turned_away(
        &self,
        mut state: MutexGuard<'_, State>,
        cell: CellId,
        verdict: Verdict,
        clock: Clock,
        why: Rejection,
    ) -> Result<Admission, Refusal> {
        if let Some(breakers) = &mut state.breakers {
            breakers.ended(cell, verdict, Sign::None, clock.now());
        }
        Err(Refusal::Rejected(why))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    isolation: Isolation,
    cell: CellId,
    class: PermitClass,
    verdict: Verdict,
    clock: Clock,
    state: Held,
    /// Whether the breaker has heard of the end.
    spoken: bool,
}

#[derive(Clone, Copy)]
enum Held {
    Waits(WaitId),
    Since(Instant),
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = self.clock.now();
        let next = {
            let mut state = self.isolation.state();
            match self.state {
                Held::Waits(id) => {
                    if let Some(breakers) = &mut state.breakers {
                        breakers.ended(self.cell, self.verdict, Sign::None, now);
                    }
                    let bulkhead = state.bulkheads.get_mut(&self.cell);
                    bulkhead.and_then(|bulkhead| bulkhead.cancel(self.class, id))
                }
                Held::Since(since) => {
                    // Where its end said nothing, a trial is over all the same.
                    if let Some(breakers) = &mut state.breakers
                        && !self.spoken
                    {
                        breakers.ended(self.cell, self.verdict, Sign::None, now);
                    }
                    let held_for = now.saturating_duration_since(since);
                    let bulkhead = state.bulkheads.get_mut(&self.cell);
                    bulkhead.and_then(|bulkhead| bulkhead.release(self.class, held_for))
                }
            }
        };
        if let Some(waker) = next {
            waker.wake();
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
        {
            let mut state = turn.isolation.state();
            let bulkhead = state.bulkheads.get_mut(&turn.cell)?;
            if !bulkhead.poll(turn.class, id, waker) {
                return None;
            }
            if let Some(retries) = &mut state.retries {
                retries.earn(turn.cell);
            }
        }
        turn.state = Held::Since(turn.clock.now());
        self.0.take().map(Permit)
    }
}

/// A work's right to use its cell. Held until the work has ended, also where nobody waits for it any more.
pub(crate) struct Permit(Turn);

impl Permit {
    /// The work has come to an end by itself.
    pub(crate) fn ended<T>(&mut self, outcome: &Outcome<T>) {
        let sign = match outcome {
            Outcome::Answered(_) => Sign::Good,
            Outcome::Failed(failure) => sign_of(failure.class()),
            Outcome::TimedOut(_) => Sign::Bad,
            Outcome::Rejected(_) | Outcome::Skipped(_) => Sign::None,
        };
        self.0.spoken = true;
        let now = self.0.clock.now();
        if let Some(breakers) = &mut self.0.isolation.state().breakers {
            breakers.ended(self.0.cell, self.0.verdict, sign, now);
        }
    }

    /// Whether work that failed with this class may be called once more; takes a token if so.
    pub(crate) fn may_retry(&self, calls: u32, effect: Effect, class: ErrorClass) -> bool {
        if !(effect.may_repeat() && class.is_retryable()) {
            return false;
        }
        let mut state = self.0.isolation.state();
        let retries = state.retries.as_mut();
        retries.is_some_and(|retries| calls < retries.attempts() && retries.spend(self.0.cell))
    }
}

impl Isolation {
    /// A cell was late while its work ran.
    pub(crate) fn late(&self, cell: CellId, stage: Stage, now: Instant) {
        let began = matches!(stage, Stage::Targeting | Stage::Connecting | Stage::Running);
        if let (true, Some(breakers)) = (began, &mut self.state().breakers) {
            breakers.ended(cell, Verdict::Trial, Sign::Bad, now);
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
        if let Some(breakers) = &mut self.isolation.state().breakers {
            breakers.probed(cell, good, now);
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.isolation.state().probing = false;
    }
}

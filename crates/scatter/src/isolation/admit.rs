//! One call's way to its cells' permits. A permit is held by the seat whose work it lets begin, which gives it back by the
//! cell's place: there is one for each cell of each call, so it is little more than a moment.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use cells::{CellId, ErrorClass};

use super::Isolation;
use super::breaker::{Sign, Verdict};
use super::bulkhead::{Asked, Bulkhead, WaitId};
use super::policy::{Effect, PermitClass};
use super::station::{Place, Station, Table};
use crate::executor::{Clock, Refusal};
use crate::ledger::Ledger;
use crate::outcome::{Outcome, Rejection, SkipReason, Stage};

/// What one call asks permits for, and where.
pub(crate) struct Admit {
    table: Arc<Table>,
    class: PermitClass,
    effect: Effect,
    clock: Clock,
}

/// A work's right to use its cell, to be given back when the work has ended, also where nobody waits for it any more.
#[must_use = "it is given back with `Admit::end`"]
pub(crate) struct Permit {
    since: Instant,
    verdict: Verdict,
}

/// Whether a work may begin.
pub(crate) enum Admission {
    Now(Permit),
    Wait(Waiting),
}

impl Admit {
    /// Notes each cell's place with its slot.
    pub(crate) fn new<T>(
        isolation: &Isolation,
        ledger: &mut Ledger<T>,
        (class, effect): (PermitClass, Effect),
        clock: Clock,
    ) -> Self {
        let mut table = isolation.table();
        let note = |(cell, place): (CellId, &mut Place)| {
            let known = table.place(cell);
            *place = known.unwrap_or(Place::NOWHERE);
            known.is_some()
        };
        if !ledger.places().all(note) {
            table = isolation.grown_table(ledger.places().map(|(cell, _)| cell));
            for (cell, place) in ledger.places() {
                *place = table.place(cell).unwrap_or(Place::NOWHERE);
            }
        }
        Self {
            table,
            class,
            effect,
            clock,
        }
    }

    fn station(&self, place: Place) -> Option<&Arc<Station>> {
        self.table.at(place)
    }

    /// Asks for a permit at this place, within the time that is left.
    pub(crate) fn ask(
        &self,
        place: Place,
        left: Duration,
        now: Instant,
    ) -> Result<Admission, Refusal> {
        let Some(station) = self.station(place) else {
            return Err(Refusal::Rejected(Rejection::Gone));
        };
        let all = &*self.table.common;
        let mut verdict = Verdict::Pass;
        all.breakers(|breakers| verdict = breakers.ask(station.cell, self.effect));
        if verdict == Verdict::FailFast {
            return Err(Refusal::Skipped(SkipReason::BreakerOpen));
        }
        let turned_away = |why| {
            all.breakers(|breakers| breakers.ended(station.cell, verdict, Sign::None, now));
            Err(Refusal::Rejected(why))
        };
        match station.permits(&all.crowded, |permits| permits.ask(self.class, left)) {
            Asked::Granted => {
                all.retries(|retries| retries.earn(station.cell));
                let since = now;
                Ok(Admission::Now(Permit { since, verdict }))
            }
            Asked::Waits(id) => Ok(Admission::Wait(Waiting {
                table: Arc::clone(&self.table),
                station: Arc::clone(station),
                class: self.class,
                clock: self.clock,
                id: Some(id),
                verdict,
            })),
            Asked::Full => turned_away(Rejection::QueueFull),
            Asked::TooLate => turned_away(Rejection::NoTime),
        }
    }

    /// Whether a permit may be [taken](Self::take) where its work begins: nobody has to be asked about the cell, and
    /// there was a permit a moment ago.
    pub(crate) fn has_room(&self, place: Place) -> bool {
        let all = &*self.table.common;
        let full = || {
            self.station(place)
                .is_none_or(|station| station.is_full(self.class))
        };
        all.judges.is_none() && (!all.is_crowded() || !full())
    }

    /// A permit, if there is one at this moment.
    pub(crate) fn take(&self, place: Place, now: Instant) -> Option<Permit> {
        let all = &*self.table.common;
        let taken = |station: &Arc<Station>| {
            station.permits(&all.crowded, |permits| permits.take(self.class))
        };
        self.station(place).is_some_and(taken).then_some(Permit {
            since: now,
            verdict: Verdict::Pass,
        })
    }

    /// The work has come to an end by itself: its permit goes back, and the breaker hears of it.
    pub(crate) fn ended<T>(
        &self,
        place: Place,
        permit: Permit,
        outcome: &Outcome<T>,
        now: Instant,
    ) {
        let sign = match outcome {
            Outcome::Answered(_) => Sign::Good,
            Outcome::Failed(failure) => sign_of(failure.class()),
            Outcome::TimedOut(_) => Sign::Bad,
            Outcome::Rejected(_) | Outcome::Skipped(_) => Sign::None,
        };
        self.end(place, permit, sign, now);
    }

    /// The work will not run, or was dropped: its permit goes back, and where it was a trial, that is over all the same.
    pub(crate) fn dropped(&self, place: Place, permit: Permit) {
        self.end(place, permit, Sign::None, self.clock.now());
    }

    fn end(&self, place: Place, permit: Permit, sign: Sign, now: Instant) {
        let Some(station) = self.station(place) else {
            return;
        };
        let (all, held_for) = (
            &*self.table.common,
            now.saturating_duration_since(permit.since),
        );
        let give_back = |permits: &mut Bulkhead| permits.release(self.class, held_for);
        let next = station.permits(&all.crowded, give_back);
        all.breakers(|breakers| breakers.ended(station.cell, permit.verdict, sign, now));
        if let Some(waker) = next {
            waker.wake();
        }
    }

    /// Whether work that was called so often and failed with this class may be called once more; takes a token if
    /// so.
    pub(crate) fn may_retry(
        &self,
        place: Place,
        calls: impl FnOnce() -> u32,
        class: ErrorClass,
    ) -> bool {
        let mut may = false;
        if self.effect.may_repeat()
            && class.is_retryable()
            && let Some(station) = self.station(place)
        {
            self.table.common.retries(|retries| {
                may = calls() < retries.attempts() && retries.spend(station.cell);
            });
        }
        may
    }

    /// The cell was late in this stage.
    pub(crate) fn late(&self, place: Place, stage: Stage) {
        if matches!(stage, Stage::Targeting | Stage::Connecting | Stage::Running)
            && let Some(station) = self.station(place)
        {
            let now = self.clock.now();
            self.table.common.breakers(|breakers| {
                breakers.ended(station.cell, Verdict::Trial, Sign::Bad, now);
            });
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

/// A work that waits for its permit. Dropped, it leaves the queue.
pub(crate) struct Waiting {
    table: Arc<Table>,
    station: Arc<Station>,
    class: PermitClass,
    clock: Clock,
    /// None once the permit was given.
    id: Option<WaitId>,
    verdict: Verdict,
}

impl Waiting {
    /// The permit, when it is its turn; else the waker is woken then.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Option<Permit> {
        let (all, id) = (&*self.table.common, self.id?);
        let poll = |permits: &mut Bulkhead| permits.poll(self.class, id, waker);
        if !self.station.permits(&all.crowded, poll) {
            return None;
        }
        self.id = None;
        all.retries(|retries| retries.earn(self.station.cell));
        Some(Permit {
            since: self.clock.now(),
            verdict: self.verdict,
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(id) = self.id else {
            return;
        };
        let all = &*self.table.common;
        let leave = |permits: &mut Bulkhead| permits.cancel(self.class, id);
        let next = self.station.permits(&all.crowded, leave);
        let now = self.clock.now();
        all.breakers(|breakers| breakers.ended(self.station.cell, self.verdict, Sign::None, now));
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

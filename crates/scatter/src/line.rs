//! Which slot begins next: the caller's limit, and the cell's permits. Both drivers ask here.

use std::task::Waker;
use std::time::Instant;

use cells::CellId;
use context::Deadline;

use crate::executor::{Clock, Refusal};
use crate::isolation::{Admission, Effect, Isolation, Permit, PermitClass, Waiting};
use crate::ledger::Ledger;
use crate::outcome::{Outcome, Stage};

/// What of the isolation one scatter uses.
#[derive(Clone)]
pub(crate) struct Admit {
    pub(crate) isolation: Isolation,
    pub(crate) class: PermitClass,
    pub(crate) effect: Effect,
}

pub(crate) struct Line {
    limit: usize,
    /// The first slot that has not been looked at.
    next: usize,
    admit: Option<Admit>,
    waiting: Vec<(usize, CellId, Waiting)>,
    deadline: Deadline,
    clock: Clock,
    /// When the round began in which slots are handed out; read when it is needed.
    now: Option<Instant>,
}

/// A slot that begins now.
pub(crate) type Begins = (usize, CellId, Option<Permit>);

impl Line {
    pub(crate) fn new(
        limit: usize,
        admit: Option<Admit>,
        deadline: Deadline,
        clock: Clock,
    ) -> Self {
        Self {
            limit,
            next: 0,
            admit,
            waiting: Vec::new(),
            deadline,
            clock,
            now: None,
        }
    }

    /// Whether works need permits.
    pub(crate) fn admits(&self) -> bool {
        self.admit.is_some()
    }

    /// Slots are about to be handed out, all in one moment: this one, or the one in which the clock is first needed.
    pub(crate) fn new_round(&mut self, now: Option<Instant>) {
        self.now = now;
    }

    /// The next slot that begins now; none where all that may be under way is, or waits.
    pub(crate) fn next<T: Send>(&mut self, ledger: &Ledger<T>, waker: &Waker) -> Option<Begins> {
        let granted = |(_, _, waiting): &mut (usize, CellId, Waiting)| waiting.poll(waker);
        for at in 0..self.waiting.len() {
            if let Some(permit) = granted(&mut self.waiting[at]) {
                let (slot, cell, _) = self.waiting.swap_remove(at);
                ledger.enter(slot, Stage::Queued);
                return Some((slot, cell, Some(permit)));
            }
        }
        while ledger.under_way() < self.limit {
            let (slot, cell) = ledger.next_to_ask(self.next)?;
            self.next = slot + 1;
            ledger.hand_out();
            let Some(admit) = &self.admit else {
                if self.limit < ledger.len() {
                    ledger.enter(slot, Stage::Queued);
                }
                return Some((slot, cell, None));
            };
            let clock = self.clock;
            let now = *self.now.get_or_insert_with(|| clock.now());
            let left = self.deadline.remaining_at(now);
            let asked =
                admit
                    .isolation
                    .admit(cell, admit.class, admit.effect, left, now, self.clock);
            match asked {
                Ok(Admission::Now(permit)) => {
                    ledger.enter(slot, Stage::Queued);
                    return Some((slot, cell, Some(permit)));
                }
                Ok(Admission::Wait(mut waiting)) => {
                    ledger.enter(slot, Stage::Permit);
                    match waiting.poll(waker) {
                        Some(permit) => return Some((slot, cell, Some(permit))),
                        None => self.waiting.push((slot, cell, waiting)),
                    }
                }
                Err(refusal) => ledger.refuse(slot, refused(refusal)),
            }
        }
        None
    }

    /// Tells the breakers of the cells that were late.
    pub(crate) fn tell_late<T: Send>(&self, ledger: &Ledger<T>, late: &[usize]) {
        let Some(admit) = &self.admit else {
            return;
        };
        for at in late {
            if let (Some(cell), Some(stage)) = (ledger.label(*at).id(), ledger.stage_of(*at)) {
                admit.isolation.late(cell, stage, self.clock.now());
            }
        }
    }
}

pub(crate) fn refused<T>(refusal: Refusal) -> Outcome<T> {
    match refusal {
        Refusal::Rejected(why) => Outcome::Rejected(why),
        Refusal::Skipped(why) => Outcome::Skipped(why),
    }
}

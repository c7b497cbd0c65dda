//! Which slot begins next: the caller's limit, and the cell's permits. Both drivers ask here.

use std::task::Waker;
use std::time::Instant;

use cells::CellId;
use context::Deadline;

use crate::executor::{Clock, Refusal};
use crate::isolation::{Admission, Admit, Permit, Waiting};
use crate::ledger::{Books, Ledger};
use crate::outcome::{Outcome, Stage};

pub(crate) struct Line {
    limit: usize,
    /// The first slot that has not been looked at.
    next: usize,
    /// Slots that were to find a permit where their work begins, and found none.
    turned_away: Vec<usize>,
    waiting: Vec<(usize, CellId, Waiting)>,
    /// Whether works take their permits where they begin, while there are enough.
    on_arrival: bool,
    deadline: Deadline,
    clock: Clock,
    /// When the round began in which slots are handed out; read when it is needed.
    now: Option<Instant>,
}

/// A slot that begins now. Where works need permits and it has none, it takes one where it begins.
pub(crate) type Begins = (usize, CellId, Option<Permit>);

impl Line {
    pub(crate) fn new(limit: usize, deadline: Deadline, clock: Clock) -> Self {
        Self {
            limit,
            next: 0,
            turned_away: Vec::new(),
            waiting: Vec::new(),
            on_arrival: false,
            deadline,
            clock,
            now: None,
        }
    }

    /// Lets works take their permits where they begin, which costs the caller nothing, as long as there are permits enough.
    pub(crate) fn permits_on_arrival(mut self) -> Self {
        self.on_arrival = true;
        self
    }

    /// These found no permit where they were to begin. They have not begun.
    pub(crate) fn ask_again(&mut self, slots: Vec<usize>) {
        self.turned_away.extend(slots);
    }

    /// Slots are about to be handed out, all in one moment: this one, or the one in which the clock is first needed.
    pub(crate) fn new_round(&mut self, now: Option<Instant>) {
        self.now = now;
    }

    /// Whether slots that had to wait for others may be handed out now.
    pub(crate) fn may_go_on<T>(&self, ledger: &Ledger<T>) -> bool {
        self.next < ledger.len() && ledger.under_way() < self.limit
    }

    /// The next slot that begins now; none where all that may be under way is, or waits.
    pub(crate) fn next(&mut self, call: &impl Books, waker: &Waker) -> Option<Begins> {
        let ledger = call.books();
        let granted = |(_, _, waiting): &mut (usize, CellId, Waiting)| waiting.poll(waker);
        for at in 0..self.waiting.len() {
            if let Some(permit) = granted(&mut self.waiting[at]) {
                let (slot, cell, _) = self.waiting.swap_remove(at);
                ledger.enter(slot, Stage::Queued);
                return Some((slot, cell, Some(permit)));
            }
        }
        while let Some(slot) = self.turned_away.pop() {
            if let (Some(admit), Some(cell)) = (call.admit(), ledger.cell(slot))
                && let Some(begins) = self.ask(call, admit, (slot, cell), waker)
            {
                return Some(begins);
            }
        }
        while ledger.under_way() < self.limit {
            let Some((slot, cell)) = ledger.next_to_ask(self.next) else {
                self.next = ledger.len();
                return None;
            };
            self.next = slot + 1;
            ledger.hand_out();
            let asked = match call.admit() {
                Some(admit) if !(self.on_arrival && admit.has_room(ledger.place(slot))) => {
                    self.ask(call, admit, (slot, cell), waker)
                }
                _ => {
                    if self.limit < ledger.len() {
                        ledger.enter(slot, Stage::Queued);
                    }
                    Some((slot, cell, None))
                }
            };
            if asked.is_some() {
                return asked;
            }
        }
        None
    }

    /// Asks for a slot's permit. None where it waits for it, or will not begin.
    fn ask(
        &mut self,
        call: &impl Books,
        admit: &Admit,
        (slot, cell): (usize, CellId),
        waker: &Waker,
    ) -> Option<Begins> {
        let clock = self.clock;
        let now = *self.now.get_or_insert_with(|| clock.now());
        match admit.ask(
            call.books().place(slot),
            self.deadline.remaining_at(now),
            now,
        ) {
            Ok(Admission::Now(permit)) => {
                call.books().enter(slot, Stage::Queued);
                return Some((slot, cell, Some(permit)));
            }
            Ok(Admission::Wait(mut waiting)) => {
                call.books().enter(slot, Stage::Permit);
                match waiting.poll(waker) {
                    Some(permit) => return Some((slot, cell, Some(permit))),
                    None => self.waiting.push((slot, cell, waiting)),
                }
            }
            Err(refusal) => call.books().refuse(slot, refused(refusal)),
        }
        None
    }
}

/// Tells the breakers of the cells that were late.
pub(crate) fn tell_late(call: &impl Books, late: &[usize]) {
    let Some(admit) = call.admit() else {
        return;
    };
    for at in late {
        if let Some(stage) = call.books().stage_of(*at) {
            admit.late(call.books().place(*at), stage);
        }
    }
}

pub(crate) fn refused<T>(refusal: Refusal) -> Outcome<T> {
    match refusal {
        Refusal::Rejected(why) => Outcome::Rejected(why),
        Refusal::Skipped(why) => Outcome::Skipped(why),
    }
}

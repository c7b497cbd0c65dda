//! The pool's bookkeeping: who waits, who runs, who is stuck. Every transition happens here, under the pool's one lock;
//! nothing here runs, waits or starts anything, so that a model check can walk through all of it.

use std::collections::VecDeque;

use cells::CellId;

use super::policy::{PoolStats, ThreadPolicy};
use crate::hash::CellMap;

/// Identifies one job in the pool.
pub(crate) type Ticket = u64;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolState<J> {
    sizes: Sizes,
    lanes: Lanes<J>,
    /// Lanes that have work waiting and room for it, each once, first come first served.
    turn: VecDeque<CellId>,
    /// Jobs that could run now, if there were workers enough.
    runnable: usize,
    waiting: usize,
    running: usize,
    /// Threads that belong to the pool.
    workers: usize,
    /// Of those, the ones that wait for work.
    idle: usize,
    /// Idle ones that were told of work and have not come for it yet.
    called: usize,
    /// Threads in work that nobody waits for.
    abandoned: usize,
    /// Of those, the ones that do not belong to the pool any more.
    replaced: usize,
    next: Ticket,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sizes {
    workers: usize,
    queue: usize,
    per_cell: usize,
    per_cell_queue: usize,
    max_abandoned: usize,
}

/// Lanes that are kept while they are empty, so that a cell's next job finds its memory ready.
const KEPT_LANES: usize = 2048;

/// The cells that have, or had, anything in the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lanes<J>(CellMap<Lane<J>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lane<J> {
    held: Vec<Held>,
    waiting: VecDeque<(Ticket, J)>,
    in_turn: bool,
}

/// One worker's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Held {
    ticket: Ticket,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fate {
    /// Somebody waits for it.
    Wanted,
    /// Nobody does, and its worker is still the pool's.
    Stuck,
    /// Nobody does, and another worker has its place.
    Replaced,
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Closed,
    Queue,
    /// Everything the cell may hold is held by stuck work.
    Quarantined,
}

/// What giving up a job came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GivenUp<J> {
    /// It had ended, or was given up before.
    Nothing,
    /// It had not begun; here it is, to be dropped outside the lock.
    NeverBegan(J),
    /// It runs; a worker was counted in its place and must be started.
    Replace,
    /// It runs, and too many threads are stuck already.
    NotReplaced,
}

/// What the worker does after its work has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Stay,
    /// Its place was taken meanwhile.
    Leave,
}

impl<J> PoolState<J> {
    pub(crate) fn new(policy: &ThreadPolicy) -> Self {
        Self {
            sizes: Sizes {
                workers: policy.workers.max(1),
                queue: policy.queue.max(1),
                per_cell: policy.per_cell.max(1),
                per_cell_queue: policy.per_cell_queue,
                max_abandoned: policy.max_abandoned,
            },
            lanes: Lanes(CellMap::default()),
            turn: VecDeque::new(),
            runnable: 0,
            waiting: 0,
            running: 0,
            workers: 0,
            idle: 0,
            called: 0,
            abandoned: 0,
            replaced: 0,
            next: 0,
            closed: false,
        }
    }

    pub(crate) fn stats(&self) -> PoolStats {
        PoolStats {
            workers: self.workers,
            idle: self.idle,
            waiting: self.waiting,
            running: self.running,
            abandoned: self.abandoned,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Threads there are, whether the pool's or replaced.
    pub(crate) fn threads(&self) -> usize {
        self.workers + self.replaced
    }

    pub(crate) fn submit(&mut self, cell: CellId, job: J) -> Result<Ticket, (Full, J)> {
        if self.closed {
            return Err((Full::Closed, job));
        }
        let busy = self.running + self.abandoned - self.replaced;
        if self.waiting >= self.sizes.queue + self.sizes.workers.saturating_sub(busy) {
            return Err((Full::Queue, job));
        }
        let lane = self.lanes.0.entry(cell).or_insert_with(Lane::new);
        if lane.stuck() >= self.sizes.per_cell {
            return Err((Full::Quarantined, job));
        }
        let in_lane = lane.held.len() + lane.waiting.len();
        if in_lane >= self.sizes.per_cell + self.sizes.per_cell_queue {
            return Err((Full::Queue, job));
        }
        let ticket = self.next;
        self.next += 1;
        self.waiting += 1;
        self.change(cell, |lane| lane.waiting.push_back((ticket, job)));
        Ok(ticket)
    }

    /// Whether an idle worker should be woken for what waits; counts it as told.
    pub(crate) fn call_idle(&mut self) -> bool {
        let wanted = self.called < self.runnable && self.called < self.idle;
        self.called += usize::from(wanted);
        wanted
    }

    /// Whether one more worker should be started for what waits; counts it as there.
    pub(crate) fn grow(&mut self) -> bool {
        let at_work = self.running + self.abandoned - self.replaced;
        let coming = self.workers.saturating_sub(at_work);
        let starved = self.runnable > coming;
        let wanted = !self.closed && starved && self.workers < self.sizes.workers;
        self.workers += usize::from(wanted);
        wanted
    }

    /// Counts the first worker in.
    pub(crate) fn start_first(&mut self) {
        self.workers += 1;
    }

    /// A worker that was counted could not be started.
    pub(crate) fn did_not_start(&mut self) {
        self.workers -= 1;
    }

    /// The next job: cells that have room take turns.
    pub(crate) fn take(&mut self) -> Option<(CellId, Ticket, J)> {
        let cell = self.turn.pop_front()?;
        let (ticket, job) = self.change(cell, |lane| {
            lane.in_turn = false;
            let (ticket, job) = lane.waiting.pop_front()?;
            lane.held.push(Held {
                ticket,
                fate: Fate::Wanted,
            });
            Some((ticket, job))
        })??;
        self.waiting -= 1;
        self.running += 1;
        Some((cell, ticket, job))
    }

    /// Work has returned.
    pub(crate) fn returned(&mut self, cell: CellId, ticket: Ticket) -> After {
        let fate = self.change(cell, |lane| {
            let at = lane.held.iter().position(|held| held.ticket == ticket)?;
            Some(lane.held.swap_remove(at).fate)
        });
        match fate.flatten() {
            None => After::Stay,
            Some(Fate::Wanted) => {
                self.running -= 1;
                After::Stay
            }
            Some(Fate::Stuck) => {
                self.abandoned -= 1;
                After::Stay
            }
            Some(Fate::Replaced) => {
                self.abandoned -= 1;
                self.replaced -= 1;
                After::Leave
            }
        }
    }

    /// Nobody waits for this job any more.
    pub(crate) fn abandon(&mut self, cell: CellId, ticket: Ticket) -> GivenUp<J> {
        let never_began = self.change(cell, |lane| {
            let waits = |(waiting, _): &(Ticket, J)| *waiting == ticket;
            let at = lane.waiting.iter().position(waits)?;
            lane.waiting.remove(at)
        });
        if let Some((_, job)) = never_began.flatten() {
            self.waiting -= 1;
            return GivenUp::NeverBegan(job);
        }
        let wanted = |held: &&mut Held| held.ticket == ticket && held.fate == Fate::Wanted;
        let lane = self.lanes.0.get_mut(&cell);
        let Some(held) = lane.and_then(|lane| lane.held.iter_mut().find(wanted)) else {
            return GivenUp::Nothing;
        };
        self.running -= 1;
        self.abandoned += 1;
        if self.replaced >= self.sizes.max_abandoned || self.closed {
            held.fate = Fate::Stuck;
            return GivenUp::NotReplaced;
        }
        held.fate = Fate::Replaced;
        self.replaced += 1;
        GivenUp::Replace
    }

    /// The replacement of this job's worker could not be started. True where the worker has left meanwhile, and the pool
    /// is one short; else the worker stays in the pool after all.
    pub(crate) fn not_replaced(&mut self, cell: CellId, ticket: Ticket) -> bool {
        let held = self.lanes.0.get_mut(&cell).and_then(|lane| {
            let stuck = |held: &&mut Held| held.ticket == ticket && held.fate == Fate::Replaced;
            lane.held.iter_mut().find(stuck)
        });
        match held {
            Some(held) => {
                held.fate = Fate::Stuck;
                self.replaced -= 1;
                false
            }
            None => {
                self.workers -= 1;
                true
            }
        }
    }

    /// A worker begins to wait for work.
    pub(crate) fn begin_idle(&mut self) {
        self.idle += 1;
    }

    /// A worker stops waiting, whoever woke it.
    pub(crate) fn end_idle(&mut self) {
        self.idle -= 1;
        self.called = self.called.saturating_sub(1).min(self.idle);
    }

    /// A worker ends because the pool is closed.
    pub(crate) fn leave(&mut self) {
        self.workers -= 1;
    }

    /// Takes nothing more, and hands out what waited.
    pub(crate) fn close(&mut self) -> Vec<J> {
        self.closed = true;
        self.turn.clear();
        self.runnable = 0;
        self.waiting = 0;
        let mut dropped = Vec::new();
        self.lanes.0.retain(|_, lane| {
            lane.in_turn = false;
            dropped.extend(lane.waiting.drain(..).map(|(_, job)| job));
            !lane.held.is_empty()
        });
        dropped
    }

    /// Changes a lane and keeps what follows from it: what could run, whether the lane is in the turn, whether it is
    /// needed at all.
    fn change<R>(&mut self, cell: CellId, change: impl FnOnce(&mut Lane<J>) -> R) -> Option<R> {
        let lane = self.lanes.0.get_mut(&cell)?;
        let (before, was_lined_up) = (lane.runnable(self.sizes.per_cell), lane.in_turn);
        let result = change(lane);
        let now = lane.runnable(self.sizes.per_cell);
        self.runnable = self.runnable + now - before;
        if now > 0 && !lane.in_turn {
            lane.in_turn = true;
            self.turn.push_back(cell);
        } else if now == 0 && was_lined_up && lane.in_turn {
            lane.in_turn = false;
            self.turn.retain(|lined_up| *lined_up != cell);
        }
        let idle = lane.held.is_empty() && lane.waiting.is_empty();
        if idle && self.lanes.0.len() > KEPT_LANES {
            self.lanes.0.remove(&cell);
        }
        Some(result)
    }
}

impl<J> Lane<J> {
    fn new() -> Self {
        Self {
            held: Vec::new(),
            waiting: VecDeque::new(),
            in_turn: false,
        }
    }

    fn stuck(&self) -> usize {
        let stuck = |held: &&Held| held.fate != Fate::Wanted;
        self.held.iter().filter(stuck).count()
    }

    fn runnable(&self, per_cell: usize) -> usize {
        self.waiting
            .len()
            .min(per_cell.saturating_sub(self.held.len()))
    }
}

impl<J: std::hash::Hash> std::hash::Hash for Lanes<J> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let mut ids: Vec<_> = self.0.iter().collect();
        ids.sort_unstable_by_key(|(id, _)| **id);
        ids.hash(state);
    }
}

// By its path, so that the model test finds it too.
#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;

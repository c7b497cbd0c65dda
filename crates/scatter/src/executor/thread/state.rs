//! The pool's bookkeeping: who waits, who runs, who is stuck. Whatever is more than one step of one job's mark happens
//! here, under the pool's one lock; nothing here runs, waits or starts anything, so that a model check can walk through it.
//!
//! A cell's jobs are counted when they are submitted. When one ends, its mark says so, and the count follows the next time
//! somebody looks at the cell; where a job waits for that, whoever ends one comes here at once.

use std::collections::VecDeque;
use std::sync::Arc;

use cells::CellId;
use smallvec::smallvec;

use super::lane::Lane;
use super::policy::{PoolStats, ThreadPolicy};
use super::portion::{LONGEST, Mark, Marks, Portion, Ticket};
use crate::hash::CellMap;
use crate::sync::{AtomicUsize, Ordering};

/// In the order in which it goes from processor to processor: what each submission and each portion's worker writes comes
/// first, in as few cache lines as it needs; then what workers write, what nobody does, and what callers do.
#[repr(C)]
pub(crate) struct PoolState<B> {
    /// Threads that belong to the pool.
    pub(super) workers: usize,
    /// Of those, the ones that have a portion.
    pub(super) busy: usize,
    /// Of those, the ones that wait for work.
    pub(super) idle: usize,
    /// Idle ones that were told of work and have not come for it yet.
    pub(super) called: usize,
    /// Whether one of those who have nothing to do waits to be handed something.
    pub(super) watched: bool,
    /// Jobs in ready portions and in lanes' queues.
    pub(super) waiting: usize,
    /// Jobs with tickets below this one are hurried.
    pub(super) hurried: Ticket,
    /// Portions that no worker has come for, first come first served.
    pub(super) ready: VecDeque<Portion<B>>,
    /// Portions that somebody works through, oldest first, and how far each was when a worker last looked for work.
    pub(super) open: Vec<(Portion<B>, usize)>,
    /// What was taken last, until it is put back.
    pub(super) last: Option<Arc<Marks>>,
    /// What threads have, once for each.
    pub(super) taken: Vec<Arc<Marks>>,
    pub(super) closed: bool,
    /// Portions of which all has been begun; to be dropped outside the lock.
    pub(super) spent: Vec<Portion<B>>,
    /// Threads in work that nobody waits for.
    pub(super) abandoned: usize,
    /// Of those, the ones that do not belong to the pool any more.
    pub(super) replaced: usize,
    /// Lanes that have a queue; whoever ends a job reads it without the lock.
    pub(super) queues: Arc<AtomicUsize>,
    pub(super) sizes: Sizes,
    pub(super) lanes: CellMap<Lane<B>>,
    /// Lanes are looked through for empty ones when there are so many.
    pub(super) sweep_at: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) workers: usize,
    queue: usize,
    per_cell: usize,
    per_cell_queue: usize,
    max_abandoned: usize,
    /// Workers that are on the way at the same time.
    pub(super) at_once: usize,
}

/// Lanes that are kept while they are empty, so that a cell's next job finds its memory ready.
const KEPT_LANES: usize = 2048;

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Closed,
    Queue,
    /// Everything the cell may hold is held by stuck work.
    Quarantined,
}

/// What giving up a job came to.
pub(crate) enum GivenUp<B> {
    /// It had ended, or was given up before.
    Nothing,
    /// It had not begun, and never will. What the pool held of it is to be dropped outside the lock.
    NeverBegan(Option<B>),
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

/// What a closed pool had left; to be dropped outside the lock.
pub(crate) struct LeftOver<B> {
    /// Jobs that will never run.
    pub(crate) jobs: Vec<(B, usize)>,
    _portions: Vec<Portion<B>>,
}

impl<B: Clone> PoolState<B> {
    pub(crate) fn new(policy: &ThreadPolicy, queues: Arc<AtomicUsize>) -> Self {
        Self {
            sizes: Sizes {
                workers: policy.workers.max(1),
                queue: policy.queue.max(1),
                per_cell: policy.per_cell.max(1),
                per_cell_queue: policy.per_cell_queue,
                max_abandoned: policy.max_abandoned,
                at_once: super::wake::AT_ONCE,
            },
            lanes: CellMap::default(),
            sweep_at: KEPT_LANES,
            ready: VecDeque::new(),
            open: Vec::new(),
            spent: Vec::new(),
            waiting: 0,
            queues,
            workers: 0,
            busy: 0,
            idle: 0,
            called: 0,
            watched: false,
            last: None,
            taken: Vec::new(),
            abandoned: 0,
            replaced: 0,
            hurried: 0,
            closed: false,
        }
    }

    pub(crate) fn stats(&self) -> PoolStats {
        PoolStats {
            workers: self.workers,
            idle: self.idle,
            waiting: self.waiting + self.left_open(),
            running: self.busy - (self.abandoned - self.replaced),
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

    /// Takes a portion, and says which of its jobs it does not take.
    pub(crate) fn submit(&mut self, portion: &Portion<B>, mut refuse: impl FnMut(usize, Full)) {
        let Portion { batch, marks } = portion;
        let (mut ready, per_cell) = (0, self.sizes.per_cell);
        for (at, (cell, number)) in marks.jobs().iter().enumerate() {
            match self.room(*cell) {
                Ok(lane) if lane.waiting.is_empty() && lane.held.len() < per_cell => {
                    lane.held.push((Arc::clone(marks), at));
                    self.waiting += 1;
                    ready += 1;
                    continue;
                }
                Ok(_) => self.queue(*cell, marks.ticket(at), batch.clone(), *number),
                Err(full) => refuse(at, full),
            }
            // Not in this portion.
            marks.end(at);
        }
        if ready > 0 {
            self.ready.push_back(portion.clone());
        }
    }

    /// The cell's lane, if it takes one more job.
    fn room(&mut self, cell: CellId) -> Result<&mut Lane<B>, Full> {
        if self.closed {
            return Err(Full::Closed);
        }
        let limit = self.sizes.queue + self.sizes.workers.saturating_sub(self.busy);
        if self.waiting + self.open.len() * LONGEST >= limit
            && self.waiting + self.left_open() >= limit
        {
            return Err(Full::Queue);
        }
        if self.lanes.len() >= self.sweep_at && !self.lanes.contains_key(&cell) {
            self.sweep();
        }
        let lane = self.lanes.entry(cell).or_insert_with(Lane::new);
        if lane.held.len() < self.sizes.per_cell {
            return Ok(lane);
        }
        // Only now is it worth while to look at marks that others write to.
        lane.count();
        if lane.stuck() >= self.sizes.per_cell {
            return Err(Full::Quarantined);
        }
        if lane.held.len() + lane.waiting.len() >= self.sizes.per_cell + self.sizes.per_cell_queue {
            return Err(Full::Queue);
        }
        Ok(lane)
    }

    /// Lets a job wait in its cell's lane.
    fn queue(&mut self, cell: CellId, ticket: Ticket, batch: B, at: usize) {
        let Some(lane) = self.lanes.get_mut(&cell) else {
            return;
        };
        if lane.waiting.is_empty() {
            // From here on, whoever ends a job comes. Who ended one before is seen below.
            self.queues.fetch_add(1, Ordering::SeqCst);
        }
        lane.waiting.push_back((ticket, batch, at));
        self.waiting += 1;
        self.let_in(cell);
    }

    /// Counts the cell's jobs anew, and makes ready what waits and has room now.
    fn let_in(&mut self, cell: CellId) {
        let Some(lane) = self.lanes.get_mut(&cell) else {
            return;
        };
        lane.count();
        let queued = !lane.waiting.is_empty();
        while lane.held.len() < self.sizes.per_cell
            && let Some((ticket, batch, at)) = lane.waiting.pop_front()
        {
            let marks = Arc::new(Marks::new(ticket, smallvec![(cell, at)]));
            lane.held.push((Arc::clone(&marks), 0));
            self.ready.push_back(Portion { batch, marks });
        }
        if queued && lane.waiting.is_empty() {
            self.queues.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn sweep(&mut self) {
        self.lanes.retain(|_, lane| {
            lane.count();
            !lane.held.is_empty() || !lane.waiting.is_empty()
        });
        self.sweep_at = KEPT_LANES.max(2 * self.lanes.len());
    }

    /// Jobs in open portions that nobody has begun.
    fn left_open(&self) -> usize {
        let left = |(portion, _): &(Portion<B>, usize)| portion.marks.unstarted();
        self.open.iter().map(left).sum()
    }

    /// Counts the first worker in.
    pub(crate) fn start_first(&mut self) {
        self.workers += 1;
    }

    /// A worker that was counted could not be started.
    pub(crate) fn did_not_start(&mut self) {
        self.workers -= 1;
    }

    /// A worker has come to the end of a portion, and has dropped what was its: it comes for more.
    pub(crate) fn put_back(&mut self) {
        self.busy -= 1;
    }

    /// A worker has come to the end of a portion: lets go of it, if nothing is left in it, and of others like it. They are to
    /// be dropped outside the lock, before the worker is one that comes for more: nobody knows how long that takes.
    pub(crate) fn forget(&mut self, portion: &Arc<Marks>) -> Vec<Portion<B>> {
        let same = |last: &mut Arc<Marks>| Arc::ptr_eq(last, portion);
        drop(self.last.take_if(same));
        let mine = |taken: &Arc<Marks>| Arc::ptr_eq(taken, portion);
        if let Some(at) = self.taken.iter().rposition(mine) {
            self.taken.swap_remove(at);
        }
        if portion.unstarted() == 0 {
            let over = self.take_out(portion);
            self.spent.extend(over);
        }
        std::mem::take(&mut self.spent)
    }

    fn take_out(&mut self, portion: &Arc<Marks>) -> Option<Portion<B>> {
        let at = self.open.iter().position(|(open, _)| open.is(portion))?;
        Some(self.open.remove(at).0)
    }

    /// Work has returned that was marked so.
    pub(crate) fn returned(&mut self, cell: CellId, was: Mark) -> After {
        self.let_in(cell);
        match was {
            Mark::Stuck => {
                self.abandoned -= 1;
                After::Stay
            }
            Mark::Replaced => {
                self.abandoned -= 1;
                self.replaced -= 1;
                After::Leave
            }
            Mark::Ready | Mark::Running | Mark::Gone => After::Stay,
        }
    }

    /// A worker whose place was taken goes on with its portion, where the pool would start a worker now. Else it leaves,
    /// and the pool's hold on the portion is to be dropped outside the lock if nothing is left in it.
    pub(crate) fn stay_or_leave(&mut self, portion: &Arc<Marks>) -> Result<(), Vec<Portion<B>>> {
        match self.grow() {
            true => {
                self.busy += 1;
                Ok(())
            }
            false => Err(self.forget(portion)),
        }
    }

    /// Nobody waits for this job any more.
    pub(crate) fn abandon(&mut self, cell: CellId, ticket: Ticket) -> GivenUp<B> {
        let Some(lane) = self.lanes.get_mut(&cell) else {
            return GivenUp::Nothing;
        };
        if let Some(at) = lane.waiting.iter().position(|(waits, ..)| *waits == ticket) {
            let dropped = lane.waiting.remove(at).map(|(_, batch, _)| batch);
            self.waiting -= 1;
            if lane.waiting.is_empty() {
                self.queues.fetch_sub(1, Ordering::SeqCst);
            }
            return GivenUp::NeverBegan(dropped);
        }
        let Some((marks, at)) = lane.find(ticket) else {
            return GivenUp::Nothing;
        };
        if marks.step(at, Mark::Ready, Mark::Gone) {
            let ready = self.ready.iter().position(|ready| ready.is(&marks));
            self.waiting -= usize::from(ready.is_some());
            // Where nothing is left, there is nothing to come for any more.
            let over = match (marks.unstarted(), ready) {
                (0, Some(at)) => self.ready.remove(at),
                (0, None) => self.take_out(&marks),
                _ => None,
            };
            let over = over.map(|portion| portion.batch);
            self.let_in(cell);
            return GivenUp::NeverBegan(over);
        }
        if self.replaced >= self.sizes.max_abandoned || self.closed {
            if !marks.step(at, Mark::Running, Mark::Stuck) {
                return GivenUp::Nothing;
            }
            self.abandoned += 1;
            return GivenUp::NotReplaced;
        }
        if !marks.step(at, Mark::Running, Mark::Replaced) {
            return GivenUp::Nothing;
        }
        self.abandoned += 1;
        self.replaced += 1;
        self.busy -= 1;
        GivenUp::Replace
    }

    /// The replacement of this job's worker could not be started. True where the worker has left meanwhile, and the pool
    /// is one short; else the worker stays in the pool after all.
    pub(crate) fn not_replaced(&mut self, cell: CellId, ticket: Ticket) -> bool {
        let held = self.lanes.get(&cell).and_then(|lane| lane.find(ticket));
        let stays = held.is_some_and(|(marks, at)| marks.step(at, Mark::Replaced, Mark::Stuck));
        match stays {
            true => {
                self.replaced -= 1;
                self.busy += 1;
            }
            false => self.workers -= 1,
        }
        !stays
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
    pub(crate) fn close(&mut self) -> LeftOver<B> {
        self.closed = true;
        self.waiting = 0;
        let mut jobs = Vec::new();
        let open = self.open.drain(..).map(|(portion, _)| portion);
        let portions: Vec<_> = self.ready.drain(..).chain(open).collect();
        for portion in &portions {
            for (at, (_, number)) in portion.marks.jobs().iter().enumerate() {
                if portion.marks.step(at, Mark::Ready, Mark::Gone) {
                    jobs.push((portion.batch.clone(), *number));
                }
            }
        }
        self.lanes.retain(|_, lane| {
            if !lane.waiting.is_empty() {
                self.queues.fetch_sub(1, Ordering::SeqCst);
            }
            jobs.extend(lane.waiting.drain(..).map(|(_, batch, at)| (batch, at)));
            lane.count();
            !lane.held.is_empty()
        });
        LeftOver {
            jobs,
            _portions: portions,
        }
    }
}

//! One piece of blocking work in many cells at once: the driver for threads. It blocks its caller until the report is
//! there, at the end of the budget at the latest.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use cells::{CellConnector, CellError};
use context::Deadline;
use smallvec::SmallVec;

use crate::executor::job::Batch;
use crate::executor::{BlockingExecutor, Pace, Works};
use crate::line::{Line, refused, tell_late};
use crate::party::Party;
use crate::report::ScatterReport;
use crate::scatter::Scatter;
use crate::sync::PATIENCE;
use crate::task::CellTask;

/// Wakes the thread that waits for the report.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<C: CellConnector> Scatter<'_, C> {
    /// Runs blocking work in every cell and gives the report when all have an outcome or the budget ends.
    ///
    /// Works that outlive the budget cannot be stopped; they see [`CellTask::is_cancelled`] and are abandoned. Async
    /// handles are reached from here with a runtime's `block_on`, always the one that made them; or write the work as
    /// async and run it on a `BridgedExecutor`.
    pub fn run_blocking<E, W, T, X>(self, executor: &E, work: W) -> ScatterReport<T>
    where
        E: BlockingExecutor,
        W: Fn(CellTask<C>) -> Result<T, X> + Send + Sync + 'static,
        T: Send + 'static,
        X: Into<CellError>,
    {
        let onlookers = self.onlookers();
        let span = onlookers.span().clone();
        let _inside = span.enter();
        let (ledger, shared, line) = self.prepare(executor.clock(), work, false);
        let mut crew = Crew {
            executor,
            deadline: shared.deadline,
            expiry: shared.share.map(|share| ledger.started() + share),
            submitted: SmallVec::new(),
            party: Party::new(ledger, shared, span.clone()),
            line: line.permits_on_arrival(),
        };
        crew.wait();
        let report = crew.home();
        onlookers.see(&report);
        report
    }
}

/// Jobs that are submitted together.
const PORTION: usize = 32;

/// A blocking scatter under way.
struct Crew<'e, E: BlockingExecutor, C: CellConnector, W, T> {
    executor: &'e E,
    party: Arc<Party<C, W, T>>,
    line: Line,
    submitted: SmallVec<[E::Submitted; 1]>,
    deadline: Deadline,
    /// When to look for cells that took longer than their share.
    expiry: Option<Instant>,
}

impl<E, C, W, T, X> Crew<'_, E, C, W, T>
where
    E: BlockingExecutor,
    C: CellConnector,
    W: Fn(CellTask<C>) -> Result<T, X> + Send + Sync + 'static,
    T: Send + 'static,
    X: Into<CellError>,
{
    fn wait(&mut self) {
        let (mut now, mut waker) = (self.party.ledger.started(), None);
        while !self.deadline.is_past_at(now) && !self.settles_soon(now) {
            let unpark = || Waker::from(Arc::new(Unpark(std::thread::current())));
            let waker = waker.get_or_insert_with(unpark);
            self.party.ledger.register(waker);
            now = self.party.ledger.now();
            // What came before the waker was there.
            self.start_more(waker, now);
            self.expire(now);
            if self.party.ledger.is_settled() {
                return;
            }
            self.executor.hurry();
            let next = self
                .expiry
                .map_or(self.deadline, |at| self.deadline.earliest(Deadline::at(at)));
            std::thread::park_timeout(next.remaining_at(now));
            now = self.party.ledger.now();
        }
    }

    /// Starts what may begin, and looks for a moment before it sleeps, as the pool's workers do: most works on warm cells end
    /// within what a wake-up would cost, and then nobody has to wake the caller. And for one more, as long as what is left
    /// would end in two more.
    fn settles_soon(&mut self, now: Instant) -> bool {
        self.start_more(Waker::noop(), now);
        let mut before = self.party.ledger.left();
        loop {
            let ledger = &self.party.ledger;
            let moved = (0..PATIENCE).any(|_| {
                std::hint::spin_loop();
                ledger.is_settled() || self.line.may_go_on(ledger)
            });
            let left = ledger.left();
            if ledger.is_settled() || (!moved && left > 2 * before.saturating_sub(left)) {
                return ledger.is_settled();
            }
            before = left;
            if moved && !self.start_more(Waker::noop(), self.party.ledger.now()) {
                return false;
            }
        }
    }

    /// Submits what may begin, a portion at a time: the pool is at work while the rest is being admitted. False where the
    /// budget has ended, and nothing begins any more.
    fn start_more(&mut self, waker: &Waker, now: Instant) -> bool {
        if self.deadline.is_past_at(now) {
            return false;
        }
        self.line.new_round(Some(now));
        self.line.ask_again(self.party.turned_away());
        while self.submit_some(waker) {}
        true
    }

    /// Submits one portion. False where it was not a whole one: there is no more.
    fn submit_some(&mut self, waker: &Waker) -> bool {
        let mut works = SmallVec::with_capacity(PORTION.min(self.party.ledger.len()));
        while works.len() < PORTION
            && let Some((at, cell, permit)) = self.line.next(&*self.party, waker)
        {
            if let Some(permit) = permit {
                self.party.keep(at, permit);
            }
            works.push((cell, at));
        }
        let whole = works.len() == PORTION;
        if !works.is_empty() {
            let batch = Arc::clone(&self.party) as Arc<dyn Batch>;
            let accepted = self
                .executor
                .submit(Works::new(batch, works), Pace::Patient);
            self.submitted.push(accepted.works);
            for (at, refusal) in accepted.refused {
                self.party.ledger.refuse(at, refused(refusal));
            }
        }
        whole
    }

    fn expire(&mut self, now: Instant) {
        let (Some(share), Some(at)) = (self.party.share(), self.expiry) else {
            return;
        };
        if at <= now {
            let (expired, next) = self.party.ledger.expire(share);
            self.expiry = Some(next);
            tell_late(&*self.party, &expired);
            self.give_up(&expired);
        }
    }

    fn home(self) -> ScatterReport<T> {
        if self.party.ledger.is_settled() {
            return self.party.ledger.close();
        }
        let late = |at: &usize| !self.party.ledger.has_outcome(*at);
        let late: Vec<usize> = (0..self.party.ledger.len()).filter(late).collect();
        tell_late(&*self.party, &late);
        let report = self.party.ledger.close();
        self.give_up(&late);
        report
    }

    /// Abandons the works of these slots, given in rising order.
    fn give_up(&self, slots: &[usize]) {
        for works in &self.submitted {
            self.executor.abandon(works, slots);
        }
    }
}

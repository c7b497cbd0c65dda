//! One piece of blocking work in many cells at once: the driver for threads. It blocks its caller until the report is
//! there, at the end of the budget at the latest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use cells::{CellConnector, CellError, CellId};
use context::Deadline;

use crate::executor::{AbandonJob, BlockingExecutor, Job};
use crate::flight::{Shared, panicked, untargeted};
use crate::ledger::Ledger;
use crate::line::{Line, refused};
use crate::outcome::Outcome;
use crate::report::ScatterReport;
use crate::scatter::{Scatter, noted, span};
use crate::seat::Seat;
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
        let _inside = span(self.choices.len()).entered();
        let stats = self.stats.clone();
        let (ledger, shared, line) = self.prepare(executor.clock(), work, false);
        let deadline = shared.deadline;
        let mut crew = Crew {
            executor,
            expiry: shared.share.map(|share| ledger.started() + share),
            handles: Vec::with_capacity(ledger.len()),
            ledger: Arc::new(ledger),
            shared: Arc::new(shared),
            line,
        };
        crew.wait(deadline);
        noted(crew.home(), stats.as_ref())
    }
}

/// A blocking scatter under way.
struct Crew<'e, E: BlockingExecutor, C: CellConnector, W, T> {
    executor: &'e E,
    ledger: Arc<Ledger<T>>,
    shared: Arc<Shared<C, W>>,
    line: Line,
    handles: Vec<(usize, E::Handle)>,
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
    fn wait(&mut self, deadline: Deadline) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            self.ledger.register(&waker);
            let now = self.ledger.now();
            if self.ledger.is_settled() || deadline.is_past_at(now) {
                return;
            }
            self.start_more(&waker);
            self.expire(now);
            if self.ledger.is_settled() || self.settles_soon() {
                continue;
            }
            let next = self
                .expiry
                .map_or(deadline, |at| deadline.earliest(Deadline::at(at)));
            std::thread::park_timeout(next.remaining_at(self.ledger.now()));
        }
    }

    /// Looks for a moment before it sleeps, as the pool's workers do: most works on warm cells end within what a wake-up
    /// would cost.
    fn settles_soon(&self) -> bool {
        (0..PATIENCE).any(|_| {
            std::hint::spin_loop();
            self.ledger.is_settled()
        })
    }

    fn start_more(&mut self, waker: &Waker) {
        let mut jobs: Vec<(CellId, Job)> = Vec::new();
        let mut slots = Vec::new();
        while let Some((at, cell, permit)) = self.line.next(&self.ledger, waker) {
            let (seat, shared) = (
                Seat::new(&self.ledger, at, permit),
                Arc::clone(&self.shared),
            );
            jobs.push((cell, Box::new(move || ask(&shared, seat, cell))));
            slots.push(at);
        }
        if jobs.is_empty() {
            return;
        }
        for (at, submitted) in slots.into_iter().zip(self.executor.submit_all(jobs)) {
            match submitted {
                Ok(handle) => self.handles.push((at, handle)),
                Err(refusal) => self.ledger.refuse(at, refused(refusal)),
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let (Some(share), Some(at)) = (self.shared.share, self.expiry) else {
            return;
        };
        if at <= now {
            let (expired, next) = self.ledger.expire(share);
            self.expiry = Some(next);
            self.line.tell_late(&self.ledger, &expired);
            self.give_up(&expired);
        }
    }

    fn home(self) -> ScatterReport<T> {
        if self.ledger.is_settled() {
            return self.ledger.close();
        }
        let late = |at: &usize| !self.ledger.has_outcome(*at);
        let late: Vec<usize> = (0..self.ledger.len()).filter(late).collect();
        self.line.tell_late(&self.ledger, &late);
        let report = self.ledger.close();
        self.give_up(&late);
        report
    }

    /// Abandons the works of these slots, given in rising order.
    fn give_up(&self, slots: &[usize]) {
        for (at, handle) in &self.handles {
            if slots.binary_search(at).is_ok() {
                handle.abandon();
            }
        }
    }
}

fn ask<C, W, T, X>(shared: &Shared<C, W>, mut seat: Seat<T>, cell: CellId)
where
    C: CellConnector,
    W: Fn(CellTask<C>) -> Result<T, X>,
    T: Send + 'static,
    X: Into<CellError>,
{
    if !seat.begin() {
        return;
    }
    let targeted = match shared.cells.target(&shared.request, cell) {
        Ok(targeted) => targeted,
        Err(error) => {
            let outcome = untargeted(seat.label(), error);
            return seat.fill(outcome);
        }
    };
    if !seat.targeted() {
        return;
    }
    let deadline = shared.deadline_from(|| seat.now());
    let (mut targeted, spare) = seat.with_spare(targeted, shared.effect);
    let outcome = loop {
        let task = CellTask::new(targeted, deadline, seat.watch(), seat.at());
        let error = match catch_unwind(AssertUnwindSafe(|| (shared.work)(task))) {
            Ok(Ok(value)) => break Outcome::Answered(value),
            Ok(Err(error)) => error.into(),
            Err(panic) => break panicked(seat.label(), &*panic),
        };
        match seat.next_try(&error, shared.effect, spare.as_ref()) {
            Some(again) => targeted = again,
            None => break seat.failed(deadline, &error),
        }
    };
    seat.fill(outcome);
}

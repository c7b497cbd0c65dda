//! The works of one blocking scatter as one batch: what they share is here once, and each finds its own by its number. It
//! runs on whichever thread calls it and waits for nothing but the work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use cells::{CellConnector, CellError, KeepsRequest};
use context::RequestContext;
use tracing::Span;

use crate::executor::job::{Batch, Desk};
use crate::flight::{Shared, panicked};
use crate::isolation::{Admit, Permit};
use crate::ledger::{Books, Ledger, Watch};
use crate::onlookers::{attempt_span, cell_span};
use crate::outcome::Outcome;
use crate::seat::Seat;
use crate::sync::lock;
use crate::task::CellTask;

/// What the works of one blocking scatter share. The books come first: what works write to most stands beside the counts
/// of those who hold it.
#[repr(C)]
pub(crate) struct Party<C: CellConnector, W, T> {
    pub(crate) ledger: Ledger<T>,
    shared: Shared<C, W>,
    /// Itself, for the tasks that it hands out.
    me: Weak<Self>,
    /// The call's.
    span: Span,
    /// Permits that were waited for, put down before their works are submitted. Most calls have none.
    kept: OnceLock<Box<[Mutex<Option<Permit>>]>>,
    /// Works that found no permit where they were to begin, for the caller to wait for; and whether there are any, which
    /// changes under the same lock.
    turned_away: Mutex<Vec<usize>>,
    any_turned_away: AtomicBool,
}

impl<C: CellConnector, W: Send + Sync, T: Send> Books for Party<C, W, T> {
    type Answer = T;
    fn books(&self) -> &Ledger<T> {
        &self.ledger
    }
    fn admit(&self) -> Option<&Admit> {
        self.shared.admit.as_ref()
    }
}

impl<C: CellConnector, W: Send + Sync, T: Send> KeepsRequest for Party<C, W, T> {
    fn request(&self) -> &RequestContext {
        &self.shared.request
    }
}

impl<C: CellConnector, W: Send + Sync + 'static, T: Send + 'static> Party<C, W, T> {
    pub(crate) fn new(ledger: Ledger<T>, shared: Shared<C, W>, span: Span) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            ledger,
            shared,
            me: Weak::clone(me),
            span,
            kept: OnceLock::new(),
            turned_away: Mutex::default(),
            any_turned_away: AtomicBool::new(false),
        })
    }

    /// The longest that one cell may take.
    pub(crate) fn share(&self) -> Option<Duration> {
        self.shared.share
    }

    /// Keeps the permit of a work that is about to be submitted.
    pub(crate) fn keep(&self, at: usize, permit: Permit) {
        let places = || (0..self.ledger.len()).map(|_| Mutex::default()).collect();
        if let Some(place) = self.kept.get_or_init(places).get(at) {
            *lock(place) = Some(permit);
        }
    }

    fn kept(&self, at: usize) -> Option<Permit> {
        lock(self.kept.get()?.get(at)?).take()
    }

    /// Works that found no permit, since this was asked before.
    pub(crate) fn turned_away(&self) -> Vec<usize> {
        if !self.any_turned_away.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut turned_away = lock(&self.turned_away);
        self.any_turned_away.store(false, Ordering::Relaxed);
        std::mem::take(&mut turned_away)
    }

    /// The work's place, with what it needs to begin; none where the caller is to wait for that.
    fn seat(&self, at: usize, now: Instant) -> Option<Seat<&Self>> {
        let permit = match (self.kept(at), self.admit()) {
            (None, Some(admit)) => match admit.take(self.ledger.place(at), now) {
                None => {
                    let mut turned_away = lock(&self.turned_away);
                    turned_away.push(at);
                    self.any_turned_away.store(true, Ordering::Release);
                    drop(turned_away);
                    self.wake();
                    return None;
                }
                taken => taken,
            },
            (kept, _) => kept,
        };
        Some(Seat::new(self, at, permit))
    }

    /// What a work holds of its call: from its second work here on, a worker's own hold, whose count nobody else touches.
    fn hold(&self, desk: &mut Desk) -> Option<(Arc<dyn KeepsRequest>, Arc<dyn Watch>)> {
        if !std::mem::replace(&mut desk.used, true) {
            let call = self.me.upgrade()?;
            return Some((Arc::clone(&call) as _, call));
        }
        if desk.own.is_none() {
            desk.own = Some(Box::new(Arc::new(self.me.upgrade()?)));
        }
        let own: &Arc<Arc<Self>> = desk.own.as_ref()?.downcast_ref()?;
        Some((Arc::clone(own) as _, Arc::clone(own) as _))
    }
}

impl<C, W, T, X> Batch for Party<C, W, T>
where
    C: CellConnector,
    W: Fn(CellTask<C>) -> Result<T, X> + Send + Sync + 'static,
    T: Send + 'static,
    X: Into<CellError>,
{
    fn run(&self, at: usize, desk: &mut Desk) {
        let now = desk.last.take().unwrap_or_else(|| self.ledger.now());
        desk.last = match self.seat(at, now) {
            Some(seat) => self.ask(seat, desk, now),
            None => Some(now),
        };
    }

    fn discard(&self, at: usize) {
        drop(Seat::new(self, at, self.kept(at)));
    }
}

impl<C, W, T, X> Party<C, W, T>
where
    C: CellConnector,
    W: Fn(CellTask<C>) -> Result<T, X> + Send + Sync + 'static,
    T: Send + 'static,
    X: Into<CellError>,
{
    /// Asks one cell. Gives the time of its end, where it came to one.
    fn ask(&self, mut seat: Seat<&Self>, desk: &mut Desk, now: Instant) -> Option<Instant> {
        let shared = &self.shared;
        if !seat.begin(now) {
            return None;
        }
        // Most of the time nobody looks on.
        let seen = !self.span.is_disabled();
        let _in_cell = seen.then(|| cell_span(&self.span, seat.label()).entered());
        let outcome = loop {
            let (keeper, watch) = self.hold(desk)?;
            let targeted = shared.cells.target_for(keeper, seat.cell()?);
            let targeted = match seat.targeted(targeted)? {
                Ok(targeted) => targeted,
                Err(outcome) => break outcome,
            };
            let deadline = seat.deadline(shared.deadline, shared.share);
            let task = CellTask::new(targeted, deadline, watch, seat.at());
            let in_attempt = seen.then(|| attempt_span(seat.attempt()).entered());
            let called = catch_unwind(AssertUnwindSafe(|| (shared.work)(task)));
            drop(in_attempt);
            let error = match called {
                Ok(Ok(value)) => break Outcome::Answered(value),
                Ok(Err(error)) => error.into(),
                Err(panic) => break panicked(seat.label(), &*panic),
            };
            if !seat.tries_again(&error) {
                break seat.failed(deadline, &error);
            }
        };
        Some(seat.fill(outcome))
    }
}

//! The works of one blocking scatter as one batch: what they share is here once, and each finds its own by its number. It
//! runs on whichever thread calls it and waits for nothing but the work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use cells::{CellConnector, CellError};
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
    /// Works that found no permit where they were to begin, for the caller to wait for.
    turned_away: Mutex<Vec<usize>>,
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

/// One worker's copies of what its works hand out, once it comes to a second work of the same batch. Their counts are
/// touched by this worker alone.
struct Own {
    request: RequestContext,
    watch: Arc<dyn Watch>,
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
        std::mem::take(&mut *lock(&self.turned_away))
    }

    /// The work's place, with what it needs to begin; none where the caller is to wait for that.
    fn seat(&self, at: usize, now: Instant) -> Option<Seat<&Self>> {
        let permit = match (self.kept(at), self.admit()) {
            (None, Some(admit)) => match admit.take(self.ledger.place(at), now) {
                None => {
                    lock(&self.turned_away).push(at);
                    self.wake();
                    return None;
                }
                taken => taken,
            },
            (kept, _) => kept,
        };
        Some(Seat::new(self, at, permit))
    }

    /// What a task looks at.
    fn watch(&self, own: Option<&Own>) -> Option<Arc<dyn Watch>> {
        Some(match own {
            Some(own) => Arc::clone(&own.watch),
            None => self.me.upgrade()?,
        })
    }

    /// The worker's own copies; none before its second work here.
    fn own<'d>(&self, desk: &'d mut Desk) -> Option<&'d Own> {
        if !std::mem::replace(&mut desk.used, true) {
            return None;
        }
        if desk.own.is_none() {
            desk.own = Some(Box::new(Own {
                request: self.shared.request.unshared(),
                watch: Arc::new(self.me.upgrade()?),
            }));
        }
        desk.own.as_ref()?.downcast_ref()
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
            Some(seat) => self.ask(seat, self.own(desk), now),
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
    fn ask(&self, mut seat: Seat<&Self>, own: Option<&Own>, now: Instant) -> Option<Instant> {
        let shared = &self.shared;
        let request = own.map_or(&shared.request, |own| &own.request);
        if !seat.begin(now) {
            return None;
        }
        // Most of the time nobody looks on.
        let seen = !self.span.is_disabled();
        let _in_cell = seen.then(|| cell_span(&self.span, seat.label()).entered());
        let outcome = loop {
            let targeted = match seat.target(&shared.cells, request)? {
                Ok(targeted) => targeted,
                Err(outcome) => break outcome,
            };
            let deadline = seat.deadline(shared.deadline, shared.share);
            let task = CellTask::new(targeted, deadline, self.watch(own)?, seat.at());
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

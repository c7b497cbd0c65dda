//! One connection while a statement has it, and what becomes of it afterwards.
//!
//! A connection goes back to its pool only after a statement that ended by itself and left no trace. Otherwise (the
//! budget ended, the future was dropped, the driver lost track) it leaves the pool at once, so that the slot is free, and
//! the driver ends what it runs. Nobody else ever gets it, so ending it can hit no one else's statement.
//!
//! The slot is free at once, and the next statement in it logs in anew, unless the pool has another connection. What is lost
//! is a login, of a statement whose future was dropped: one whose budget ended was told to end by the server itself, a
//! little earlier, and its connection stays. Using the other kind again, too, would need the statement ended and not its
//! connection, and such an order has no address: one that comes late, over the side connection, ends whatever runs there by
//! then. Nor is a spare connection kept warm for it: that would be one more on every server for the sake of callers who left.

use std::panic::Location;
use std::pin::pin;

use context::Deadline;
use deadpool::managed::Object;

use super::driver::Driver;
use super::failure::Failure;
use super::lately::Moment;
use super::limit::within;
use super::pool::{Kept, Maker};

/// How a piece of work on a connection ended.
pub(super) enum Ran<T> {
    /// By itself, well or not.
    Ended(Result<T, sqlx::Error>),
    /// Its budget ended first.
    OutOfTime,
    /// The cell was closed under it.
    Closed,
}

impl<T> Ran<T> {
    /// The result, if there is nothing to tell instead.
    pub(super) fn told(self, instead: Option<Failure>) -> Result<T, sqlx::Error> {
        match (instead, self) {
            (None, Self::Ended(result)) => result,
            (Some(failure), _) => Err(failure.into()),
            (None, Self::OutOfTime) => Err(Failure::Budget.into()),
            (None, Self::Closed) => Err(Failure::Closed.into()),
        }
    }
}

pub(super) struct Held<D: Driver> {
    kept: Option<Object<Maker<D>>>,
}

impl<D: Driver> Held<D> {
    #[inline]
    pub(super) fn new(
        mut kept: Object<Maker<D>>,
        asked_at: &'static Location<'static>,
        since: Moment,
    ) -> Self {
        kept.taken_at = since;
        kept.line.enter(asked_at, since);
        Self { kept: Some(kept) }
    }

    /// The connection, to run something on. Whoever drops that future drops this too, and so ends the statement.
    #[inline]
    pub(super) fn link(&mut self) -> Result<&mut D::Link, sqlx::Error> {
        match &mut self.kept {
            Some(kept) => Ok(&mut kept.link),
            None => Err(Failure::Internal.into()),
        }
    }

    /// Holds it no longer. Dropped, it goes back to its pool.
    fn release(&mut self) -> Option<Object<Maker<D>>> {
        let kept = self.kept.take()?;
        kept.line.leave();
        Some(kept)
    }

    /// Ends what runs on it, and the connection.
    fn abandon(&mut self) {
        if let Some(kept) = self.release() {
            let Kept { link, common, .. } = *Object::take(kept);
            common.driver.abandon(link);
        }
    }

    /// Decides on the connection by how the statement ended, and says what to tell of it instead of its own result. Nothing
    /// is held any more then. All by reference: moved into a future, they would cost as much as a lock.
    pub(super) async fn settle<T>(
        &mut self,
        ran: &Ran<T>,
        leaves_no_trace: bool,
        deadline: Deadline,
    ) -> Option<Failure> {
        let instead = match (ran, &self.kept) {
            (Ran::Ended(Ok(_)), _) => None,
            (Ran::Ended(Err(error)), Some(kept)) => {
                let by_budget = kept.common.driver.ended_by_budget(error);
                by_budget.then_some(Failure::Budget)
            }
            (Ran::OutOfTime, Some(kept)) => Some(kept.common.driver.spent_on(&kept.link)),
            (Ran::Closed, _) => Some(Failure::Closed),
            (Ran::Ended(Err(_)) | Ran::OutOfTime, None) => Some(Failure::Internal),
        };
        let rests = match ran {
            Ran::Ended(ended) => ended.as_ref().err().is_none_or(came_from_statement),
            Ran::OutOfTime | Ran::Closed => false,
        };
        if rests {
            self.part(leaves_no_trace, deadline).await;
        } else {
            self.abandon();
        }
        instead
    }

    /// Parts from a connection on which nothing runs any more.
    async fn part(&mut self, leaves_no_trace: bool, deadline: Deadline) {
        let Some(kept) = &mut self.kept else { return };
        if !leaves_no_trace || kept.common.shared.is_short() {
            // Nothing to end: closing it undoes whatever was left open, and makes room for another cell's.
            drop(self.release().map(Object::take));
            return;
        }
        let Kept { link, common, .. } = &mut ***kept;
        let disarmed = {
            let disarming = pin!(common.driver.disarm(link));
            within(deadline.instant(), disarming).await
        };
        match disarmed {
            Some(Ok(())) => {
                kept.line.leave();
                // deadpool's own drop puts it back, from where it is.
                self.kept = None;
            }
            Some(Err(_)) | None => self.abandon(),
        }
    }
}

impl<D: Driver> Drop for Held<D> {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Whether the database or the decoding of its answer refused, so that the connection itself is fine.
fn came_from_statement(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Database(_)
            | sqlx::Error::RowNotFound
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
    )
}

//! Where a cell's work puts its rows.

use std::future::poll_fn;
use std::sync::Arc;

use cells::{CellError, ErrorClass};

use super::policy::MergePolicy;
use super::queue::{Batch, Queue};
use crate::ledger::Watch;
use crate::outcome::Stage;

/// Takes one cell's rows, sorted by key, in batches.
pub struct RowSink<K, R> {
    queue: Arc<Queue<K, R>>,
    ledger: Arc<dyn Watch>,
    at: usize,
    policy: MergePolicy,
    last: Option<K>,
}

impl<K: Ord + Clone, R> RowSink<K, R> {
    pub(super) fn new(
        queue: Arc<Queue<K, R>>,
        ledger: Arc<dyn Watch>,
        at: usize,
        policy: MergePolicy,
    ) -> Self {
        Self {
            queue,
            ledger,
            at,
            policy,
            last: None,
        }
    }

    /// Sends rows, each with its key; keys never fall, within a batch or from one to the next. Waits while this cell is as
    /// far ahead of the reader as it may be. Batches of about a hundred rows cost next to nothing.
    ///
    /// # Errors
    /// [`CellError`] of class `decode` where the keys fall: the cell's order is not the merge's, and going on would give a
    /// wrong answer. Every later call fails too.
    ///
    /// # Cancel safety
    /// Dropping the future either has sent the whole batch or nothing of it.
    pub async fn send(&mut self, rows: Vec<(K, R)>) -> Result<(), CellError> {
        let bytes = rows.len() * size_of::<(K, R)>();
        self.send_sized(rows, bytes).await
    }

    /// As [`send`](Self::send), for rows that own memory of their own: `bytes` is what they take in all.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send).
    pub async fn send_sized(&mut self, rows: Vec<(K, R)>, bytes: usize) -> Result<(), CellError> {
        self.check(&rows)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        let last = last.clone();
        self.room().await;
        self.last = Some(last);
        if self.queue.send(rows, bytes) {
            self.ledger.wake();
        }
        Ok(())
    }

    /// Promises that no row of a key below this one will come, so that the others' rows before it need not wait for this
    /// cell.
    pub fn nothing_before(&mut self, key: K) {
        if self.last.as_ref().is_none_or(|last| *last < key) {
            self.last = Some(key.clone());
            if self.queue.promise(key) {
                self.ledger.wake();
            }
        }
    }

    async fn room(&self) {
        let (rows, bytes) = (self.policy.look_ahead_rows, self.policy.look_ahead_bytes);
        let mut waited = false;
        poll_fn(|cx| {
            let polled = self.queue.poll_room(rows, bytes, cx);
            if polled.is_pending() && !waited {
                waited = true;
                self.ledger.enter(self.at, Stage::Reader);
            }
            polled
        })
        .await;
        if waited {
            self.ledger.enter(self.at, Stage::Running);
        }
    }

    fn check(&mut self, rows: &Batch<K, R>) -> Result<(), CellError> {
        let follows = match (&self.last, rows.first()) {
            (Some(last), Some((first, _))) => last <= first,
            _ => true,
        };
        let sorted = rows.is_sorted_by(|(one, _), (next, _)| one <= next);
        if !(follows && sorted && self.queue.is_whole()) {
            self.queue.break_off();
            return Err(out_of_order());
        }
        Ok(())
    }
}

pub(super) fn out_of_order() -> CellError {
    CellError::new(
        ErrorClass::Decode,
        "rows came in another order than the merge's",
    )
}

//! Rows as they come: a read of any length in bounded memory, under the session's budget.
//!
//! A task reads ahead, a few batches and no more: then the server waits, too. It ends with the budget even while nobody
//! asks for rows, and with the stream when that is dropped; either way the statement is ended on the server and its slot
//! is free. Rows are passed on in batches, since a switch of tasks per row would cost more than the row.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt, pin_mut};
use sea_orm::{DbErr, QueryResult};
use tokio::sync::mpsc;

use super::failure::Failure;

/// Rows in one batch at most.
const BATCH: usize = 64;

/// Batches that wait for the reader at most.
const AHEAD: usize = 2;

/// How the statement ended; nothing while it runs.
type End = Arc<Mutex<Option<Result<(), DbErr>>>>;

/// The rows of one statement of a [`DbSession`](crate::DbSession), by `StreamTrait`.
///
/// At most 256 rows are in memory at any time, on their way or waiting. The last item is the error, where there is one:
/// a stream that ends without an error gave every row.
///
/// # Cancel safety
/// Dropping it ends the statement in the database and frees the place in the pool at once.
pub struct RowStream {
    batches: mpsc::Receiver<Vec<QueryResult>>,
    batch: std::vec::IntoIter<QueryResult>,
    end: End,
    done: bool,
}

/// Where a driver puts the rows.
pub(crate) struct Batches {
    to: mpsc::Sender<Vec<QueryResult>>,
    end: End,
}

pub(super) fn channel() -> (Batches, RowStream) {
    let (to, batches) = mpsc::channel(AHEAD);
    let end = End::default();
    let stream = RowStream {
        batches,
        batch: Vec::new().into_iter(),
        end: Arc::clone(&end),
        done: false,
    };
    (Batches { to, end }, stream)
}

impl Batches {
    /// Passes rows on as they come. Gives how many there were, and the error that ended them.
    pub(crate) async fn send_all<R: Into<QueryResult>>(
        &self,
        rows: impl Stream<Item = Result<R, sqlx::Error>> + Send,
    ) -> (usize, Result<(), sqlx::Error>) {
        let rows = rows.ready_chunks(BATCH);
        pin_mut!(rows);
        let mut sent = 0;
        while let Some(chunk) = rows.next().await {
            let mut batch = Vec::with_capacity(chunk.len());
            let mut failed = None;
            for row in chunk {
                match row {
                    Ok(row) => batch.push(row.into()),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            sent += batch.len();
            if !batch.is_empty() && self.to.send(batch).await.is_err() {
                return (sent, Err(Failure::Internal.into()));
            }
            if let Some(error) = failed {
                return (sent, Err(error));
            }
        }
        (sent, Ok(()))
    }

    /// When the reader has gone.
    pub(super) async fn unwanted(&self) {
        self.to.closed().await;
    }

    /// Says how it ended, after the last row.
    pub(super) fn finish(self, end: Result<(), DbErr>) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }
}

impl Stream for RowStream {
    type Item = Result<QueryResult, DbErr>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(row) = self.batch.next() {
                return Poll::Ready(Some(Ok(row)));
            }
            if self.done {
                return Poll::Ready(None);
            }
            if let Some(batch) = ready!(self.batches.poll_recv(cx)) {
                self.batch = batch.into_iter();
                continue;
            }
            self.done = true;
            let end = self
                .end
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            // A reader that ended without a word (its runtime was shut down) must not look like the last row.
            return Poll::Ready(match end {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(Err(error)),
                None => Some(Err(Failure::Internal.into())),
            });
        }
    }
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").finish_non_exhaustive()
    }
}

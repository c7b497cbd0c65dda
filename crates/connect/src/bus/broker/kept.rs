//! The one connection that a client's requests go over: made when it is needed, and made again when it is lost.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cells::{CellError, ErrorClass};
use context::Deadline;
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use super::failure::out_of_time;

/// A connection that can tell whether it is still there.
pub(in crate::bus) trait Alive {
    fn is_alive(&self) -> bool;
}

pub(in crate::bus) struct Kept<L> {
    /// Held while connecting: many callers make one connection.
    link: Mutex<Option<Arc<L>>>,
    closed: AtomicBool,
}

impl<L> Default for Kept<L> {
    fn default() -> Self {
        Self {
            link: Mutex::new(None),
            closed: AtomicBool::new(false),
        }
    }
}

impl<L: Alive> Kept<L> {
    pub(in crate::bus) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(in crate::bus) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // Where somebody connects just now, that is noticed afterwards.
        if let Ok(mut link) = self.link.try_lock() {
            link.take();
        }
    }

    /// The connection, made with `open` if need be.
    pub(in crate::bus) async fn get(
        &self,
        deadline: Deadline,
        open: impl Future<Output = Result<L, CellError>>,
    ) -> Result<Arc<L>, CellError> {
        let Ok(mut link) = timeout_at(deadline.instant().into(), self.link.lock()).await else {
            return Err(out_of_time("no connection within the budget"));
        };
        self.must_be_open()?;
        if let Some(link) = link.as_ref().filter(|link| link.is_alive()) {
            return Ok(Arc::clone(link));
        }
        *link = None;
        let made = Arc::new(open.await?);
        self.must_be_open()?;
        *link = Some(Arc::clone(&made));
        Ok(made)
    }

    fn must_be_open(&self) -> Result<(), CellError> {
        match self.is_closed() {
            true => Err(CellError::new(ErrorClass::Unreachable, "the bus is closed")),
            false => Ok(()),
        }
    }

    /// Lets a connection go that is no longer good, unless it was replaced already.
    pub(in crate::bus) async fn forget(&self, gone: &Arc<L>) {
        let mut link = self.link.lock().await;
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(link, gone)) {
            *link = None;
        }
    }
}

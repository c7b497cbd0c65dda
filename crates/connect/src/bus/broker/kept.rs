//! The one connection that a client's requests go over: made when it is needed, and made again when it is lost.
//!
//! A connection that brings nothing any more, without an end, is not told from a slow server by those who wait for it. So
//! who waited in vain leaves a doubt behind, and the next one has the connection answer before it is used.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cells::{CellError, ErrorClass};
use context::Deadline;
use tokio::sync::Mutex;
use tokio::time::{timeout, timeout_at};

use super::failure::out_of_time;

/// Longest time that a doubted connection has to answer. Half of what its user has left, where that is less.
const ANSWER: Duration = Duration::from_secs(1);

/// A connection that can tell whether it is still there.
pub(in crate::bus) trait Alive: Sync {
    fn is_alive(&self) -> bool;

    /// Whether the other end answers. The caller bounds the time.
    fn answers(&self) -> impl Future<Output = bool> + Send;
}

pub(in crate::bus) struct Kept<L> {
    /// Held while connecting: many callers make one connection.
    link: Mutex<Option<Arc<L>>>,
    closed: AtomicBool,
    doubted: AtomicBool,
}

impl<L> Default for Kept<L> {
    fn default() -> Self {
        Self {
            link: Mutex::new(None),
            closed: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
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
        if let Some(link) = link.as_ref().filter(|link| link.is_alive())
            && self.is_trusted(link, deadline).await
        {
            return Ok(Arc::clone(link));
        }
        *link = None;
        let made = Arc::new(open.await?);
        self.doubted.store(false, Ordering::SeqCst);
        self.must_be_open()?;
        *link = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Has the connection answer before it is used again.
    pub(in crate::bus) fn doubt(&self) {
        self.doubted.store(true, Ordering::SeqCst);
    }

    /// Leaves a doubt where this says that something was waited for in vain, or that it is done elsewhere by now.
    pub(in crate::bus) fn doubt_after(&self, error: &CellError) {
        if matches!(error.class(), ErrorClass::Timeout | ErrorClass::Unreachable) {
            self.doubt();
        }
    }

    async fn is_trusted(&self, link: &L, deadline: Deadline) -> bool {
        if !self.doubted.load(Ordering::SeqCst) {
            return true;
        }
        let patience = ANSWER.min(deadline.remaining() / 2);
        let answers = timeout(patience, link.answers()).await == Ok(true);
        if answers {
            self.doubted.store(false, Ordering::SeqCst);
        }
        answers
    }

    fn must_be_open(&self) -> Result<(), CellError> {
        match self.is_closed() {
            true => Err(CellError::new(ErrorClass::Unreachable, "the bus is closed")),
            false => Ok(()),
        }
    }

    /// Lets a connection go that is no longer good, unless it was replaced already.
    #[cfg(feature = "rabbitmq")]
    pub(in crate::bus) async fn forget(&self, gone: &Arc<L>) {
        let mut link = self.link.lock().await;
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(link, gone)) {
            *link = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Line {
        silent: AtomicBool,
        asked: AtomicUsize,
    }

    impl Alive for Line {
        fn is_alive(&self) -> bool {
            true
        }

        async fn answers(&self) -> bool {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match self.silent.load(Ordering::SeqCst) {
                true => std::future::pending().await,
                false => true,
            }
        }
    }

    async fn got(kept: &Kept<Line>) -> Arc<Line> {
        let deadline = Deadline::after(Duration::from_secs(60));
        let open = async { Ok(Line::default()) };
        kept.get(deadline, open).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_asked_only_when_it_is_doubted_and_replaced_when_it_is_silent() {
        let kept = Kept::default();
        let first = got(&kept).await;
        assert!(Arc::ptr_eq(&first, &got(&kept).await));
        assert_eq!(first.asked.load(Ordering::SeqCst), 0);
        kept.doubt();
        for _ in 0..2 {
            assert!(Arc::ptr_eq(&first, &got(&kept).await));
            assert_eq!(first.asked.load(Ordering::SeqCst), 1);
        }
        first.silent.store(true, Ordering::SeqCst);
        let begun = tokio::time::Instant::now();
        kept.doubt_after(&out_of_time("no answer"));
        let second = got(&kept).await;
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(begun.elapsed(), ANSWER);
        assert!(Arc::ptr_eq(&second, &got(&kept).await));
        assert_eq!(second.asked.load(Ordering::SeqCst), 0);
    }
}

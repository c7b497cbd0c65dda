//! Waiting a moment for threads that are about to end.
//!
//! Work on a thread ends with its budget, but some microseconds after the report is there. A caller that then drops the
//! runtime would pull it from under that thread, which panics. So the report is held back until the threads are done,
//! and no longer than a moment: work that blocks is left to itself.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a report is held back at most; well within what a budget may be overdrawn by.
const MOMENT: Duration = Duration::from_millis(25);

/// Counts work that has begun and not ended. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Stragglers(Arc<(Mutex<usize>, Condvar)>);

/// One piece of work; counted until dropped.
#[derive(Debug)]
pub(super) struct Working(Stragglers);

impl Stragglers {
    /// Work begins.
    pub(super) fn begin(&self) -> Working {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Working(self.clone())
    }

    /// Blocks until all work that has begun has ended, for a moment at most. Gives whether it has.
    pub(super) fn wait(&self) -> bool {
        let (count, ended) = &*self.0;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ended.wait_timeout_while(count, MOMENT, |count| *count > 0);
        let (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *count == 0
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let (count, ended) = &*self.0.0;
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_ends_in_time_is_waited_for_and_whoever_does_not_is_left() {
        let stragglers = Stragglers::default();
        assert!(stragglers.wait());
        let working = stragglers.begin();
        assert!(!stragglers.wait());
        let ending = std::thread::spawn(move || drop(working));
        ending.join().unwrap();
        assert!(stragglers.wait());
    }
}

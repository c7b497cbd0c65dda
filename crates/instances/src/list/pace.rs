//! When cells that have answered read on for a page that a silent cell holds up.
//!
//! A page is filled in rounds, and a round ends with its last cell. A cell that hangs would take the whole budget, and leave
//! the others none for the rows that the page still lacks: they would be blamed for it (invariant 7). So a cell that may be
//! asked again waits, in its own task, for the others; if some are silent at half of the time, it reads on at once.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// One round, as its cells and whoever drives it see it.
pub(super) struct Pace(Mutex<State>);

struct State {
    /// Cells that have neither delivered nor ended.
    silent: usize,
    verdict: Option<Verdict>,
    waiting: Vec<Waker>,
}

/// What a cell that has delivered does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: the round is over.
    Return,
    /// It reads as far as the page could need it.
    ReadOn,
}

impl Pace {
    /// A round that asks this many cells.
    pub(super) fn new(cells: usize) -> Self {
        Self(Mutex::new(State {
            silent: cells,
            verdict: None,
            waiting: Vec::new(),
        }))
    }

    /// A cell's report is there. One that waits here has none yet.
    pub(super) fn reported(&self) {
        self.heard_of_one(&mut self.state());
    }

    /// Half of the time is over.
    pub(super) fn half_time(&self) {
        Self::decide(&mut self.state(), Verdict::ReadOn);
    }

    /// Whether there is nothing left to decide.
    pub(super) fn is_decided(&self) -> bool {
        self.state().verdict.is_some()
    }

    /// A cell has delivered and could be asked for more: what it does next, as soon as that is known.
    pub(super) async fn delivered(&self) -> Verdict {
        self.heard_of_one(&mut self.state());
        poll_fn(|cx| {
            let mut state = self.state();
            match state.verdict {
                Some(verdict) => Poll::Ready(verdict),
                None => {
                    state.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn heard_of_one(&self, state: &mut State) {
        state.silent = state.silent.saturating_sub(1);
        if state.silent == 0 {
            Self::decide(state, Verdict::Return);
        }
    }

    fn decide(state: &mut State, verdict: Verdict) {
        if state.verdict.is_none() {
            state.verdict = Some(verdict);
            state.waiting.drain(..).for_each(Waker::wake);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn two_deliver(pace: &Arc<Pace>, then: impl FnOnce(&Pace)) -> [Verdict; 2] {
        let deliver = || {
            let pace = Arc::clone(pace);
            tokio::spawn(async move { pace.delivered().await })
        };
        let both = [deliver(), deliver()];
        while pace.state().waiting.len() < 2 {
            tokio::task::yield_now().await;
        }
        then(pace);
        let [one, other] = both;
        [one.await.unwrap(), other.await.unwrap()]
    }

    #[tokio::test]
    async fn cells_return_when_the_last_one_has_reported() {
        let pace = Arc::new(Pace::new(3));
        let verdicts = two_deliver(&pace, Pace::reported).await;
        assert_eq!(verdicts, [Verdict::Return; 2]);
        pace.half_time();
        assert_eq!(pace.delivered().await, Verdict::Return);
    }

    #[tokio::test]
    async fn cells_read_on_when_one_is_silent_at_half_of_the_time() {
        let pace = Arc::new(Pace::new(3));
        let verdicts = two_deliver(&pace, Pace::half_time).await;
        assert_eq!(verdicts, [Verdict::ReadOn; 2]);
    }

    #[tokio::test]
    async fn a_cell_alone_waits_for_nobody() {
        assert_eq!(Pace::new(1).delivered().await, Verdict::Return);
    }
}

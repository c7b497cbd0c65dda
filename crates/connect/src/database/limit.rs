//! Limits in time that cost nothing where nothing has to be waited for: a timer is only made for work that is not done at
//! once, and then in a box, for futures are moved with the room for all that they might come to. A free connection is taken
//! and given back some ten million times a day by a busy service.

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::future::poll_immediate;
use tokio::time::{Timeout, timeout, timeout_at};

/// The work's own result, or nothing if it was not done by then. Work that needs no waiting is done however late it is.
///
/// The caller pins the work, for futures are large and would be moved here and there.
///
/// # Cancel safety
/// As the work's own.
pub(super) async fn within<F: Future>(end: Instant, work: Pin<&mut F>) -> Option<F::Output> {
    limited(work, |work| timeout_at(end.into(), work)).await
}

/// The same, for so long from now.
///
/// # Cancel safety
/// As the work's own.
pub(super) async fn for_at_most<F: Future>(wait: Duration, work: Pin<&mut F>) -> Option<F::Output> {
    limited(work, |work| timeout(wait, work)).await
}

async fn limited<'f, F: Future>(
    mut work: Pin<&'f mut F>,
    timer: impl FnOnce(Pin<&'f mut F>) -> Timeout<Pin<&'f mut F>>,
) -> Option<F::Output> {
    if let Some(done) = poll_immediate(work.as_mut()).await {
        return Some(done);
    }
    Box::pin(timer(work)).await.ok()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_waited_for_until_then_and_no_longer() {
        let begun = tokio::time::Instant::now();
        let end = (begun + Duration::from_secs(3)).into_std();
        assert_eq!(within(end, pin!(pending::<()>())).await, None);
        assert!(begun.elapsed() >= Duration::from_secs(3));
        // Over since a while: what is there is taken, and what is not is not waited for.
        assert_eq!(within(end, pin!(ready(1))).await, Some(1));
        assert_eq!(within(end, pin!(pending::<()>())).await, None);
        let later = (tokio::time::Instant::now() + Duration::from_secs(3)).into_std();
        let soon = async {
            yield_now().await;
            2
        };
        assert_eq!(within(later, pin!(soon)).await, Some(2));
        let begun = tokio::time::Instant::now();
        let wait = Duration::from_secs(2);
        assert_eq!(for_at_most(wait, pin!(pending::<()>())).await, None);
        assert_eq!(begun.elapsed(), wait);
        assert_eq!(for_at_most(wait, pin!(ready(3))).await, Some(3));
    }
}

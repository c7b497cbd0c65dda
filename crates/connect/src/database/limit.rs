//! Limits in time that cost nothing where nothing has to be waited for: a timer is only made for work that is not done at
//! once. A free connection is taken and given back some ten million times a day by a busy service.

use std::pin::pin;
use std::time::Instant;

use futures_util::future::poll_immediate;
use tokio::time::timeout_at;

/// The work's own result, or nothing if it was not done by then. Work that needs no waiting is done however late it is.
///
/// # Cancel safety
/// As the work's own: dropped, it drops that.
pub(super) async fn within<F: Future>(end: Instant, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    if let Some(done) = poll_immediate(work.as_mut()).await {
        return Some(done);
    }
    timeout_at(end.into(), work).await.ok()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_waited_for_until_then_and_no_longer() {
        let begun = tokio::time::Instant::now();
        let end = (begun + Duration::from_secs(3)).into_std();
        assert_eq!(within(end, pending::<()>()).await, None);
        assert!(begun.elapsed() >= Duration::from_secs(3));
        // Over since a while: what is there is taken, and what is not is not waited for.
        assert_eq!(within(end, ready(1)).await, Some(1));
        assert_eq!(within(end, pending::<()>()).await, None);
        let later = (tokio::time::Instant::now() + Duration::from_secs(3)).into_std();
        let soon = async {
            yield_now().await;
            2
        };
        assert_eq!(within(later, soon).await, Some(2));
    }
}

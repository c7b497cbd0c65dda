//! Taking a connection out of its pool. Where one is free, as nearly always, nothing is made that only somebody who waits
//! needs: no timer, no place in a queue, no room for a login. Some ten million times a day, in a busy service.

use std::pin::{Pin, pin};
use std::time::Duration;

use deadpool::managed::{Object, Pool, PoolError, TimeoutType, Timeouts};
use futures_util::future::poll_immediate;
use tokio::time::timeout_at;

use super::{Common, Maker, Pools, Ran, bounded};
use crate::database::driver::{Access, Driver};
use crate::database::engine::Budget;
use crate::database::failure::Failure;
use crate::database::held::Held;
use crate::database::lately::Moment;
use crate::database::observer::ConnectionWait;

/// What deadpool gives.
type Taken<D> = Result<Object<Maker<D>>, PoolError<sqlx::Error>>;

/// A free connection or a new one, and no wait for what others give back. What is made and asked has limits of its own.
const AT_ONCE: Timeouts = Timeouts {
    wait: Some(Duration::ZERO),
    create: None,
    recycle: None,
};

impl<D: Driver> Pools<D> {
    /// Takes a connection, waiting for a free one no longer than the options allow, and arms it.
    pub(in crate::database) fn check_out(
        &self,
        budget: &Budget,
    ) -> impl Future<Output = Result<Held<D>, sqlx::Error>> + Send {
        self.check_out_patiently(budget, self.options.checkout_wait)
    }

    /// The same, with this wait.
    pub(super) async fn check_out_patiently(
        &self,
        budget: &Budget,
        wait: Duration,
    ) -> Result<Held<D>, sqlx::Error> {
        let Common {
            shared,
            holders,
            lately,
            ..
        } = &*self.common;
        let now = lately.look();
        if shared.sweep(now.moment, self.options.idle_age) {
            holders.report(now.moment, self.options.held_long);
        }
        if budget.deadline.instant() <= now.instant {
            return Err(Failure::Budget.into());
        }
        let mut held = {
            let mut taking = pin!(self.pool(budget.access).timeout_get(&AT_ONCE));
            let (kept, since) = match poll_immediate(taking.as_mut()).await {
                Some(Ok(kept)) => (kept, now.moment),
                Some(Err(PoolError::Timeout(TimeoutType::Wait))) if !wait.is_zero() => {
                    let wait = wait.min(budget.deadline.remaining_at(now.instant));
                    Box::pin(self.queue(budget, wait)).await?
                }
                Some(Err(error)) => return Err(refusal(error)),
                None => Box::pin(self.wait_for(taking, budget)).await?,
            };
            Held::new(kept, budget.asked_at, since)
        };
        self.look_after();
        let armed = {
            let arming = self
                .driver()
                .arm(held.link()?, budget.access, budget.deadline);
            bounded(&self.closed, budget.deadline, pin!(arming)).await
        };
        match armed {
            Ran::Ended(Ok(())) => Ok(held),
            Ran::Ended(Err(error)) => Err(error),
            Ran::OutOfTime => Err(Failure::Budget.into()),
            Ran::Closed => Err(Failure::Closed.into()),
        }
    }

    fn pool(&self, access: Access) -> &Pool<Maker<D>> {
        match access {
            Access::ReadOnly => &self.reading,
            Access::ReadWrite => &self.writing,
        }
    }

    /// Takes what others give back.
    async fn queue(
        &self,
        budget: &Budget,
        wait: Duration,
    ) -> Result<(Object<Maker<D>>, Moment), sqlx::Error> {
        let limit = Timeouts {
            wait: Some(wait),
            ..AT_ONCE
        };
        let mut taking = pin!(self.pool(budget.access).timeout_get(&limit));
        match poll_immediate(taking.as_mut()).await {
            // In the very moment.
            Some(Ok(kept)) => Ok((kept, self.common.lately.last())),
            Some(Err(error)) => Err(refusal(error)),
            None => self.wait_for(taking, budget).await,
        }
    }

    /// Waits for a connection that is not there at once.
    async fn wait_for(
        &self,
        taking: Pin<&mut (impl Future<Output = Taken<D>> + Send)>,
        budget: &Budget,
    ) -> Result<(Object<Maker<D>>, Moment), sqlx::Error> {
        budget.tell(ConnectionWait::Begins);
        // A little later than the wait for a free one, which says what the time was spent on.
        let end = budget.deadline.instant() + Duration::from_millis(2);
        let taken = timeout_at(end.into(), taking).await;
        let now = self.common.lately.look();
        if !budget.deadline.is_past_at(now.instant) {
            budget.tell(ConnectionWait::Over);
        }
        match taken {
            Ok(Ok(kept)) => Ok((kept, now.moment)),
            Ok(Err(error)) => Err(refusal(error)),
            Err(_) => Err(self.common.shared.not_in_time().into()),
        }
    }
}

fn refusal(error: PoolError<sqlx::Error>) -> sqlx::Error {
    match error {
        PoolError::Backend(error) => error,
        PoolError::Timeout(TimeoutType::Wait) => Failure::PoolFull.into(),
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
            Failure::ConnectTimeout.into()
        }
        PoolError::Closed => Failure::Closed.into(),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => Failure::Internal.into(),
    }
}

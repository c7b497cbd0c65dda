//! Pools of one cell's database: one that reads, one that may write. A connection is held only while a statement runs.
//!
//! Every wait is bounded by the caller's deadline. What becomes of a connection after its statement is `held.rs`, what
//! cells share is `shared.rs`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use context::Deadline;
use deadpool::Runtime;
use deadpool::managed::{
    self, Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult,
    TimeoutType, Timeouts,
};
use futures_util::future::poll_immediate;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::driver::{Access, Driver};
use super::engine::Budget;
use super::failure::Failure;
use super::held::{Held, Ran};
use super::holders::{Holder, Holders};
use super::keeper::{Care, Keeper};
use super::limit::within;
use super::shared::{Place, Shared};
use crate::options::ConnectorOptions;

/// Nobody waits longer for a connection to say that it lives, whatever the options say: clocks have an end.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Both pools of one database.
pub(crate) struct Pools<D: Driver> {
    driver: Arc<D>,
    reading: Pool<Maker<D>>,
    writing: Pool<Maker<D>>,
    options: ConnectorOptions,
    shared: Arc<Shared>,
    holders: Arc<Holders>,
    closed: CancellationToken,
    keeper: Arc<Keeper>,
    care: Option<Care>,
    /// Of these pools, whoever still uses what came from them.
    over: DropGuard,
}

/// deadpool's manager: makes connections of one access.
pub(super) struct Maker<D: Driver> {
    driver: Arc<D>,
    access: Access,
    max_age: Duration,
    answer_wait: Duration,
    connect_timeout: Duration,
    shared: Arc<Shared>,
    /// Logins under way at once, of both pools together.
    starting: Arc<Semaphore>,
}

/// A connection in a pool.
pub(super) struct Kept<L> {
    pub(super) link: L,
    pub(super) unused_since: Instant,
    /// When it is too old; never, if that is farther off than clocks go.
    retires_at: Option<Instant>,
    _place: Place,
}

impl<D: Driver> Manager for Maker<D> {
    type Type = Kept<D::Link>;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Kept<D::Link>, sqlx::Error> {
        let made = async {
            // A few at a time: a server that has just come back, or is slow to let one in, is not met by all at once.
            let _turn = self.starting.acquire().await;
            let place = self.shared.place().await;
            let link = self.driver.connect(self.access).await?;
            let born = Instant::now();
            let age = self.max_age - self.max_age.mul_f64(jitter(born.into_std()));
            Ok(Kept {
                link,
                unused_since: born,
                retires_at: born.checked_add(age),
                _place: place,
            })
        };
        match timeout(self.connect_timeout, made).await {
            Ok(made) => made,
            Err(_) => Err(self.shared.not_in_time().into()),
        }
    }

    async fn recycle(
        &self,
        kept: &mut Kept<D::Link>,
        _metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        let now = Instant::now();
        if kept.retires_at.is_some_and(|at| now > at) {
            return Err(RecycleError::message("past its age"));
        }
        let unused_for = now.saturating_duration_since(kept.unused_since);
        let good = self.driver.still_good(&mut kept.link, unused_for);
        // One that is silent, since something on the way forgot it, must not cost the whole budget.
        match within((now + self.answer_wait).into_std(), good).await {
            Some(true) => Ok(()),
            Some(false) => Err(RecycleError::message("no longer usable")),
            None => Err(RecycleError::message("silent")),
        }
    }
}

/// Between 0 and 0.1, by the moment a connection was made: as good as random between connections, fixed for each.
fn jitter(born: std::time::Instant) -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let since = born.saturating_duration_since(*START.get_or_init(std::time::Instant::now));
    f64::from(since.subsec_nanos() % 1000) / 10_000.0
}

/// Runs a piece of work on a connection for as long as anybody waits for it.
pub(super) async fn bounded<T>(
    closed: &CancellationToken,
    deadline: Deadline,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Ran<T> {
    let mut work = pin!(work);
    // What needs no waiting needs neither a timer nor a place among those who are told of the end.
    if let Some(ended) = poll_immediate(work.as_mut()).await {
        return Ran::Ended(ended);
    }
    let work = closed.run_until_cancelled(work);
    match timeout_at(deadline.instant().into(), work).await {
        Ok(Some(ended)) => Ran::Ended(ended),
        Ok(None) => Ran::Closed,
        Err(_) => Ran::OutOfTime,
    }
}

impl<D: Driver> Pools<D> {
    pub(crate) fn new(
        driver: D,
        options: &ConnectorOptions,
        shared: &Arc<Shared>,
    ) -> Result<Self, managed::BuildError> {
        let driver = Arc::new(driver);
        let starting = Arc::new(Semaphore::new(options.logins.max(1)));
        let lane = |access| {
            let maker = Maker {
                driver: Arc::clone(&driver),
                access,
                max_age: options.max_age,
                answer_wait: options.answer_wait.min(A_DAY),
                connect_timeout: options.connect_timeout,
                shared: Arc::clone(shared),
                starting: Arc::clone(&starting),
            };
            let pool: Pool<Maker<D>> = Pool::builder(maker)
                .max_size(options.pool_size.max(1))
                // The last one used is the warmest, and the others get old enough to be closed.
                .queue_mode(QueueMode::Lifo)
                .runtime(Runtime::Tokio1)
                .build()?;
            let weak = pool.weak();
            shared.register(Box::new(move |unused_for| {
                let Some(pool) = weak.upgrade() else {
                    return false;
                };
                pool.retain(|kept, _| {
                    unused_for != Duration::ZERO && kept.unused_since.elapsed() <= unused_for
                });
                true
            }));
            Ok(pool)
        };
        let closed = CancellationToken::new();
        Ok(Self {
            reading: lane(Access::ReadOnly)?,
            writing: lane(Access::ReadWrite)?,
            driver: Arc::clone(&driver),
            options: options.clone(),
            shared: Arc::clone(shared),
            holders: Arc::default(),
            over: closed.child_token().drop_guard(),
            closed,
            keeper: Arc::default(),
            care: Care::of(options),
        })
    }

    /// Closes every connection, those in use included: what runs on them is ended and fails.
    pub(super) fn close(&self) {
        self.reading.close();
        self.writing.close();
        self.closed.cancel();
        self.driver.close();
    }

    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    pub(super) fn driver(&self) -> &Arc<D> {
        &self.driver
    }

    pub(super) fn holders(&self) -> Vec<Holder> {
        self.holders.list()
    }

    /// Takes a connection, waiting for a free one no longer than the options allow, and arms it.
    pub(super) async fn check_out(&self, budget: Budget) -> Result<Held<D>, sqlx::Error> {
        self.check_out_patiently(budget, self.options.checkout_wait)
            .await
    }

    async fn check_out_patiently(
        &self,
        budget: Budget,
        wait: Duration,
    ) -> Result<Held<D>, sqlx::Error> {
        let Budget {
            deadline, access, ..
        } = budget;
        let pool = match access {
            Access::ReadOnly => &self.reading,
            Access::ReadWrite => &self.writing,
        };
        let now = std::time::Instant::now();
        if self.shared.sweep(now, self.options.idle_age) {
            self.holders.report(self.options.held_long);
        }
        let left = deadline.instant().saturating_duration_since(now);
        if left.is_zero() {
            return Err(Failure::Budget.into());
        }
        // A little later than the wait for a free one, which says what the time was spent on.
        let end = deadline.instant() + Duration::from_millis(2);
        let link = match within(end, take(pool, left.min(wait))).await {
            Some(Ok(link)) => link,
            Some(Err(error)) => return Err(refusal(error)),
            None => return Err(self.shared.not_in_time().into()),
        };
        self.look_after();
        let seen = self.holders.enter(budget.asked_at, access);
        let mut held = Held::new(&self.driver, &self.shared, link, seen);
        let arming = self.driver.arm(held.link()?, access, deadline);
        match bounded(&self.closed, deadline, arming).await {
            Ran::Ended(Ok(())) => Ok(held),
            Ran::Ended(Err(error)) => Err(error),
            Ran::OutOfTime => Err(Failure::Budget.into()),
            Ran::Closed => Err(Failure::Closed.into()),
        }
    }

    /// From now on, until there is none left.
    fn look_after(&self) {
        let Some(care) = self.care else { return };
        let idle_age = self.options.idle_age;
        self.keeper.start(
            care,
            self.over.token(),
            || [self.reading.weak(), self.writing.weak()],
            move |kept: &Kept<D::Link>| kept.unused_since.elapsed() > idle_age,
        );
    }

    /// Whether the database answers, told apart from whether a connection is free: where none is, a connection outside
    /// the pool is tried, so that a cell that is down says so and not that it is busy.
    pub(super) async fn probe(&self, budget: Budget) -> Result<(), sqlx::Error> {
        let deadline = budget.deadline;
        // Connections that are only being looked after are free in a moment.
        let wait = match self.keeper.looks() {
            true => self.options.answer_wait * 2,
            false => Duration::ZERO,
        };
        let held = self.check_out_patiently(budget, wait).await;
        match held {
            Ok(mut held) => {
                let probing = self.driver.probe(held.link()?);
                let ran = bounded(&self.closed, deadline, probing).await;
                held.settle(ran, true, deadline).await
            }
            Err(error) if Failure::inside(&error) == Some(Failure::PoolFull) => {
                let limit = Deadline::after(self.options.connect_timeout).earliest(deadline);
                let connect = self.driver.connect(Access::ReadOnly);
                match timeout_at(limit.instant().into(), connect).await {
                    Ok(Ok(link)) => {
                        self.driver.abandon(link);
                        Err(error)
                    }
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(Failure::ConnectTimeout.into()),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// A free connection, or a new one, or what others give back in this time.
async fn take<D: Driver>(
    pool: &Pool<Maker<D>>,
    wait: Duration,
) -> Result<Object<Maker<D>>, PoolError<sqlx::Error>> {
    let waiting = |wait| Timeouts {
        wait: Some(wait),
        // Bounded by those who make and ask them.
        create: None,
        recycle: None,
    };
    match pool.timeout_get(&waiting(Duration::ZERO)).await {
        Err(PoolError::Timeout(TimeoutType::Wait)) if !wait.is_zero() => {
            pool.timeout_get(&waiting(wait)).await
        }
        taken => taken,
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

#[cfg(any(test, feature = "_bench"))]
pub(super) mod doorkeeper;
#[cfg(test)]
mod tests;

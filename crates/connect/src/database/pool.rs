//! Pools of one cell's database: one that reads, one that may write. A connection is held only while a statement runs.
//!
//! Every wait is bounded by the caller's deadline. What becomes of a connection after its statement is `held.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use context::Deadline;
use deadpool::Runtime;
use deadpool::managed::{
    self, Manager, Metrics, Pool, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType,
    Timeouts,
};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::driver::{Access, Driver};
use super::failure::Failure;
use super::held::{Held, Ran};
use crate::options::ConnectorOptions;

/// Both pools of one database.
pub(crate) struct Pools<D: Driver> {
    driver: Arc<D>,
    reading: Lane<D>,
    writing: Lane<D>,
    options: ConnectorOptions,
    closed: CancellationToken,
}

struct Lane<D: Driver> {
    pool: Pool<Maker<D>>,
    since: Instant,
    /// Seconds after `since` at which idle connections were last looked through.
    swept: AtomicU64,
}

/// deadpool's manager: makes connections of one access.
pub(super) struct Maker<D: Driver> {
    driver: Arc<D>,
    access: Access,
    max_age: Duration,
}

impl<D: Driver> Manager for Maker<D> {
    type Type = D::Link;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<D::Link, sqlx::Error> {
        self.driver.connect(self.access).await
    }

    async fn recycle(&self, link: &mut D::Link, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > self.max_age.mul_f64(1.0 - jitter(metrics.created)) {
            return Err(RecycleError::message("past its age"));
        }
        if self.driver.still_good(link, metrics.last_used()).await {
            Ok(())
        } else {
            Err(RecycleError::message("no longer usable"))
        }
    }
}

/// Between 0 and 0.1, by the moment a connection was made: as good as random between connections, fixed for each.
fn jitter(born: Instant) -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let since = born.saturating_duration_since(*START.get_or_init(Instant::now));
    f64::from(since.subsec_nanos() % 1000) / 10_000.0
}

impl<D: Driver> Pools<D> {
    pub(crate) fn new(driver: D, options: &ConnectorOptions) -> Result<Self, managed::BuildError> {
        let driver = Arc::new(driver);
        let lane = |access| {
            let maker = Maker {
                driver: Arc::clone(&driver),
                access,
                max_age: options.max_age,
            };
            let pool = Pool::builder(maker)
                .max_size(options.pool_size.max(1))
                // The last one used is the warmest, and the others get old enough to be closed.
                .queue_mode(QueueMode::Lifo)
                .runtime(Runtime::Tokio1)
                .build()?;
            Ok(Lane {
                pool,
                since: Instant::now(),
                swept: AtomicU64::new(0),
            })
        };
        Ok(Self {
            reading: lane(Access::ReadOnly)?,
            writing: lane(Access::ReadWrite)?,
            driver: Arc::clone(&driver),
            options: options.clone(),
            closed: CancellationToken::new(),
        })
    }

    /// Closes every connection, those in use included: what runs on them is ended and fails.
    pub(super) fn close(&self) {
        self.reading.pool.close();
        self.writing.pool.close();
        self.closed.cancel();
    }

    /// Runs a piece of work on a connection for as long as anybody waits for it.
    pub(super) async fn bounded<T>(
        &self,
        deadline: Deadline,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Ran<T> {
        let work = self.closed.run_until_cancelled(work);
        match timeout_at(deadline.instant().into(), work).await {
            Ok(Some(ended)) => Ran::Ended(ended),
            Ok(None) => Ran::Closed,
            Err(_) => Ran::OutOfTime,
        }
    }

    pub(super) fn driver(&self) -> &D {
        &self.driver
    }

    /// Takes a connection, waiting for a free one no longer than the options allow, and arms it.
    pub(super) async fn check_out(
        &self,
        access: Access,
        deadline: Deadline,
    ) -> Result<Held<'_, D>, sqlx::Error> {
        self.check_out_patiently(access, deadline, self.options.checkout_wait)
            .await
    }

    async fn check_out_patiently(
        &self,
        access: Access,
        deadline: Deadline,
        wait: Duration,
    ) -> Result<Held<'_, D>, sqlx::Error> {
        let lane = match access {
            Access::ReadOnly => &self.reading,
            Access::ReadWrite => &self.writing,
        };
        lane.sweep(self.options.idle_age);
        let left = deadline.remaining();
        if left.is_zero() {
            return Err(Failure::Budget.into());
        }
        let timeouts = Timeouts {
            wait: Some(left.min(wait)),
            create: Some(left.min(self.options.connect_timeout)),
            recycle: Some(left.min(self.options.connect_timeout)),
        };
        // A little later than the pool's own limits, which say what the time was spent on.
        let end = deadline.instant() + Duration::from_millis(2);
        let taken = timeout_at(end.into(), lane.pool.timeout_get(&timeouts)).await;
        let link = match taken {
            Ok(Ok(link)) => link,
            Ok(Err(error)) => return Err(refusal(error)),
            Err(_) => return Err(Failure::ConnectTimeout.into()),
        };
        let mut held = Held::new(&*self.driver, link);
        let arming = self.driver.arm(held.link()?, access, deadline);
        match self.bounded(deadline, arming).await {
            Ran::Ended(Ok(())) => Ok(held),
            Ran::Ended(Err(error)) => Err(error),
            Ran::OutOfTime => Err(Failure::Budget.into()),
            Ran::Closed => Err(Failure::Closed.into()),
        }
    }

    /// Whether the database answers, told apart from whether a connection is free: where none is, a connection outside
    /// the pool is tried, so that a cell that is down says so and not that it is busy.
    pub(super) async fn probe(&self, deadline: Deadline) -> Result<(), sqlx::Error> {
        let held = self
            .check_out_patiently(Access::ReadOnly, deadline, Duration::ZERO)
            .await;
        match held {
            Ok(mut held) => {
                let probing = self.driver.probe(held.link()?);
                let ran = self.bounded(deadline, probing).await;
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

impl<D: Driver> Lane<D> {
    /// Closes what nobody used for long. Done by those who come, at most once a second, so no task has to outlive them.
    fn sweep(&self, idle_age: Duration) {
        let now = self.since.elapsed().as_secs();
        if self.swept.swap(now, Ordering::Relaxed) != now {
            self.pool
                .retain(|_, metrics| metrics.last_used() <= idle_age);
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

//! Pools of one cell's database: one that reads, one that may write. A connection is held only while a statement runs.
//!
//! Every wait is bounded by the caller's deadline. What becomes of a connection after its statement is `held.rs`, what
//! cells share is `shared.rs`.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use context::Deadline;
use deadpool::Runtime;
use deadpool::managed::{self, Manager, Metrics, Pool, QueueMode, RecycleError, RecycleResult};
use futures_util::future::{Either, poll_immediate, ready};
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::driver::{Access, Driver};
use super::engine::Budget;
use super::failure::Failure;
use super::held::Ran;
use super::holders::{Holder, Holders, Line};
use super::keeper::{Care, Keeper};
use super::lately::{Lately, Moment};
use super::limit::for_at_most;
use super::shared::{Place, Shared};
use crate::options::ConnectorOptions;

/// Nobody waits longer for a connection to say that it lives, whatever the options say: clocks have an end.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Both pools of one database.
pub(crate) struct Pools<D: Driver> {
    common: Arc<Common<D>>,
    reading: Pool<Maker<D>>,
    writing: Pool<Maker<D>>,
    options: ConnectorOptions,
    closed: CancellationToken,
    keeper: Arc<Keeper>,
    care: Option<Care>,
    /// Of these pools, whoever still uses what came from them.
    over: DropGuard,
}

/// What the connections of one database share. Each has it at hand, so that nobody who takes one counts himself in.
pub(super) struct Common<D> {
    pub(super) driver: D,
    pub(super) shared: Arc<Shared>,
    pub(super) holders: Holders,
    pub(super) lately: Lately,
    /// Logins under way at once, of both pools together.
    starting: Semaphore,
}

/// deadpool's manager: makes connections of one access.
pub(super) struct Maker<D: Driver> {
    common: Arc<Common<D>>,
    access: Access,
    max_age: Duration,
    answer_wait: Duration,
    connect_timeout: Duration,
}

/// A connection in a pool.
pub(super) struct Kept<D: Driver> {
    pub(super) link: D::Link,
    pub(super) common: Arc<Common<D>>,
    /// Who uses it.
    pub(super) line: Line,
    /// When somebody last began to use it. How long a statement took is part of the time since: budgets bound it, and the
    /// look at the clock that would tell them apart costs as much as the rest of giving a connection back.
    pub(super) taken_at: Moment,
    /// When it is too old.
    retires_at: Moment,
    _place: Place,
}

impl<D: Driver> Manager for Maker<D> {
    // In a box: it changes hands several times at each checkout.
    type Type = Box<Kept<D>>;
    type Error = sqlx::Error;

    fn create(&self) -> impl Future<Output = Result<Box<Kept<D>>, sqlx::Error>> + Send {
        // In a box: whoever takes a connection carries this along, and few of them make one.
        Box::pin(self.log_in())
    }

    fn recycle(
        &self,
        kept: &mut Box<Kept<D>>,
        _metrics: &Metrics,
    ) -> impl Future<Output = RecycleResult<sqlx::Error>> + Send {
        // Whoever asks has just looked.
        let now = self.common.lately.last();
        let known = |verdict| Either::Left(ready(verdict));
        if now > kept.retires_at {
            return known(Err(RecycleError::message("past its age")));
        }
        let unused_for = now.since(kept.taken_at);
        match self.common.driver.known_good(&kept.link, unused_for) {
            Some(true) => known(Ok(())),
            Some(false) => known(Err(RecycleError::message("no longer usable"))),
            // In a box: whoever takes a connection carries this along, and few of them have to ask it.
            None => Either::Right(Box::pin(self.ask(kept))),
        }
    }
}

impl<D: Driver> Kept<D> {
    fn is_unused_for_at_most(&self, most: Duration) -> bool {
        self.common.lately.look().moment.since(self.taken_at) <= most
    }
}

impl<D: Driver> Maker<D> {
    /// Asks a connection whether it still works.
    async fn ask(&self, kept: &mut Kept<D>) -> RecycleResult<sqlx::Error> {
        let answers = pin!(self.common.driver.answers(&mut kept.link));
        // One that is silent, since something on the way forgot it, must not cost the whole budget.
        match for_at_most(self.answer_wait, answers).await {
            Some(true) => Ok(()),
            Some(false) => Err(RecycleError::message("no longer usable")),
            None => Err(RecycleError::message("silent")),
        }
    }

    /// Makes a connection.
    async fn log_in(&self) -> Result<Box<Kept<D>>, sqlx::Error> {
        let common = &self.common;
        let made = async {
            // A few at a time: a server that has just come back, or is slow to let one in, is not met by all at once.
            let _turn = common.starting.acquire().await;
            let place = common.shared.place().await;
            let link = common.driver.connect(self.access).await?;
            let born = common.lately.look();
            let age = self.max_age - self.max_age.mul_f64(jitter(born.instant));
            Ok(Box::new(Kept {
                link,
                common: Arc::clone(common),
                line: common.holders.line(self.access),
                taken_at: born.moment,
                retires_at: born.moment.after(age),
                _place: place,
            }))
        };
        match timeout(self.connect_timeout, made).await {
            Ok(made) => made,
            Err(_) => Err(common.shared.not_in_time().into()),
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
    mut work: Pin<&mut impl Future<Output = Result<T, sqlx::Error>>>,
) -> Ran<T> {
    // What needs no waiting needs neither a timer nor a place among those who are told of the end.
    if let Some(ended) = poll_immediate(work.as_mut()).await {
        return Ran::Ended(ended);
    }
    let work = closed.run_until_cancelled(work);
    match Box::pin(timeout_at(deadline.instant().into(), work)).await {
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
        let common = Arc::new(Common {
            driver,
            shared: Arc::clone(shared),
            holders: Holders::default(),
            lately: shared.clock(),
            starting: Semaphore::new(options.logins.max(1)),
        });
        let lane = |access| {
            let maker = Maker {
                common: Arc::clone(&common),
                access,
                max_age: options.max_age,
                answer_wait: options.answer_wait.min(A_DAY),
                connect_timeout: options.connect_timeout,
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
                    unused_for != Duration::ZERO && kept.is_unused_for_at_most(unused_for)
                });
                true
            }));
            Ok(pool)
        };
        let closed = CancellationToken::new();
        Ok(Self {
            reading: lane(Access::ReadOnly)?,
            writing: lane(Access::ReadWrite)?,
            common,
            options: options.clone(),
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
        self.driver().close();
    }

    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    pub(super) fn common(&self) -> &Arc<Common<D>> {
        &self.common
    }

    pub(super) fn driver(&self) -> &D {
        &self.common.driver
    }

    pub(super) fn holders(&self) -> Vec<Holder> {
        let Common {
            holders, lately, ..
        } = &*self.common;
        holders.list(lately.look().moment)
    }

    /// From now on, until there is none left.
    fn look_after(&self) {
        if self.keeper.runs() {
            return;
        }
        let Some(care) = self.care else { return };
        let idle_age = self.options.idle_age;
        self.keeper.start(
            care,
            self.over.token(),
            || [self.reading.weak(), self.writing.weak()],
            move |kept: &<Maker<D> as Manager>::Type| !kept.is_unused_for_at_most(idle_age),
        );
    }

    /// Whether the database answers, told apart from whether a connection is free: where none is, a connection outside
    /// the pool is tried, so that a cell that is down says so and not that it is busy.
    pub(super) async fn probe(&self, budget: &Budget) -> Result<(), sqlx::Error> {
        let deadline = budget.deadline;
        // Connections that are only being looked after are free in a moment.
        let wait = match self.keeper.looks() {
            true => self.options.answer_wait * 2,
            false => Duration::ZERO,
        };
        let held = self.check_out_patiently(budget, wait).await;
        match held {
            Ok(mut held) => {
                let ran = {
                    let probing = pin!(self.driver().probe(held.link()?));
                    bounded(&self.closed, deadline, probing).await
                };
                let instead = held.settle(&ran, true, deadline).await;
                ran.told(instead)
            }
            Err(error) if Failure::inside(&error) == Some(Failure::PoolFull) => {
                let limit = Deadline::after(self.options.connect_timeout).earliest(deadline);
                let connect = self.driver().connect(Access::ReadOnly);
                match timeout_at(limit.instant().into(), connect).await {
                    Ok(Ok(link)) => {
                        self.driver().abandon(link);
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

mod checkout;
#[cfg(any(test, feature = "_bench"))]
pub(super) mod doorkeeper;
#[cfg(test)]
mod tests;

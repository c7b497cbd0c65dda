//! For this project's own benchmark: a checkout and nothing else. Not for users, and not in their builds.

use std::panic::Location;
use std::sync::Arc;

use context::Deadline;

use super::driver::Access;
use super::engine::Budget;
use super::held::Ran;
use super::pool::Pools;
use super::pool::doorkeeper::Doorkeeper;
use super::shared::Shared;
use crate::options::ConnectorOptions;

/// Pools of a database that is none.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "nobody looks at it")]
pub struct Checkouts(Pools<Doorkeeper>);

impl Checkouts {
    /// Pools as a cell has them by default.
    #[must_use]
    pub fn new() -> Option<Self> {
        let options = ConnectorOptions::default();
        let shared = Arc::new(Shared::new(&options));
        let pools = Pools::new(Doorkeeper::new(options.pool_size), &options, &shared);
        pools.ok().map(Self)
    }

    /// Takes a connection and gives it back, with everything that surrounds a statement.
    ///
    /// # Errors
    /// None in a benchmark.
    #[track_caller]
    pub fn once(&self, deadline: Deadline) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        let budget = Budget::unobserved(deadline, Access::ReadOnly, Location::caller());
        async move {
            let mut held = self.0.check_out(&budget).await?;
            let ran = Ran::Ended(Ok(()));
            let instead = held.settle(&ran, true, deadline).await;
            ran.told(instead)
        }
    }
}

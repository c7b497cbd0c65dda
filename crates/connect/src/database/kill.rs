//! Ending what a server still runs for a connection that nobody waits for any more.
//!
//! Neither MariaDB nor PostgreSQL notices a closed socket while a statement runs. So the connection is held until a second
//! one has told the server to end it and seen it gone. Because it is held, and never goes back to a pool, its number on the
//! server cannot be another owner's by then.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

/// Longest time that ending one connection may take; the server's own limit on the statement is what is left then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at whether it is gone.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Runs `kill` on the connection's own runtime, keeping the connection until it is done.
pub(super) fn in_background<L: Send + 'static>(
    runtime: &Handle,
    link: L,
    kill: impl Future<Output = Result<(), sqlx::Error>> + Send + 'static,
) {
    runtime.spawn(async move {
        match timeout(PATIENCE, kill).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(class = %super::classify::class_of_driver(&error), "a statement could not be ended");
            }
            Err(_) => tracing::debug!("a statement could not be ended in time"),
        }
        drop(link);
    });
}

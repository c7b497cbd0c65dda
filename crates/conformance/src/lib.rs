//! What tests and demonstrations need: clouds shaped like Nova's, made in a moment.
//!
//! [`CloudBuilder`] writes `nova_api`, cell0 and any number of cells as SQLite files with Nova's own tables, filled with
//! servers that are awkward on purpose: ties, NULLs, names that differ in case or accent, deleted and hidden rows.
//! [`HeldCell`] makes one of them hang for real; a [`Store`] is one database, on MariaDB or PostgreSQL too. They need the
//! feature `cloud`, which is on unless turned off.
//!
//! What needs no database: [`mod@scatter_suite`] says what a scatter promises on any executor, and [`fakes`] are clouds of
//! cells that misbehave as they are told; [`mod@faults`] breaks connections to real servers; [`sim`] plays whole scenarios on
//! simulated time.
//!
//! [`MariaDb`], [`Postgres`], [`RabbitMq`] and [`Redis`] are real servers, private and gone with their handle (feature `servers`, likewise on).
//!
//! ```
//! # #[cfg(feature = "cloud")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use nova_conformance::CloudBuilder;
//!
//! let folder = tempfile::tempdir()?;
//! let cloud = CloudBuilder::new().cells(2).servers(40).build(folder.path()).await?;
//! assert_eq!(cloud.cells().len(), 3); // cell0 is one of them
//! assert!(cloud.api_url().starts_with("sqlite:////"));
//! # Ok(()) })
//! # }
//! # #[cfg(not(feature = "cloud"))]
//! # fn main() {}
//! ```

#[cfg(feature = "cloud")]
mod cloud;
#[cfg(feature = "servers")]
mod servers;

pub mod fakes;
pub mod faults;
pub mod scatter_suite;
pub mod sim;

#[cfg(feature = "cloud")]
pub use cloud::{
    Cloud, CloudBuilder, CloudCell, CloudError, Dialect, HeldCell, MappedCell, PlacedCloud,
    Population, Rng, ServerSeed, Store, alter, write_cell,
};
#[cfg(feature = "servers")]
pub use servers::{
    Available, Existing, MariaDb, PASSWORD, Postgres, RabbitMq, Redis, RedisSentinels, ServerError,
    ServerTls, USER,
};

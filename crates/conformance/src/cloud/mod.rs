//! Clouds shaped like Nova's, in a folder of SQLite files or on servers. Only what listing needs is in them: no quotas, no services.

mod rng;
mod schema;
mod server;

mod population;

mod sql;

mod store;

mod builder;
mod hold;

pub use builder::{Cloud, CloudBuilder, CloudCell, PlacedCloud};
pub use hold::HeldCell;
pub use population::Population;
pub use rng::Rng;
pub use server::ServerSeed;
pub use sql::Dialect;
pub use store::{CloudError, MappedCell, Store, alter, write_cell};

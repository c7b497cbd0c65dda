//! Clouds shaped like Nova's, in a folder of SQLite files. Only what listing needs is in them: no quotas, no services.

mod rng;
mod schema;
mod server;

mod population;

mod write;

mod builder;
mod hold;

pub use builder::{Cloud, CloudBuilder, CloudCell};
pub use hold::HeldCell;
pub use population::Population;
pub use rng::Rng;
pub use server::ServerSeed;
pub use write::{CloudError, alter, write_cell};

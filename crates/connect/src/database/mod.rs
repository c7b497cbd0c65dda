//! Databases: a lazy handle per cell, sessions with a budget, and what each kind of database brings.

mod classify;
mod driver;
mod engine;
mod failure;
mod held;
mod pool;
mod session;
#[cfg(feature = "sqlite")]
mod sqlite;

mod handle;

pub use classify::classify;
pub use handle::CellDb;
pub use session::DbSession;

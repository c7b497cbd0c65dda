//! Databases: a lazy handle per cell, sessions with a budget, and what each kind of database brings.

mod ad_hoc;
#[cfg(feature = "_bench")]
mod bench;
mod classify;
#[cfg(feature = "_server")]
mod dial;
mod driver;
mod engine;
mod failure;
mod held;
mod holders;
mod keeper;
#[cfg(feature = "_server")]
mod kill;
mod lately;
mod limit;
#[cfg(feature = "_server")]
mod logins;
#[cfg(feature = "mysql")]
mod mysql;
mod observer;
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "_server")]
mod reach;
#[cfg(feature = "_server")]
mod relay;
mod session;
mod shared;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stream;
#[cfg(feature = "_server")]
mod tls_files;
mod zero_time;

mod handle;

pub use ad_hoc::{AdHocRefused, Record};
#[cfg(feature = "_bench")]
pub use bench::Checkouts;
pub use classify::classify;
pub use handle::CellDb;
pub use holders::Holder;
pub use observer::ConnectionWait;
pub use session::DbSession;
pub(crate) use shared::Shared;
pub use stream::RowStream;
pub use zero_time::is_zero_time;

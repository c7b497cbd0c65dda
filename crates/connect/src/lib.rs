//! The connectors: the one crate that opens a cell's database and bus.
//!
//! [`NovaConnector`] opens the two legs of a cell, lazily: a [`CellDb`] and a [`CellBus`]. Nothing waits for the network
//! until something is asked, and then everything (waiting for a connection, connecting, login, sending, rows) happens
//! within the asker's deadline. When nobody waits any more, the statement is ended in the database, too.
//!
//! A [`DbSession`] is a database with a deadline. It implements SeaORM's `ConnectionTrait`, so queries are ordinary SeaORM:
//!
//! ```
//! use nova_connect::{CellDb, ConnectorOptions, classify};
//! use cells::{CellError, SecretText};
//! use context::Deadline;
//! use sea_orm::{ConnectionTrait, Statement};
//! use std::time::Duration;
//!
//! async fn servers(db: &CellDb) -> Result<i64, CellError> {
//!     let session = db.read_only(Deadline::after(Duration::from_secs(5)));
//!     let count = Statement::from_string(session.get_database_backend(), "SELECT COUNT(*) AS n FROM instances");
//!     let row = session.query_one_raw(count).await.map_err(classify)?;
//!     row.map_or(Ok(0), |row| row.try_get("", "n").map_err(classify))
//! }
//! ```
//!
//! [`NovaApi`] reads the API database: the cell mappings, and which cells a project's servers are in. A [`Caretaker`] keeps
//! the cells of a process current: on a timer, on SIGHUP, and when a peer announces a change.
//!
//! Each backend is a feature. A mapping that asks for one which is not built in is a configuration error of that cell
//! alone. Scatter, paging and Nova's cell tables are not known here.

mod options;

#[cfg(any(feature = "_server", feature = "_broker"))]
mod address;

mod bus;
#[cfg_attr(
    not(any(feature = "sqlite", feature = "mysql", feature = "postgres")),
    expect(unused, reason = "pools and budgets have no user without a backend")
)]
mod database;

mod caretaker;
mod connector;
mod nova_api;
#[cfg(feature = "redis")]
mod push;

pub use bus::{
    Answer, Arrived, BusTarget, CallError, CarriedContext, CellBus, ContextRefused, Endpoint,
    RemoteError, Reply, ReplyTo, RpcRequest, Serving, Unreadable, read_reply, read_request,
};
pub use caretaker::{Caretaker, CaretakerPolicy};
pub use connector::NovaConnector;
#[cfg(feature = "_bench")]
#[doc(hidden)]
pub use database::Checkouts;
pub use database::{
    AdHocRefused, CellDb, ConnectionWait, DbSession, Holder, Record, RowStream, classify,
    is_zero_time,
};
pub use nova_api::{InstanceMapping, NovaApi, NovaApiError};
pub use options::{ConnectorOptions, QueueProfile, Queues};
#[cfg(feature = "redis")]
pub use push::{Announcer, PushError, RedisPush};

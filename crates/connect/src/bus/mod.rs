//! Buses: calls to the services of a cell, and serving them.
//!
//! [`CellBus`] is what users hold. A bus inside this process is always there; each broker is a feature of the build, and
//! what is missing says so when it is used, not when it is opened: a listing needs only the database.

mod handle;
mod in_process;
mod message;
mod transport;

pub use handle::CellBus;
pub(crate) use in_process::InProcessBuses;
pub use message::{BusTarget, CallError, Endpoint, RemoteError, RpcRequest};
pub use transport::Serving;

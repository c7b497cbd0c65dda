//! Buses: calls to the services of a cell, and serving them.
//!
//! [`CellBus`] is what users hold. A bus inside this process is always there; each broker is a feature of the build, and
//! what is missing says so when it is used, not when it is opened: a listing needs only the database.

mod carried;
mod dispatch;
mod handle;
mod in_process;
mod message;
#[cfg_attr(
    not(any(test, feature = "_broker")),
    expect(unused, reason = "nothing is written without a broker")
)]
mod oslo;
mod transport;

#[cfg(feature = "_broker")]
mod broker;
#[cfg(feature = "rabbitmq")]
mod rabbit;
#[cfg(feature = "redis")]
mod redis;

pub use carried::{CarriedContext, ContextRefused};
pub use handle::CellBus;
pub(crate) use in_process::InProcessBuses;
pub use message::{BusTarget, CallError, Endpoint, RemoteError, RpcRequest};
pub use oslo::{Answer, Arrived, Reply, ReplyTo, Unreadable, read_reply, read_request};
pub use transport::Serving;

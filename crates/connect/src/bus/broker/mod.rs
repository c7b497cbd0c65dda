//! What the transports to brokers share: a socket to an address that was checked, TLS as the mapping asks for it, calls
//! that wait for their answers, and messages that were seen before.

mod dial;
mod failure;
mod kept;
#[cfg(feature = "rabbitmq")]
mod options;
#[cfg(feature = "rabbitmq")]
mod seen;
mod tls;
mod waiting;

pub(super) use dial::{Cut, dial, first_of};
pub(super) use failure::out_of_time;
pub(super) use kept::{Alive, Kept};
#[cfg(feature = "rabbitmq")]
pub(super) use options::is_true;
#[cfg(feature = "rabbitmq")]
pub(super) use seen::Seen;
pub(super) use tls::{Tls, server_name};
#[cfg(feature = "rabbitmq")]
pub(super) use waiting::Ticket;
pub(super) use waiting::Waiting;

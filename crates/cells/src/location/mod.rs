//! Where a cell's database and bus are: URLs read once into typed parts, so that no stored text reaches a driver.
//!
//! A URL whose query names another host, a socket file or a weaker TLS mode defeats any check of its host part;
//! hence every part is read here, what is not known is refused, and connectors build their options field by field.

mod canonical;
mod database;
mod database_option;
mod host;
mod parameters;
mod text;
mod transport;
mod transport_option;

pub(crate) use canonical::Canonical;
pub use database::{DatabaseLocation, DatabaseServer, Engine, SqliteFile, TlsOptions};
pub use host::Host;
pub use transport::{Broker, BrokerHost, BrokerKind, TransportLocation};
pub use transport_option::BrokerOptions;

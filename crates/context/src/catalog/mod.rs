//! The service catalog: which URL a service answers at, checked when it is read, searched without allocation.
//!
//! Contents page. Nothing here resolves a name, discovers a version or opens a connection.

mod interface;
mod parse;
mod problem;
mod query;
mod service;
mod service_type;
mod url;

#[cfg(feature = "serde")]
mod read;
#[cfg(feature = "serde")]
mod write;

mod lookup;

pub use self::interface::{Interface, InvalidInterface};
pub use self::lookup::CatalogError;
pub use self::parse::{CatalogRules, NOVA_SERVICE_TYPES, RawCatalog, RawEndpoint, RawService};
pub use self::problem::{CatalogFault, CatalogProblem, InvalidCatalog};
pub use self::query::EndpointQuery;
#[cfg(feature = "serde")]
pub(crate) use self::read::Services;
#[cfg(feature = "serde")]
pub use self::read::{CatalogForm, CatalogReadError};
pub use self::service::ServiceCatalog;
pub use self::url::{EndpointUrl, InvalidEndpointUrl, Scheme};

//! From the headers of a WSGI or HTTP request to a context (8.2), through one step that says who verified them.
//!
//! Contents page. Identity headers are claims that anybody can type; nothing reads them but [`VerifiedHeaders`].

mod names;
mod problem;
mod verified;

#[cfg(feature = "http")]
mod layer;

#[cfg(feature = "http")]
pub use self::layer::{ContextLayer, ContextService};
pub use self::names::{IDENTITY_HEADERS, is_identity_header};
pub use self::problem::{HeaderFault, HeaderProblem, InvalidHeaders};
pub use self::verified::{UpstreamTrust, VerifiedHeaders};

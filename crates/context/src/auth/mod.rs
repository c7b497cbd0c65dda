//! How a context's credentials are used: which token goes where, which endpoints are good enough, who decides.
//!
//! Contents page. No HTTP here: a client asks for an endpoint and for headers, and sends them itself.

mod endpoint;
mod error;
mod guard;
mod plugin;
mod session;

pub use self::endpoint::{Endpoint, EndpointPolicy};
pub use self::error::AuthError;
pub use self::guard::Guard;
pub use self::plugin::{AuthPlugin, CatalogAuth};
pub use self::session::Auth;

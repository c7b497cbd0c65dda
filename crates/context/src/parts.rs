//! What a context is made from, and which door it comes in through.
//!
//! Plain data with public fields: whoever fills it vouches for it. The context itself is in `request.rs`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::auth::{AuthPlugin, Guard};
use crate::catalog::ServiceCatalog;
use crate::id::RequestId;
use crate::identity::{Identity, ServiceIdentity};
use crate::policy::Creds;
use crate::read_deleted::ReadDeleted;
use crate::role::{ADMIN, Roles};
use crate::token::AuthToken;

/// What a request brings along, read from headers that a verifier has confirmed.
#[derive(Debug, Clone, Default)]
pub struct RequestParts {
    /// Whom the request speaks for.
    pub identity: Identity,
    /// The roles the token carries.
    pub roles: Roles,
    /// The token itself, where later calls need it.
    pub token: Option<AuthToken>,
    /// This request's id; a fresh one is made where there is none.
    pub request_id: Option<RequestId>,
    /// The id that the calling service gave to the whole chain of requests.
    pub global_request_id: Option<RequestId>,
    /// Where the request came from.
    pub remote_address: Option<IpAddr>,
    /// The quota class, where an operator uses them.
    pub quota_class: Option<String>,
    /// The service that passed the request on, where its own token came along.
    pub service: Option<ServiceIdentity>,
    /// Where the cloud's other services answer.
    pub catalog: ServiceCatalog,
    /// When the request began; now where nothing is said.
    pub timestamp: Option<SystemTime>,
    /// Whether soft-deleted rows are wanted.
    pub read_deleted: ReadDeleted,
    /// oslo.context's field of this name; Nova carries it and reads it nowhere.
    pub resource_uuid: Option<String>,
    /// oslo.context's field of this name; Nova carries it and reads it nowhere.
    pub read_only: bool,
    /// oslo.context's parallel of `read_deleted`; Nova carries it and reads it nowhere.
    pub show_deleted: bool,
    /// Where tokens and endpoints come from, where it is not the context's own token and catalog (Nova's
    /// `user_auth_plugin`). Never on the wire.
    pub plugin: Option<Arc<dyn AuthPlugin>>,
    /// Policies and journal; the default grants no token to anybody. Never on the wire.
    pub guard: Arc<Guard>,
}

/// Which door a context came in through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provenance {
    /// A request whose headers a verifier confirmed.
    Request,
    /// A message from the bus.
    Rpc,
    /// Work of this process's own, by the task's name.
    Background(&'static str),
}

/// Whether these are an administrator's parts: what the guard's policy says in `context_is_admin`, or whether they
/// carry the role `admin` where there is no such rule (1.2).
pub(crate) fn computed_admin(parts: &RequestParts) -> bool {
    let creds = Creds {
        identity: &parts.identity,
        service: parts.service.as_ref(),
        roles: &parts.roles,
        is_admin: None,
    };
    let by_rule = (parts.guard.policy.as_ref()).and_then(|policy| policy.is_admin(&creds));
    by_rule.unwrap_or_else(|| parts.roles.contains(ADMIN))
}

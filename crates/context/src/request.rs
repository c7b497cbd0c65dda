//! The request context itself: immutable, cheap to clone, made by a constructor that names its provenance.
//!
//! It does not target cells, check policies or open anything; it only says who asks, with what, by when.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::audit::{AuditEvent, AuditOutcome, TracingAudit};
use crate::deadline::Deadline;
use crate::id::RequestId;
use crate::identity::Identity;
use crate::read_deleted::ReadDeleted;
use crate::role::Roles;
use crate::token::AuthToken;

/// The role that makes a context an administrator's (Nova's default rule `context_is_admin`).
const ADMIN_ROLE: &str = "admin";

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
}

/// Who asks, on whose behalf, with which credentials, by when.
///
/// A context is never changed; every `with_..` returns a new one that shares what is the same.
#[derive(Clone)]
pub struct RequestContext(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    identity: Arc<Identity>,
    roles: Roles,
    is_admin: bool,
    token: Option<AuthToken>,
    request_id: RequestId,
    global_request_id: Option<RequestId>,
    remote_address: Option<IpAddr>,
    quota_class: Option<Arc<str>>,
    timestamp: SystemTime,
    read_deleted: ReadDeleted,
    deadline: Option<Deadline>,
    task: Option<&'static str>,
}

impl RequestContext {
    /// The context of a request whose headers a verifier has confirmed.
    #[must_use]
    pub fn for_request(parts: RequestParts) -> Self {
        Self(Arc::new(Inner {
            is_admin: parts.roles.contains(ADMIN_ROLE),
            identity: Arc::new(parts.identity),
            roles: parts.roles,
            token: parts.token,
            request_id: parts.request_id.unwrap_or_else(RequestId::random),
            global_request_id: parts.global_request_id,
            remote_address: parts.remote_address,
            quota_class: parts.quota_class.map(Into::into),
            timestamp: SystemTime::now(),
            read_deleted: ReadDeleted::No,
            deadline: None,
            task: None,
        }))
    }

    /// The context of work nobody asked for over the network: a periodic task, an operator's command.
    /// `task` names it in logs and audit events.
    #[must_use]
    pub fn for_background(task: &'static str, identity: Identity, roles: Roles) -> Self {
        let parts = RequestParts {
            identity,
            roles,
            ..RequestParts::default()
        };
        Self::for_request(parts).changed(|inner| inner.task = Some(task))
    }

    /// Whom the request speaks for.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The roles it holds.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.0.roles
    }

    /// Whether it is an administrator's: holds the role `admin`, or was elevated.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.0.is_admin
    }

    /// This request's id, for every log line.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        &self.0.request_id
    }

    /// The id of the whole chain of requests this one is part of, where the caller gave one.
    #[must_use]
    pub fn global_request_id(&self) -> Option<&RequestId> {
        self.0.global_request_id.as_ref()
    }

    /// Where the request came from.
    #[must_use]
    pub fn remote_address(&self) -> Option<IpAddr> {
        self.0.remote_address
    }

    /// The user's token, where the request brought one.
    #[must_use]
    pub fn token(&self) -> Option<&AuthToken> {
        self.0.token.as_ref()
    }

    /// The quota class, where an operator uses them.
    #[must_use]
    pub fn quota_class(&self) -> Option<&str> {
        self.0.quota_class.as_deref()
    }

    /// When the context was made.
    #[must_use]
    pub fn timestamp(&self) -> SystemTime {
        self.0.timestamp
    }

    /// Whether soft-deleted rows are wanted.
    #[must_use]
    pub fn read_deleted(&self) -> ReadDeleted {
        self.0.read_deleted
    }

    /// By when the caller wants its answer.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.0.deadline
    }

    /// The background task's name, for contexts of one.
    #[must_use]
    pub fn task(&self) -> Option<&'static str> {
        self.0.task
    }

    /// The same request with a deadline, or with the earlier of the one it has and this one.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        let deadline = self
            .0
            .deadline
            .map_or(deadline, |held| held.earliest(deadline));
        self.changed(|inner| inner.deadline = Some(deadline))
    }

    /// The same request, wanting deleted rows or not.
    #[must_use]
    pub fn with_read_deleted(&self, mode: ReadDeleted) -> Self {
        self.changed(|inner| inner.read_deleted = mode)
    }

    /// The same request with an administrator's rights. The reason goes to the audit trail.
    #[must_use]
    pub fn elevated(&self, why: &str) -> Self {
        let mut event = AuditEvent::new("context/elevate", AuditOutcome::Success).reason(why);
        event.request_id = Some(self.0.request_id.clone());
        event.user.clone_from(&self.0.identity.user.id);
        event.project.clone_from(&self.0.identity.project.id);
        TracingAudit::write(&event);
        self.changed(|inner| {
            inner.is_admin = true;
            inner.roles = inner.roles.with(ADMIN_ROLE);
        })
    }

    fn changed(&self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner::clone(&self.0);
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids only: names are personal data, the token is a secret, the rest is noise in a log line.
        f.debug_struct("RequestContext")
            .field("request_id", &self.0.request_id.as_str())
            .field("user", &self.0.identity.user.id)
            .field("project", &self.0.identity.project.id)
            .field("is_admin", &self.0.is_admin)
            .field("read_deleted", &self.0.read_deleted)
            .field("task", &self.0.task)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn member() -> RequestContext {
        RequestContext::for_request(RequestParts {
            roles: ["member"].into_iter().collect(),
            token: AuthToken::parse("gAAAAABcanary-canary-canary-canary".into()).ok(),
            ..RequestParts::default()
        })
    }

    #[test]
    fn elevating_gives_a_new_context_and_leaves_the_old_one() {
        let plain = member();
        let admin = plain.elevated("reading the marker's row");
        assert!(admin.is_admin() && admin.roles().contains("admin"));
        assert!(!plain.is_admin() && !plain.roles().contains("admin"));
        assert_eq!(plain.request_id(), admin.request_id());
    }

    #[test]
    fn a_deadline_only_shrinks() {
        let soon = Deadline::after(Duration::from_secs(1));
        let late = Deadline::after(Duration::from_secs(9));
        assert_eq!(
            member().with_deadline(soon).with_deadline(late).deadline(),
            Some(soon)
        );
        assert_eq!(
            member().with_deadline(late).with_deadline(soon).deadline(),
            Some(soon)
        );
    }

    #[test]
    fn debug_shows_no_token() {
        assert!(!format!("{:?}", member()).contains("canary"));
    }
}

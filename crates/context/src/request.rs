//! The request context itself: immutable, cheap to clone, made by a constructor that names its provenance.
//!
//! It does not target cells, check policies or open anything; it only says who asks, with what, by when.

use std::fmt;
use std::net::IpAddr;
use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use crate::audit::{AuditEvent, AuditOutcome, NotAudited};
use crate::auth::{Auth, AuthError, AuthPlugin, CatalogAuth, Guard};
use crate::catalog::ServiceCatalog;
use crate::deadline::Deadline;
use crate::id::RequestId;
use crate::identity::{Identity, ServiceIdentity};
use crate::parts::{Provenance, RequestParts, computed_admin};
use crate::policy::Creds;
use crate::read_deleted::ReadDeleted;
use crate::role::{ADMIN, Roles};
use crate::token::AuthToken;

/// Who asks, on whose behalf, with which credentials, by when.
///
/// A context is never changed; every `with_..` returns a new one that shares what is the same.
#[derive(Clone)]
pub struct RequestContext {
    inner: Arc<Inner>,
    // Every call of many cells sets it, so it costs no copy of the rest.
    deadline: Option<Deadline>,
}

#[derive(Clone)]
struct Inner {
    // What never differs between a context and those made from it is behind one more reference.
    shared: Arc<Shared>,
    roles: Roles,
    is_admin: bool,
    request_id: RequestId,
    global_request_id: Option<RequestId>,
    read_deleted: ReadDeleted,
}

struct Shared {
    identity: Identity,
    service: Option<ServiceIdentity>,
    token: Option<AuthToken>,
    plugin: Arc<dyn AuthPlugin>,
    own_plugin: bool,
    guard: Arc<Guard>,
    catalog: ServiceCatalog,
    remote_address: Option<IpAddr>,
    quota_class: Option<String>,
    timestamp: SystemTime,
    resource_uuid: Option<String>,
    read_only: bool,
    show_deleted: bool,
    provenance: Provenance,
}

impl RequestContext {
    /// The context of a request whose headers a verifier has confirmed.
    #[must_use]
    pub fn for_request(parts: RequestParts) -> Self {
        let is_admin = computed_admin(&parts);
        Self::build(parts, is_admin, Provenance::Request)
    }

    /// The context of work nobody asked for over the network: a periodic task, an operator's command.
    /// `task` names it in logs and audit events.
    #[must_use]
    pub fn for_background(task: &'static str, identity: Identity, roles: Roles) -> Self {
        Self::for_background_with(
            task,
            RequestParts {
                identity,
                roles,
                ..RequestParts::default()
            },
        )
    }

    /// As [`for_background`](Self::for_background), for work that brings more: a service user's plugin and catalog,
    /// the process's own guard instead of the default one.
    #[must_use]
    pub fn for_background_with(task: &'static str, parts: RequestParts) -> Self {
        let is_admin = computed_admin(&parts);
        Self::build(parts, is_admin, Provenance::Background(task))
    }

    pub(crate) fn build(parts: RequestParts, is_admin: bool, provenance: Provenance) -> Self {
        let own_plugin = parts.plugin.is_some();
        let plugin = parts.plugin.unwrap_or_else(|| {
            let service = parts.service.as_ref().and_then(|s| s.token.clone());
            let own = CatalogAuth::new(parts.token.clone(), parts.catalog.clone());
            Arc::new(own.with_service_token(service))
        });
        let inner = Inner {
            roles: parts.roles,
            is_admin,
            request_id: parts.request_id.unwrap_or_else(RequestId::random),
            global_request_id: parts.global_request_id,
            read_deleted: parts.read_deleted,
            shared: Arc::new(Shared {
                identity: parts.identity,
                service: parts.service,
                token: parts.token,
                plugin,
                own_plugin,
                guard: parts.guard,
                catalog: parts.catalog,
                remote_address: parts.remote_address,
                quota_class: parts.quota_class,
                timestamp: parts.timestamp.unwrap_or_else(SystemTime::now),
                resource_uuid: parts.resource_uuid,
                read_only: parts.read_only,
                show_deleted: parts.show_deleted,
                provenance,
            }),
        };
        Self {
            inner: Arc::new(inner),
            deadline: None,
        }
    }

    /// Everything again as parts: what a wire form is written from.
    #[cfg(feature = "serde")]
    pub(crate) fn to_parts(&self) -> RequestParts {
        let shared = &self.inner.shared;
        RequestParts {
            identity: shared.identity.clone(),
            roles: self.inner.roles.clone(),
            token: shared.token.clone(),
            request_id: Some(self.inner.request_id.clone()),
            global_request_id: self.inner.global_request_id.clone(),
            remote_address: shared.remote_address,
            quota_class: shared.quota_class.clone(),
            service: shared.service.clone(),
            catalog: shared.catalog.clone(),
            timestamp: Some(shared.timestamp),
            read_deleted: self.inner.read_deleted,
            resource_uuid: shared.resource_uuid.clone(),
            read_only: shared.read_only,
            show_deleted: shared.show_deleted,
            plugin: shared.own_plugin.then(|| shared.plugin.clone()),
            guard: shared.guard.clone(),
        }
    }

    /// Whom the request speaks for.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.inner.shared.identity
    }

    /// The roles it holds.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.inner.roles
    }

    /// Whether it is an administrator's: holds the role `admin`, or was elevated.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.inner.is_admin
    }

    /// This request's id, for every log line.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        &self.inner.request_id
    }

    /// The id of the whole chain of requests this one is part of, where the caller gave one.
    #[must_use]
    pub fn global_request_id(&self) -> Option<&RequestId> {
        self.inner.global_request_id.as_ref()
    }

    /// Where the request came from.
    #[must_use]
    pub fn remote_address(&self) -> Option<IpAddr> {
        self.inner.shared.remote_address
    }

    /// This context's credentials, behind policy and audit.
    ///
    /// # Errors
    /// [`AuthError::NoToken`] for anonymous contexts and background tasks that brought no plugin.
    pub fn auth(&self) -> Result<Auth<'_>, AuthError> {
        let shared = &self.inner.shared;
        if shared.token.is_none() && !shared.own_plugin {
            return Err(AuthError::NoToken);
        }
        Ok(Auth::new(self, &*shared.plugin))
    }

    /// The context's side of a policy check.
    pub(crate) fn creds(&self) -> Creds<'_> {
        Creds {
            identity: &self.inner.shared.identity,
            service: self.inner.shared.service.as_ref(),
            roles: &self.inner.roles,
            is_admin: Some(self.inner.is_admin),
        }
    }

    /// Policies and journal of this context.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.inner.shared.guard
    }

    /// An audit event with this request as its initiator.
    #[must_use]
    pub fn event(&self, action: &'static str, outcome: AuditOutcome) -> AuditEvent {
        let mut event = AuditEvent::new(action, outcome);
        event.request_id = Some(self.inner.request_id.clone());
        event.user.clone_from(&self.inner.shared.identity.user.id);
        event
            .project
            .clone_from(&self.inner.shared.identity.project.id);
        event.address = self.inner.shared.remote_address;
        event
    }

    /// The user's token, where the request brought one. Its text needs a grant: see [`auth`](Self::auth).
    #[must_use]
    pub fn token(&self) -> Option<&AuthToken> {
        self.inner.shared.token.as_ref()
    }

    /// The quota class, where an operator uses them.
    #[must_use]
    pub fn quota_class(&self) -> Option<&str> {
        self.inner.shared.quota_class.as_deref()
    }

    /// When the context was made.
    #[must_use]
    pub fn timestamp(&self) -> SystemTime {
        self.inner.shared.timestamp
    }

    /// Whether soft-deleted rows are wanted.
    #[must_use]
    pub fn read_deleted(&self) -> ReadDeleted {
        self.inner.read_deleted
    }

    /// By when the caller wants its answer.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// The background task's name, for contexts of one.
    #[must_use]
    pub fn task(&self) -> Option<&'static str> {
        match self.inner.shared.provenance {
            Provenance::Background(task) => Some(task),
            Provenance::Request | Provenance::Rpc => None,
        }
    }

    /// Which door it came in through.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.inner.shared.provenance
    }

    /// The service that passed the request on, as its own token says.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceIdentity> {
        self.inner.shared.service.as_ref()
    }

    /// Where the cloud's other services answer, for this request.
    #[must_use]
    pub fn catalog(&self) -> &ServiceCatalog {
        &self.inner.shared.catalog
    }

    /// oslo.context's field of this name, carried for Nova's sake.
    #[must_use]
    pub fn resource_uuid(&self) -> Option<&str> {
        self.inner.shared.resource_uuid.as_deref()
    }

    /// oslo.context's field of this name, carried for Nova's sake.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.inner.shared.read_only
    }

    /// oslo.context's field of this name, carried for Nova's sake.
    #[must_use]
    pub fn show_deleted(&self) -> bool {
        self.inner.shared.show_deleted
    }

    /// A request of its own that this one causes: a fresh request id, everything else as it is. The chain's id
    /// (`global_request_id`) is this request's where it has none yet, so that both are found together.
    #[must_use]
    pub fn child(&self) -> Self {
        let chain = self.inner.global_request_id.as_ref();
        let chain = chain.unwrap_or(&self.inner.request_id).clone();
        self.changed(|inner| {
            inner.global_request_id = Some(chain);
            inner.request_id = RequestId::random();
        })
    }

    /// The same request with only those of its roles that `roles` lists, too; an administrator's rights go with the
    /// role `admin`. For handing work to code that needs less.
    #[must_use]
    pub fn restricted_to(&self, roles: &Roles) -> Self {
        self.changed(|inner| {
            inner.roles = inner.roles.intersect(roles);
            inner.is_admin = inner.is_admin && inner.roles.contains(ADMIN);
        })
    }

    /// The same request with a deadline, or with the earlier of the one it has and this one.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        let held = self.deadline;
        Self {
            inner: Arc::clone(&self.inner),
            deadline: Some(held.map_or(deadline, |held| held.earliest(deadline))),
        }
    }

    /// The same request, wanting deleted rows or not.
    #[must_use]
    pub fn with_read_deleted(&self, mode: ReadDeleted) -> Self {
        self.changed(|inner| inner.read_deleted = mode)
    }

    /// The same request with an administrator's rights. The reason goes to the audit trail. Where that must keep it
    /// and cannot, the context comes back as it is, without the rights: see [`try_elevated`](Self::try_elevated).
    #[must_use]
    #[track_caller]
    pub fn elevated(&self, why: &str) -> Self {
        self.try_elevated(why).unwrap_or_else(|_| self.clone())
    }

    /// The same request with an administrator's rights, or the reason why that could not be written down.
    ///
    /// # Errors
    /// [`NotAudited`] where a sink failed and elevation fails closed; the failure is logged already.
    #[track_caller]
    pub fn try_elevated(&self, why: &str) -> Result<Self, NotAudited> {
        let event = self
            .event("context/elevate", AuditOutcome::Success)
            .location(Location::caller())
            .reason(why);
        self.inner.shared.guard.journal.record(&event)?;
        Ok(self.changed(|inner| {
            inner.is_admin = true;
            inner.roles = inner.roles.with(ADMIN);
        }))
    }

    fn changed(&self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner::clone(&self.inner);
        change(&mut inner);
        Self {
            inner: Arc::new(inner),
            deadline: self.deadline,
        }
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids only: names are personal data, the token is a secret, the rest is noise in a log line.
        f.debug_struct("RequestContext")
            .field("request_id", &self.inner.request_id.as_str())
            .field("user", &self.inner.shared.identity.user.id)
            .field("project", &self.inner.shared.identity.project.id)
            .field("is_admin", &self.inner.is_admin)
            .field("read_deleted", &self.inner.read_deleted)
            .field("provenance", &self.inner.shared.provenance)
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
    fn a_child_keeps_the_chain_and_never_gains_rights() {
        let parent = member();
        let child = parent.child();
        assert_ne!(child.request_id(), parent.request_id());
        assert_eq!(child.global_request_id(), Some(parent.request_id()));
        assert_eq!(child.child().global_request_id(), Some(parent.request_id()));
        assert_eq!((child.roles(), child.is_admin()), (parent.roles(), false));
    }

    #[test]
    fn restricting_takes_roles_and_rights_away_and_never_adds() {
        let admin = member().elevated("test");
        let readers: Roles = ["reader", "member"].into_iter().collect();
        let less = admin.restricted_to(&readers);
        assert_eq!(less.roles(), &["member"].into_iter().collect());
        assert!(!less.is_admin());
    }

    #[test]
    fn debug_shows_no_token() {
        assert!(!format!("{:?}", member()).contains("canary"));
    }
}

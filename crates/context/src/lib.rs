//! Who asks, on whose behalf, with which credentials, by when: Nova's request context, hardened.
//!
//! A [`RequestContext`] is made once, where a request enters the process, by a constructor that says where it
//! came from ([`for_request`](RequestContext::for_request), [`for_background`](RequestContext::for_background)),
//! and is never changed afterwards: [`elevated`](RequestContext::elevated),
//! [`with_deadline`](RequestContext::with_deadline) and
//! [`with_read_deleted`](RequestContext::with_read_deleted) return new values. Cloning costs one reference count.
//!
//! | word | here |
//! | --- | --- |
//! | identity, roles | whom a request speaks for: [`Identity`], [`Roles`], and the service that passes it on: [`ServiceIdentity`] |
//! | token | a secret that is opened by grant only: [`AuthToken`], [`TokenAccess`], [`Guard`], [`GrantedToken`] |
//! | catalog | where the cloud's services answer: [`ServiceCatalog`], [`EndpointQuery`], [`Auth::endpoint`] |
//! | policy | what may be done: [`Policy`], [`RequestContext::can`] |
//! | audit | what was done: [`AuditEvent`], [`AuditJournal`], [`AuditSink`] |
//! | twin | the form in which Nova's peers send a context: `WireContext`, feature `serde` |
//!
//! The module `fidelity` of the documentation compares all of it with Nova, fact by fact.
//!
//! This crate does no I/O but that of the audit file (feature `audit-file`), starts no runtime and reads no
//! thread-local or task-local state. It does not know that cells exist.
//!
//! ```
//! use nova_context::{Deadline, Identity, RequestContext, Roles};
//! use std::time::Duration;
//!
//! let ctx = RequestContext::for_background("nightly-usage", Identity::default(), Roles::admin())
//!     .with_deadline(Deadline::after(Duration::from_secs(60)));
//! assert!(ctx.is_admin());
//! assert!(ctx.deadline().is_some());
//! ```

mod id;
mod role;

mod identity;

mod deadline;
mod read_deleted;

mod audit;
mod catalog;
mod token;

#[cfg(feature = "serde")]
mod loose;
#[cfg(feature = "serde")]
mod timestamp;

mod auth;
mod parts;
mod policy;
mod request;

mod headers;
#[cfg(feature = "serde")]
mod wire;

/// Nova's context and this one, fact by fact.
#[cfg(all(doc, feature = "serde"))]
pub mod fidelity {
    #![doc = include_str!("fidelity.md")]
}

pub use audit::{
    AuditClass, AuditCounts, AuditError, AuditEvent, AuditJournal, AuditOutcome, AuditSink,
    FailMode, NotAudited, TracingAudit,
};
#[cfg(feature = "audit-file")]
pub use audit::{ChainFault, ChainHead, FileAudit, OpenFileAuditError, verify_chain};
pub use auth::{Auth, AuthError, AuthPlugin, CatalogAuth, Endpoint, EndpointPolicy, Guard};
pub use catalog::{
    CatalogError, CatalogFault, CatalogProblem, CatalogRules, EndpointQuery, EndpointUrl,
    Interface, InvalidCatalog, InvalidEndpointUrl, InvalidInterface, NOVA_SERVICE_TYPES,
    RawCatalog, RawEndpoint, RawService, Scheme, ServiceCatalog,
};
#[cfg(feature = "serde")]
pub use catalog::{CatalogForm, CatalogReadError};
pub use deadline::Deadline;
#[cfg(feature = "http")]
pub use headers::{ContextLayer, ContextService};
pub use headers::{
    HeaderFault, HeaderProblem, IDENTITY_HEADERS, InvalidHeaders, UpstreamTrust, VerifiedHeaders,
    is_identity_header,
};
pub use id::{DomainId, InvalidId, ProjectId, RequestId, UserId};
pub use identity::{Domain, Identity, Project, ServiceIdentity, User};
pub use parts::{Provenance, RequestParts};
#[cfg(feature = "serde")]
pub use policy::PolicyFileError;
pub use policy::{
    Forbidden, InvalidPolicy, Policy, PolicyBuilder, PolicyFault, PolicyFile, PolicyProblem,
    RawRule, RuleDefault, Scope, Target, authorize_project, authorize_quota_class, authorize_user,
    is_user_context, nova_defaults, require_context,
};
pub use read_deleted::{ReadDeleted, UnknownReadDeleted};
pub use request::RequestContext;
pub use role::{Role, Roles};
pub use token::{
    AuthToken, Credentials, GrantedToken, InvalidToken, RequestLine, RevokedTokens, TokenAccess,
    TokenFingerprint, TokenGone, TokenKeeper, TokenOwner, TokenPolicy, TokenPurpose, TokenShape,
    TokenVerifier, VerifiedToken, VerifyError,
};
#[cfg(feature = "serde")]
pub use wire::{
    AdminClaim, AdminClaimRefused, InvalidWire, NotItsToken, SecretBuf, TrustPolicy, WireContext,
    WireFault, WireForm, WireProblem, WireRules,
};

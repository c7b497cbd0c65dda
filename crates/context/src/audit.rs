//! The audit seam: what security-relevant thing happened, to whom, with what outcome.
//!
//! Events carry ids and reasons, never secrets. Where they go is a sink's matter; this file has the one that writes
//! to `tracing`.

use crate::id::{ProjectId, RequestId, UserId};

/// How an audited action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was allowed and done.
    Success,
    /// It was refused or went wrong.
    Failure,
}

/// One audited action. The fields follow CADF: action, outcome, initiator, target, reason.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuditEvent {
    /// What was done, dotted: `context/elevate`, `cell/target`, `mapping/refuse`.
    pub action: &'static str,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The request that caused it.
    pub request_id: Option<RequestId>,
    /// The user who asked.
    pub user: Option<UserId>,
    /// The project asked for.
    pub project: Option<ProjectId>,
    /// What it was done to: a cell's id, an endpoint's type.
    pub target: Option<String>,
    /// Why, in the caller's words or the refusing rule's.
    pub reason: Option<String>,
}

impl AuditEvent {
    /// An event of this action and outcome, with nothing else known yet.
    #[must_use]
    pub fn new(action: &'static str, outcome: AuditOutcome) -> Self {
        Self {
            action,
            outcome,
            request_id: None,
            user: None,
            project: None,
            target: None,
            reason: None,
        }
    }

    /// Says what it was done to.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Says why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// A sink could not keep an event.
#[derive(Debug, thiserror::Error)]
#[error("the audit sink `{sink}` did not keep an event")]
pub struct AuditError {
    /// The sink's name.
    pub sink: &'static str,
    /// What went wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Where audit events go. Not async: whoever asks for a token or elevates a context must know at once whether the
/// event was kept. A sink behind a network keeps a bounded queue and fails when that is full.
pub trait AuditSink: Send + Sync {
    /// Keeps one event before it returns.
    ///
    /// # Errors
    /// [`AuditError`] where it could not be kept; the caller decides whether its action may go on.
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError>;
}

/// Writes events to `tracing`, target `nova_audit`. It cannot fail, and keeps nothing by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingAudit;

impl TracingAudit {
    /// Writes one event at once, for code that is not async.
    pub fn write(event: &AuditEvent) {
        tracing::info!(
            target: "nova_audit",
            action = event.action,
            outcome = ?event.outcome,
            request_id = event.request_id.as_ref().map(RequestId::as_str),
            user = event.user.as_ref().map(UserId::as_str),
            project = event.project.as_ref().map(ProjectId::as_str),
            target_id = event.target.as_deref(),
            reason = event.reason.as_deref(),
        );
    }
}

impl AuditSink for TracingAudit {
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        Self::write(event);
        Ok(())
    }
}

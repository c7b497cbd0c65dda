//! The seam behind which events are kept, and the sink that writes them to `tracing`.

use super::event::AuditEvent;
use crate::id::{ProjectId, RequestId, UserId};

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
            address = event.address.map(tracing::field::display),
            component = event.component,
            reason = event.reason.as_deref(),
            location = event.location.map(tracing::field::display),
            event_id = %event.id,
        );
    }
}

impl AuditSink for TracingAudit {
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        Self::write(event);
        Ok(())
    }
}

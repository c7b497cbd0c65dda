//! The audit trail: what security-relevant thing happened, to whom, with what outcome, and where that is kept.
//!
//! Contents page. Events carry ids and reasons, never secrets.

mod class;
mod event;
mod journal;
mod sink;

#[cfg(feature = "audit-file")]
mod cadf;
#[cfg(feature = "audit-file")]
mod chain;
#[cfg(feature = "audit-file")]
mod file;

#[cfg(feature = "audit-file")]
pub use self::chain::{ChainFault, ChainHead, verify_chain};
pub use self::class::{AuditClass, FailMode};
pub use self::event::{AuditEvent, AuditOutcome};
#[cfg(feature = "audit-file")]
pub use self::file::{FileAudit, OpenFileAuditError};
pub use self::journal::{AuditCounts, AuditJournal, NotAudited};
pub use self::sink::{AuditError, AuditSink, TracingAudit};

//! What happened to the mappings and to the cache of opened cells: one event each, for operators and for the audit trail.

use std::time::SystemTime;

use context::{AuditEvent, AuditOutcome};

use crate::error::ErrorClass;
use crate::label::CellLabel;
use crate::problem::InvalidMapping;
use crate::revision::Revision;
use crate::seal::SealState;
use crate::snapshot::Epoch;

/// Why legs were taken out of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The mapping changed.
    Changed,
    /// The mapping is gone, or refused now.
    Removed,
    /// They were opened anew after the soft limit of their age.
    Renewed,
    /// They reached the hard limit of their age.
    Expired,
    /// Nobody used them for long.
    Idle,
    /// Too many cells were open, and these were unused longest.
    Evicted,
    /// Somebody asked for it.
    Invalidated,
}

impl CloseReason {
    /// The name in events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Renewed => "renewed",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::Invalidated => "invalidated",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheEventKind {
    /// A load is in place.
    Reloaded {
        /// Which one.
        epoch: Epoch,
        /// Valid mappings.
        cells: usize,
        /// Refused rows.
        rejected: usize,
    },
    /// A load failed; what was in place stays.
    ReloadFailed {
        /// How.
        class: ErrorClass,
    },
    /// A load came in after one that started later, and was dropped.
    Overtaken {
        /// Which one.
        epoch: Epoch,
    },
    /// A mapping is new.
    Added {
        /// What it says.
        revision: Revision,
    },
    /// A mapping says something else than before, or its name, its state or the list it passed is another.
    Changed {
        /// What it said.
        from: Revision,
        /// What it says.
        to: Revision,
    },
    /// A mapping is gone, or refused now.
    Removed {
        /// What it said.
        revision: Revision,
    },
    /// A row was refused, or is refused for another reason than before.
    Refused {
        /// Why.
        problems: InvalidMapping,
    },
    /// The manifest on disk was not put in force.
    ManifestRefused {
        /// Why.
        state: SealState,
    },
    /// Legs were opened.
    Opened {
        /// Under which content of the mapping.
        revision: Revision,
    },
    /// Legs could not be opened.
    OpenFailed {
        /// How.
        class: ErrorClass,
        /// How many times in a row.
        failures: u32,
    },
    /// Legs were taken out of the cache; who holds them may finish.
    Retired {
        /// Why.
        why: CloseReason,
        /// How many hold them.
        holders: usize,
    },
    /// The last holder of retired legs is done.
    Drained,
    /// Holders of retired legs were over their limit: the connector was told to close all the same.
    Forced {
        /// How many there were.
        holders: usize,
    },
    /// What an operator or a peer asked to be forgotten was forgotten.
    Invalidated,
    /// The mappings must be looked at again: a channel was lost or numbers are missing.
    Suspect,
}

impl CacheEventKind {
    /// The name in audit trails and metrics.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::Reloaded { .. } => "mapping/reload",
            Self::ReloadFailed { .. } => "mapping/reload-failed",
            Self::Overtaken { .. } => "mapping/overtaken",
            Self::Added { .. } => "mapping/add",
            Self::Changed { .. } => "mapping/change",
            Self::Removed { .. } => "mapping/remove",
            Self::Refused { .. } => "mapping/refuse",
            Self::ManifestRefused { .. } => "seal/refuse",
            Self::Opened { .. } => "cell/open",
            Self::OpenFailed { .. } => "cell/open-failed",
            Self::Retired { .. } => "cache/retire",
            Self::Drained => "cache/drained",
            Self::Forced { .. } => "cache/force",
            Self::Invalidated => "cache/invalidate",
            Self::Suspect => "cache/suspect",
        }
    }

    /// Whether it is what is wanted to happen.
    #[must_use]
    pub fn outcome(&self) -> AuditOutcome {
        match self {
            Self::ReloadFailed { .. }
            | Self::Refused { .. }
            | Self::ManifestRefused { .. }
            | Self::OpenFailed { .. }
            | Self::Forced { .. }
            | Self::Suspect => AuditOutcome::Failure,
            Self::Reloaded { .. }
            | Self::Overtaken { .. }
            | Self::Added { .. }
            | Self::Changed { .. }
            | Self::Removed { .. }
            | Self::Opened { .. }
            | Self::Retired { .. }
            | Self::Drained
            | Self::Invalidated => AuditOutcome::Success,
        }
    }

    /// The details, in words. No URL and no address is among them.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Reloaded {
                epoch,
                cells,
                rejected,
            } => Some(format!("epoch {epoch}: {cells} cells, {rejected} refused")),
            Self::Overtaken { epoch } => Some(format!("epoch {epoch}")),
            Self::ReloadFailed { class } => Some(class.to_string()),
            Self::Refused { problems } => Some(problems.to_string()),
            Self::ManifestRefused { state } => Some(state.to_string()),
            Self::Added { revision } | Self::Removed { revision } | Self::Opened { revision } => {
                Some(format!("revision {revision}"))
            }
            Self::Changed { from, to } if from == to => Some(format!(
                "its name, or whether it is disabled; revision {to} stays"
            )),
            Self::Changed { from, to } => Some(format!("revision {from} to {to}")),
            Self::OpenFailed { class, failures } => Some(format!("{class}, {failures} in a row")),
            Self::Retired { why, holders } => Some(format!("{}, {holders} holders", why.as_str())),
            Self::Forced { holders } => Some(format!("{holders} holders")),
            Self::Drained | Self::Invalidated | Self::Suspect => None,
        }
    }
}

/// One event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CacheEvent {
    /// Counts events from 1, without gaps: a reader sees whether it missed some.
    pub sequence: u64,
    /// When.
    pub at: SystemTime,
    /// Which cell; none where it is about all of them.
    pub cell: Option<CellLabel>,
    /// What.
    pub kind: CacheEventKind,
}

impl CacheEvent {
    /// The same as an entry of the audit trail.
    #[must_use]
    pub fn to_audit(&self) -> AuditEvent {
        let mut event = AuditEvent::new(self.kind.action(), self.kind.outcome()).component("cells");
        event.time = self.at;
        event.target = self.cell.as_ref().map(ToString::to_string);
        event.reason = self.kind.reason();
        event
    }
}

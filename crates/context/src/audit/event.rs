//! One audited action, in CADF's shape (DMTF DSP0262): action, outcome, initiator, target, reason.
//!
//! Plain data; where it goes is a sink's matter.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use uuid::{Builder, Uuid};

use super::class::AuditClass;
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
    /// Identifies this event among all.
    pub id: Uuid,
    /// When it happened.
    pub time: SystemTime,
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
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// Which part of this process acted: `connect`, `rpc`.
    pub component: Option<&'static str>,
    /// What it was done to: a cell's id, an endpoint's type.
    pub target: Option<String>,
    /// Why, in the caller's words or the refusing rule's.
    pub reason: Option<String>,
    /// The line of code that asked.
    pub location: Option<&'static Location<'static>>,
}

/// Identifies an event among all, in the form of a random UUID: a number put through keyed hashes whose keys this process
/// drew once. Drawing 16 bytes anew would be a system call, half the cost of an event.
fn next_id() -> Uuid {
    static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let keys = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 16];
    for (half, key) in bytes.chunks_exact_mut(8).zip(keys) {
        half.copy_from_slice(&key.hash_one(count).to_be_bytes());
    }
    Builder::from_random_bytes(bytes).into_uuid()
}

impl AuditEvent {
    /// An event of this action and outcome, now, with nothing else known yet.
    #[must_use]
    pub fn new(action: &'static str, outcome: AuditOutcome) -> Self {
        Self {
            id: next_id(),
            time: SystemTime::now(),
            action,
            outcome,
            request_id: None,
            user: None,
            project: None,
            address: None,
            component: None,
            target: None,
            reason: None,
            location: None,
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

    /// Says which part of the process acted.
    #[must_use]
    pub fn component(mut self, component: &'static str) -> Self {
        self.component = Some(component);
        self
    }

    /// Says which line of code asked.
    #[must_use]
    pub fn location(mut self, location: &'static Location<'static>) -> Self {
        self.location = Some(location);
        self
    }

    /// The event's class.
    #[must_use]
    pub fn class(&self) -> AuditClass {
        AuditClass::of(self.action)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_event_has_an_id_of_its_own_in_the_form_of_a_random_one() {
        let ids: HashSet<Uuid> = (0..10_000)
            .map(|_| AuditEvent::new("a/b", AuditOutcome::Success).id)
            .collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
    }
}

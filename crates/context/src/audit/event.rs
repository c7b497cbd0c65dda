//! One audited action, in CADF's shape (DMTF DSP0262): action, outcome, initiator, target, reason.
//!
//! Plain data; where it goes is a sink's matter.

use std::net::IpAddr;
use std::panic::Location;
use std::time::SystemTime;

use uuid::Uuid;

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

impl AuditEvent {
    /// An event of this action and outcome, now, with nothing else known yet.
    #[must_use]
    pub fn new(action: &'static str, outcome: AuditOutcome) -> Self {
        Self {
            id: Uuid::new_v4(),
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

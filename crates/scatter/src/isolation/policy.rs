//! How much of one cell each class of callers may hold, and what is on at all.

use std::time::Duration;

/// What callers are for. Each class has permits of its own in every cell, so that none can use up another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PermitClass {
    /// Somebody waits for one thing.
    #[default]
    Interactive,
    /// Somebody waits for a list.
    Listing,
    /// Nobody waits: periodic work.
    Periodic,
}

impl PermitClass {
    /// The name in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Listing => "listing",
            Self::Periodic => "periodic",
        }
    }

    /// Its place in tables of classes.
    pub(super) const fn at(self) -> usize {
        match self {
            Self::Interactive => 0,
            Self::Listing => 1,
            Self::Periodic => 2,
        }
    }
}

/// What a piece of work does to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something, and done twice is as done once.
    Idempotent,
    /// Changes something. What nobody has said anything about is this.
    #[default]
    Mutating,
}

impl Effect {
    /// Whether it may be done again when nobody knows whether it was done.
    #[must_use]
    pub fn may_repeat(self) -> bool {
        match self {
            Self::Read | Self::Idempotent => true,
            Self::Mutating => false,
        }
    }

    /// The name in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Idempotent => "idempotent",
            Self::Mutating => "mutating",
        }
    }
}

/// What stands between callers and cells. Permits are on; breakers and retries are off until asked for.
#[derive(Debug, Clone, Default)]
pub struct IsolationPolicy {
    /// Permits per cell and class.
    pub bulkhead: BulkheadPolicy,
    /// Breakers per cell: off.
    pub breaker: Option<BreakerPolicy>,
    /// Retries: off.
    pub retry: Option<RetryPolicy>,
}

/// Permits of one cell.
#[derive(Debug, Clone)]
pub struct BulkheadPolicy {
    /// Works at the same time for [`PermitClass::Interactive`]: 32.
    pub interactive: usize,
    /// For [`PermitClass::Listing`]: 16.
    pub listing: usize,
    /// For [`PermitClass::Periodic`]: 4.
    pub periodic: usize,
    /// Works of each class that may wait for a permit: 256. Beyond it they are refused.
    pub waiting: usize,
}

impl Default for BulkheadPolicy {
    fn default() -> Self {
        Self {
            interactive: 32,
            listing: 16,
            periodic: 4,
            waiting: 256,
        }
    }
}

/// When a cell is left alone for a while. Breakers open on a probe and on nothing else: turn them on together with a
/// `Prober`.
#[derive(Debug, Clone)]
pub struct BreakerPolicy {
    /// Bad ends in a row that make a cell suspect: 5. A suspect cell is still asked; a probe decides.
    pub suspect_after: u32,
    /// How long an open breaker waits for its next probe: 5 s.
    pub open_for: Duration,
    /// Works let through at the same time after a good probe: 1.
    pub trials: u32,
    /// Good ones of them that close the breaker: 3.
    pub close_after: u32,
    /// The most cells of a hundred that may be left alone at the same time: 50. When everything fails, the fault is
    /// nearer than the cells.
    pub max_ejected_percent: usize,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            suspect_after: 5,
            open_for: Duration::from_secs(5),
            trials: 1,
            close_after: 3,
            max_ejected_percent: 50,
        }
    }
}

/// How much of the load may be work that is done again. Only what [may repeat](Effect::may_repeat) and failed with a
/// class that says so is retried, at once, within its budget.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Calls of one work, the first included: 2.
    pub attempts: u32,
    /// Tokens one cell can save up: 10. A retry takes one.
    pub per_cell: u32,
    /// Tokens the process can save up: 100.
    pub per_process: u32,
    /// Tokens that a hundred works earn: 10, for retries of at most a tenth of the load.
    pub earned_percent: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 2,
            per_cell: 10,
            per_process: 100,
            earned_percent: 10,
        }
    }
}

//! Kinds of audited actions, and what happens when an event of a kind cannot be kept.
//!
//! The kind follows from the action's name, so that a new action of a later crate has one without asking here.

/// What kind of action an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AuditClass {
    /// `token/..`: somebody asked for a token's text.
    Token,
    /// `endpoint/..`: somebody asked where a service answers.
    Endpoint,
    /// `context/..`: a context gained rights.
    Elevation,
    /// `policy/..`: a rule refused.
    Policy,
    /// `cell/..`: a request was bound to a cell.
    Targeting,
    /// `seal/..` and `mapping/..`: mappings were signed, checked, refused.
    Sealing,
    /// `cache/..`: something known was forgotten on purpose.
    Invalidation,
    /// Anything else.
    Other,
}

impl AuditClass {
    /// Every class, in the order of [`index`](Self::index).
    pub(super) const ALL: [Self; 8] = [
        Self::Token,
        Self::Endpoint,
        Self::Elevation,
        Self::Policy,
        Self::Targeting,
        Self::Sealing,
        Self::Invalidation,
        Self::Other,
    ];

    /// The class of an action by the part of its name before the first `/`.
    #[must_use]
    pub fn of(action: &str) -> Self {
        match action.split('/').next().unwrap_or_default() {
            "token" => Self::Token,
            "endpoint" => Self::Endpoint,
            "context" => Self::Elevation,
            "policy" => Self::Policy,
            "cell" => Self::Targeting,
            "seal" | "mapping" => Self::Sealing,
            "cache" => Self::Invalidation,
            _ => Self::Other,
        }
    }

    pub(super) fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|class| *class == self)
            .unwrap_or(Self::ALL.len() - 1)
    }
}

/// What becomes of an action whose event could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailMode {
    /// The action goes on; the loss is counted and logged.
    Open,
    /// The action is refused.
    Closed,
}

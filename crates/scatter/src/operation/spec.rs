//! What an operation is.

use std::time::Duration;

use crate::isolation::{Effect, PermitClass};

/// What one cell may give back, and how long it may take for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows: 10,000.
    pub rows: usize,
    /// Bytes, as the work counts them: 64 MiB.
    pub bytes: usize,
    /// Time in one cell: 60 s.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 10_000,
            bytes: 64 << 20,
            time: Duration::from_secs(60),
        }
    }
}

/// What is known of an operation without its types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationSpec {
    /// Its name: lower case letters, digits, `.`, `_`, `-`; at most 64.
    pub name: &'static str,
    /// Changes whenever what it does changes.
    pub version: u32,
    /// What it does to a cell.
    pub effect: Effect,
    /// Whose permits it takes.
    pub class: PermitClass,
    /// What a cell may give back.
    pub limits: Limits,
}

/// A value that an operation does not take or should not have given. The text is the operation's own and goes to callers:
/// it names the rule, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub &'static str);

/// A piece of work with a name, and rules for what goes in and comes out.
pub trait Operation: Send + Sync + 'static {
    /// What every cell's work is given.
    type Input: Send + Sync + 'static;
    /// What each cell answers with.
    type Output: Send + 'static;

    /// Name, version, effect, limits: the same at every call.
    fn spec(&self) -> OperationSpec;

    /// Checks what goes in, once, before any cell is asked.
    ///
    /// # Errors
    /// [`InvalidValue`] with the rule that it breaks.
    fn check_input(&self, input: &Self::Input) -> Result<(), InvalidValue>;

    /// Checks what one cell gave. A value that breaks a rule is that cell's failure.
    ///
    /// # Errors
    /// [`InvalidValue`] with the rule that it breaks.
    fn check_output(&self, output: &Self::Output) -> Result<(), InvalidValue>;
}

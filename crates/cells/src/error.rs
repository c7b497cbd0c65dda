//! What leaves a cell when something goes wrong: a class that says who should act, and details for the log alone.
//!
//! Drivers put URLs, statements and rows into their errors. So a [`CellError`] prints its class and nothing else, has
//! no `source()`, and gives its detail only through [`CellError::detail`], for a log that is protected.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Nothing answers there: refused, reset, no route, no such file.
    Unreachable,
    /// The login was refused.
    Authentication,
    /// TLS could not be set up, or the peer is not who it should be.
    Tls,
    /// Time ran out inside the cell's own machinery.
    Timeout,
    /// Too much at once: a full pool, a full queue, a held lock.
    Overloaded,
    /// The database lacks a table or column that Nova's has.
    Schema,
    /// The statement was refused or failed.
    Statement,
    /// What came back could not be understood.
    Decode,
    /// More came back than the caller allowed.
    Limit,
    /// The mapping or a setting asks for something this build or this policy does not have.
    Configuration,
    /// The caller may not do this.
    Forbidden,
    /// The caller's own request makes no sense.
    Request,
    /// The work panicked.
    Panicked,
    /// Our own fault.
    Internal,
}

/// Who should act on a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Who asked.
    Caller,
    /// The operators of the cell.
    Cell,
    /// This process.
    Us,
}

impl ErrorClass {
    /// The name in reports and JSON documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Authentication => "authentication",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::Schema => "schema",
            Self::Statement => "statement",
            Self::Decode => "decode",
            Self::Limit => "limit",
            Self::Configuration => "configuration",
            Self::Forbidden => "forbidden",
            Self::Request => "request",
            Self::Panicked => "panicked",
            Self::Internal => "internal",
        }
    }

    /// Whether asking again, a little later, may go better without anybody acting.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::Overloaded => true,
            Self::Authentication
            | Self::Tls
            | Self::Schema
            | Self::Statement
            | Self::Decode
            | Self::Limit
            | Self::Configuration
            | Self::Forbidden
            | Self::Request
            | Self::Panicked
            | Self::Internal => false,
        }
    }

    /// Who should act.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::Unreachable
            | Self::Authentication
            | Self::Tls
            | Self::Timeout
            | Self::Overloaded
            | Self::Schema
            | Self::Statement
            | Self::Decode => Fault::Cell,
            Self::Limit | Self::Forbidden | Self::Request => Fault::Caller,
            Self::Configuration | Self::Panicked | Self::Internal => Fault::Us,
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure inside one cell. Clones share the detail: one failed opening is told to everybody who waited for it.
#[derive(Clone)]
pub struct CellError {
    class: ErrorClass,
    detail: Arc<dyn Error + Send + Sync>,
}

impl CellError {
    /// A failure of this class; the detail goes to protected logs only.
    #[must_use]
    pub fn new(class: ErrorClass, detail: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            class,
            detail: Arc::from(detail.into()),
        }
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// What happened in the driver's words: may name hosts, statements and rows. For protected logs.
    #[must_use]
    pub fn detail(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.detail
    }
}

impl fmt::Display for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.class.fmt(f)
    }
}

impl fmt::Debug for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CellError({})", self.class)
    }
}

impl Error for CellError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_its_class_and_never_its_detail() {
        let error = CellError::new(
            ErrorClass::Unreachable,
            "connecting to mysql://u:hunter2@h failed",
        );
        assert_eq!(
            format!("{error} {error:?}"),
            "unreachable CellError(unreachable)"
        );
        assert!(error.source().is_none());
        assert!(error.detail().to_string().contains("hunter2"));
    }
}

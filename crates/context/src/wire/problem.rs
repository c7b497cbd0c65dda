//! What is wrong with a wire context: every problem at once, by key, and never a value.

use std::fmt;

use crate::catalog::InvalidCatalog;
use crate::id::InvalidId;
use crate::token::InvalidToken;

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireFault {
    /// Another kind of JSON value than belongs there.
    #[error("is not {expected}")]
    Kind {
        /// What belongs there.
        expected: &'static str,
    },
    /// The key stands there twice: a message that two readers could take for two contexts.
    #[error("is there twice")]
    Repeated,
    /// Not an id.
    #[error("is malformed: {0}")]
    Id(InvalidId),
    /// Not a token.
    #[error("is malformed: {0}")]
    Token(InvalidToken),
    /// Not `no`, `yes` or `only`.
    #[error("is not one of `no`, `yes`, `only`")]
    ReadDeleted,
    /// Not `YYYY-MM-DDTHH:MM:SS.ffffff`.
    #[error("is not a time of the form YYYY-MM-DDTHH:MM:SS.ffffff")]
    Timestamp,
    /// Not an IP address.
    #[error("is not an ip address")]
    Address,
    /// Over 255 characters, or with control characters.
    #[error("is over 255 characters or has control characters")]
    Text,
    /// More roles than anybody has.
    #[error("has more than {limit} entries")]
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
    /// A catalog that is no catalog.
    #[error("is malformed: {0}")]
    Catalog(InvalidCatalog),
}

/// A fault and its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {fault}")]
pub struct WireProblem {
    /// The key without the `_context_` prefix.
    pub key: &'static str,
    /// What is wrong.
    pub fault: WireFault,
}

/// A wire context is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidWire {
    /// Not a JSON object, or not JSON at all. serde's text is left out: it may quote the input.
    NotAnObject {
        /// Where the reader gave up.
        line: usize,
        /// Where the reader gave up.
        column: usize,
    },
    /// More bytes than the rules allow.
    TooLong {
        /// How many are allowed.
        limit: usize,
    },
    /// An object whose values are not a context's.
    Problems(Vec<WireProblem>),
}

impl fmt::Display for InvalidWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject { line, column } => write!(
                f,
                "the context is not a JSON object (line {line}, column {column})"
            ),
            Self::TooLong { limit } => write!(f, "the context is longer than {limit} bytes"),
            Self::Problems(problems) => {
                f.write_str("the context is malformed: ")?;
                for (index, problem) in problems.iter().enumerate() {
                    write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for InvalidWire {}

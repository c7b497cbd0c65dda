//! What is wrong with a request's identity headers: every problem at once, by header, never a value.

use std::fmt;

use crate::id::InvalidId;
use crate::token::InvalidToken;

/// What is wrong with one header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// There twice: two readers could take two identities from it.
    #[error("is there twice")]
    Repeated,
    /// Spelled with `_`, which a CGI gateway takes for the real one.
    #[error("is spelled with `_`")]
    LookAlike,
    /// Says something about a service whose token nobody confirmed.
    #[error("speaks of a service that was not confirmed")]
    Unconfirmed,
    /// Not visible text.
    #[error("is not visible text")]
    NotText,
    /// Over-long or with control characters.
    #[error("is over 255 characters or has control characters")]
    Text,
    /// Not an id.
    #[error("is malformed: {0}")]
    Id(InvalidId),
    /// Not a token.
    #[error("is malformed: {0}")]
    Token(InvalidToken),
    /// Not a catalog.
    #[error("is not a service catalog")]
    Catalog,
}

/// A fault and its header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{header}` {fault}")]
pub struct HeaderProblem {
    /// The header's name in lower case.
    pub header: &'static str,
    /// What is wrong.
    pub fault: HeaderFault,
}

/// Headers do not make an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHeaders {
    /// No `X-Identity-Status: Confirmed`: nobody verified them. A 401.
    NotConfirmed,
    /// Confirmed, but without a user's id. A 401, as Nova has it.
    NoUser,
    /// Confirmed, but malformed: somebody in between is broken or lying. A 400.
    Problems(Vec<HeaderProblem>),
}

impl fmt::Display for InvalidHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfirmed => f.write_str("the identity headers were not confirmed"),
            Self::NoUser => f.write_str("the identity headers name no user"),
            Self::Problems(problems) => {
                f.write_str("the identity headers are malformed: ")?;
                for (index, problem) in problems.iter().enumerate() {
                    write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for InvalidHeaders {}

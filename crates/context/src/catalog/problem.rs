//! What is wrong with a catalog: every problem at once, by place, without repeating a value.
//!
//! Lookup failures are another thing: see [`CatalogError`](crate::CatalogError).

use std::fmt;

use super::interface::InvalidInterface;
use super::url::InvalidEndpointUrl;

/// One thing wrong with one place in a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogFault {
    /// The JSON value there is of another kind than catalogs have.
    #[error("is not {expected}")]
    Kind {
        /// What belongs there: `a list`, `an object`, `a text`.
        expected: &'static str,
    },
    /// A key that the form requires is not there.
    #[error("lacks `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A name, type, id or region that is over-long or has control characters.
    #[error("has a `{key}` that is over 255 bytes or has control characters")]
    Text {
        /// The key.
        key: &'static str,
    },
    /// A service type that is not letters, digits, `-`, `_`, `.`.
    #[error("has a service type with other characters than letters, digits, `-`, `_`, `.`, `:`")]
    ServiceType,
    /// An interface name that cannot be one.
    #[error("has a malformed interface name")]
    Interface(#[source] InvalidInterface),
    /// A URL that cannot be an endpoint.
    #[error("has a malformed endpoint url")]
    Url(#[source] InvalidEndpointUrl),
    /// An endpoint id that another endpoint has, too.
    #[error("repeats the id of another endpoint")]
    DuplicateId,
    /// More services or endpoints than the rules allow.
    #[error("has more than {limit} {what}")]
    TooMany {
        /// `services` or `endpoints`.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
}

/// A fault and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogProblem {
    /// Index of the service in the catalog as it came, where the fault is in one.
    pub service: Option<usize>,
    /// Index of the endpoint in the service, where the fault is in one.
    pub endpoint: Option<usize>,
    /// What is wrong.
    pub fault: CatalogFault,
}

impl fmt::Display for CatalogProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("catalog")?;
        if let Some(at) = self.service {
            write!(f, "[{at}]")?;
        }
        if let Some(at) = self.endpoint {
            write!(f, ".endpoints[{at}]")?;
        }
        write!(f, " {}", self.fault)?;
        match &self.fault {
            CatalogFault::Url(why) => write!(f, " ({why})"),
            CatalogFault::Interface(why) => write!(f, " ({why})"),
            _ => Ok(()),
        }
    }
}

/// A catalog is refused, with everything that is wrong with it; at most 64 problems are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCatalog {
    problems: Vec<CatalogProblem>,
}

/// Listing more would only let a hostile catalog fill the log.
const LISTED: usize = 64;

impl InvalidCatalog {
    pub(super) fn from_problems(mut problems: Vec<CatalogProblem>) -> Self {
        problems.truncate(LISTED);
        Self { problems }
    }

    /// What is wrong, in the catalog's order.
    #[must_use]
    pub fn problems(&self) -> &[CatalogProblem] {
        &self.problems
    }
}

impl fmt::Display for InvalidCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("service catalog is malformed: ")?;
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidCatalog {}

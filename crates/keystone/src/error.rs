//! What goes wrong between this process and Keystone. No URL, no token, no text that Keystone sent.

use std::time::Duration;

use context::{AuthError, CatalogReadError, TokenGone};

/// Keystone could not be asked, or its answer could not be used.
///
/// None of these says anything about a user's token: a token that Keystone does not know is no error here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoneError {
    /// No whole answer within the budget, which counts waiting for a place in the queue, too.
    #[error("no answer within {} ms", .budget.as_millis())]
    Timeout {
        /// The whole of it.
        budget: Duration,
    },
    /// No connection: refused, no route, a name nobody knows, TLS that cannot be agreed on.
    #[error("no connection to the identity service")]
    Connect(#[source] reqwest::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("the exchange with the identity service broke off")]
    Exchange(#[source] reqwest::Error),
    /// The answer is larger than allowed.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A redirect. It is not followed: it would carry a token to a place nobody configured.
    #[error("the identity service answered with a redirect")]
    Redirect,
    /// A status this question has no use for: 503, 500, 429.
    #[error("the identity service answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not JSON of the expected form.
    #[error("the answer is not the expected JSON (line {line}, column {column})")]
    Json {
        /// Where the reader gave up.
        line: usize,
        /// Where the reader gave up.
        column: usize,
    },
    /// JSON, but a value in it cannot be.
    #[error("the answer's `{field}` is missing or malformed")]
    Field {
        /// Which one.
        field: &'static str,
    },
    /// The answer's catalog is malformed.
    #[error("the answer's catalog is malformed")]
    Catalog(#[source] CatalogReadError),
    /// Keystone does not accept the service user's password or secret.
    #[error("the service user's credentials are refused")]
    Credentials,
    /// Keystone does not accept the service's own token, not even a new one.
    #[error("the service's own token is refused")]
    OwnToken,
    /// The service user's roles do not let it validate tokens: Keystone's policy, or a missing role assignment.
    #[error("the service user may not validate tokens")]
    NotAllowed,
    /// A new token that has already ended by this machine's clock: one of the two clocks is wrong.
    #[error("the new token has already ended by this clock")]
    Clock,
    /// The process's own token policy or audit journal refused.
    #[error("the token may not be used")]
    Guard(#[source] AuthError),
    /// The service's own token was wiped between its grant and its use.
    #[error("the service's own token is gone")]
    Gone(#[from] TokenGone),
    /// The code that asks panicked; the callers that waited for it are told so.
    #[error("the code that asks the identity service panicked")]
    Panicked,
}

impl KeystoneError {
    /// Whether the same question may be answered a little later, with nothing changed by the caller or the operator.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Connect(_) | Self::Exchange(_) | Self::Gone(_) => true,
            Self::Status { status } => *status >= 500 || *status == 429,
            Self::Guard(error) => error.is_retryable(),
            Self::TooLarge { .. }
            | Self::Redirect
            | Self::Json { .. }
            | Self::Field { .. }
            | Self::Catalog(_)
            | Self::Credentials
            | Self::OwnToken
            | Self::NotAllowed
            | Self::Clock
            | Self::Panicked => false,
        }
    }

    /// Files an error of the HTTP client, without the URL it would print.
    pub(crate) fn from_http(error: reqwest::Error) -> Self {
        let error = error.without_url();
        match error.is_connect() {
            true => Self::Connect(error),
            false => Self::Exchange(error),
        }
    }
}

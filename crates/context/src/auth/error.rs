//! Why credentials or an endpoint were not handed out. No token, no URL.

use crate::audit::NotAudited;
use crate::catalog::{CatalogError, InvalidEndpointUrl};
use crate::token::{TokenGone, TokenOwner, TokenPurpose, VerifyError};

/// Credentials or an endpoint were not handed out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The context has no token: an anonymous request, a background task.
    #[error("the context has no token")]
    NoToken,
    /// The policy asks for a service token and there is none; the user's alone is not sent (W-2).
    #[error("a service token is required and there is none")]
    NoServiceToken,
    /// The token policy does not grant this.
    #[error("`{component}` may not have the {} token for purpose `{}`", whose(.owner), .purpose.as_str())]
    NotGranted {
        /// Who asked.
        component: &'static str,
        /// Whose token.
        owner: TokenOwner,
        /// What for.
        purpose: TokenPurpose,
    },
    /// The endpoint is not one of the context's own catalog.
    #[error("the endpoint is not of this context's catalog")]
    ForeignEndpoint,
    /// The endpoint would be spoken to in clear.
    #[error("the endpoint is plain http to a host that is neither loopback nor allowed")]
    PlainHttp,
    /// The catalog has no such endpoint.
    #[error("the catalog has no such endpoint")]
    Catalog(#[from] CatalogError),
    /// The endpoint's URL is of no use.
    #[error("the endpoint's url is malformed")]
    Url(#[from] InvalidEndpointUrl),
    /// The token ended.
    #[error("the token is gone")]
    Gone(#[from] TokenGone),
    /// The event could not be audited, and its class fails closed.
    #[error("the access cannot be audited")]
    NotAudited(#[from] NotAudited),
    /// The peer answered 401 and this token is to blame.
    #[error("the {} token was rejected", whose(.owner))]
    Rejected {
        /// Whose token.
        owner: TokenOwner,
    },
    /// A plugin could not get a token.
    #[error("no token could be obtained")]
    Obtain(#[from] VerifyError),
}

fn whose(owner: &TokenOwner) -> &'static str {
    match owner {
        TokenOwner::User => "user's",
        TokenOwner::Service => "service's",
    }
}

impl AuthError {
    /// Whether the same question may be answered otherwise a little later, with nothing changed by the caller.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotAudited(_) => true,
            Self::Obtain(error) => error.is_retryable(),
            Self::NoToken
            | Self::NoServiceToken
            | Self::NotGranted { .. }
            | Self::ForeignEndpoint
            | Self::PlainHttp
            | Self::Catalog(_)
            | Self::Url(_)
            | Self::Gone(_)
            | Self::Rejected { .. } => false,
        }
    }
}

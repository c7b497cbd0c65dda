//! The seam behind which a token is checked with Keystone, and what Keystone says of a good one.
//!
//! Only the seam: whoever speaks HTTP implements it elsewhere.

use std::time::SystemTime;

use async_trait::async_trait;

use super::secret::AuthToken;
use crate::catalog::ServiceCatalog;
use crate::identity::Identity;
use crate::role::Roles;

/// What Keystone says of a token it accepts.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    /// Whom the token is for, and its scope.
    pub identity: Identity,
    /// The roles it carries.
    pub roles: Roles,
    /// The catalog for its holder.
    pub catalog: ServiceCatalog,
    /// When it ends.
    pub expires_at: SystemTime,
}

/// A token could not be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Keystone does not accept it: unknown, revoked, expired. A 401 for the caller.
    #[error("the token is not valid")]
    Invalid,
    /// Keystone could not be asked. A 503 for the caller, never a 401.
    #[error("the identity service is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl VerifyError {
    /// Whether asking again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Invalid => false,
            Self::Unavailable(_) => true,
        }
    }
}

/// What a request asks for, as the access rules of application credentials judge it (8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// The method, in capitals as HTTP has it.
    pub method: &'a str,
    /// The whole path as the client sent it, without the query.
    pub path: &'a str,
}

/// Asks Keystone what a token is worth.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Verifies one token, whatever it is to be used for: one that is good for certain requests only is not valid.
    ///
    /// # Errors
    /// [`VerifyError`]: not valid, or not to be found out.
    ///
    /// # Cancel safety
    /// Dropping the future gives the question up; no verdict is remembered half-made.
    async fn verify(&self, token: &AuthToken) -> Result<VerifiedToken, VerifyError>;

    /// Verifies the token of one request: a token that is restricted to certain requests is valid if this is one of them.
    /// By default no restricted token is.
    ///
    /// # Errors
    /// As [`verify`](Self::verify); [`VerifyError::Invalid`], too, where the token's access rules do not allow the request.
    ///
    /// # Cancel safety
    /// As [`verify`](Self::verify).
    async fn verify_for(
        &self,
        token: &AuthToken,
        asked: RequestLine<'_>,
    ) -> Result<VerifiedToken, VerifyError> {
        let _ = asked;
        self.verify(token).await
    }

    /// Asks anew whether a token is good at all, whatever is remembered of it and whatever requests it is restricted to:
    /// somebody else refused it. By default it is verified like any other.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    ///
    /// # Cancel safety
    /// As [`verify`](Self::verify).
    async fn recheck(&self, token: &AuthToken) -> Result<(), VerifyError> {
        self.verify(token).await.map(drop)
    }

    /// Verifies the token of a user whose request a service passes on with a good token of its own: one that has ended
    /// meanwhile may still count (Keystone's `allow_expired`, 8.1), and one that is restricted to certain requests, since
    /// this one is not the user's own. By default neither does.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    ///
    /// # Cancel safety
    /// As [`verify`](Self::verify).
    async fn verify_vouched_for(&self, token: &AuthToken) -> Result<VerifiedToken, VerifyError> {
        self.verify(token).await
    }
}

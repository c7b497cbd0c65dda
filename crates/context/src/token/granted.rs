//! A token that somebody was granted: the only thing its text can be reached through.

use std::fmt;

use super::access::TokenAccess;
use super::secret::{AuthToken, TokenGone};
use super::verify::{TokenVerifier, VerifyError};

/// Whose token it is: after a 401 they are blamed apart, because only one of them is worth getting anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOwner {
    /// The user's, in `X-Auth-Token`.
    User,
    /// The service's that passes the request on, in `X-Service-Token`.
    Service,
}

impl TokenOwner {
    /// The header that carries it.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::User => "x-auth-token",
            Self::Service => "x-service-token",
        }
    }
}

/// A token and the grant that opens it. Made by [`Guard::open`](crate::Guard::open) only, after policy and audit.
pub struct GrantedToken {
    token: AuthToken,
    access: TokenAccess,
    owner: TokenOwner,
}

impl GrantedToken {
    pub(crate) fn new(token: AuthToken, access: TokenAccess, owner: TokenOwner) -> Self {
        Self {
            token,
            access,
            owner,
        }
    }

    /// Runs `f` on the token's text: copy it into the request, nowhere else. `f` is short and does not wait; what it
    /// copies is its own to wipe.
    ///
    /// # Errors
    /// [`TokenGone`] where the token ended or was wiped since the grant.
    pub fn expose<R>(&self, f: impl FnOnce(&str) -> R) -> Result<R, TokenGone> {
        self.token.with_text(f)
    }

    /// Whose token it is.
    #[must_use]
    pub fn owner(&self) -> TokenOwner {
        self.owner
    }

    /// What it was granted for.
    #[must_use]
    pub fn access(&self) -> &TokenAccess {
        &self.access
    }

    /// The peer answered 401 and blamed this token: wipes it for every holder.
    pub fn rejected(&self) {
        self.token.wipe();
    }
}

impl fmt::Debug for GrantedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedToken")
            .field("owner", &self.owner)
            .field("component", &self.access.component())
            .field("purpose", &self.access.purpose())
            .finish_non_exhaustive()
    }
}

/// What a call to another service carries: the user's token, and the service's own beside it where there is one.
#[derive(Debug)]
pub struct Credentials {
    /// The user's token.
    pub user: GrantedToken,
    /// The service's token.
    pub service: Option<GrantedToken>,
}

impl Credentials {
    /// The tokens in the order their headers are written.
    pub fn iter(&self) -> impl Iterator<Item = &GrantedToken> {
        std::iter::once(&self.user).chain(&self.service)
    }

    /// The peer answered 401: whose token is to blame? keystonemiddleware's answer is the same for both, so Keystone is
    /// asked about each, the service's first. The token to blame is wiped for every holder; report it as
    /// [`AuthError::Rejected`](crate::AuthError::Rejected) if it is the user's, get a new one and try once more if it is
    /// the service's. `None`: both are good, and the peer has reasons of its own. A user's token that went alone is asked
    /// about, too.
    ///
    /// # Errors
    /// [`VerifyError::Unavailable`]: Keystone could not be asked; nothing is wiped.
    ///
    /// # Cancel safety
    /// Dropping the future may leave a token unwiped that Keystone has refused already.
    pub async fn blame(
        &self,
        verifier: &dyn TokenVerifier,
    ) -> Result<Option<TokenOwner>, VerifyError> {
        for granted in self.service.iter().chain([&self.user]) {
            match verifier.recheck(&granted.token).await {
                Ok(()) => {}
                Err(VerifyError::Invalid) => {
                    granted.rejected();
                    return Ok(Some(granted.owner));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

//! A token that somebody was granted: the only thing its text can be reached through.

use std::fmt;

use super::access::TokenAccess;
use super::secret::{AuthToken, TokenGone};

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
}

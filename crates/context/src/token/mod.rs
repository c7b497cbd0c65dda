//! Tokens: checked when they are made, opened only by who says what for, wiped at expiry and at the last drop.
//!
//! Contents page. Nothing here says whether Keystone would accept a token; that is a [`TokenVerifier`]'s work.

mod access;
mod fingerprint;
mod granted;
mod keeper;
mod revoked;
mod secret;
mod shape;
mod verify;

pub use self::access::{TokenAccess, TokenPolicy, TokenPurpose};
pub use self::fingerprint::TokenFingerprint;
pub use self::granted::{Credentials, GrantedToken, TokenOwner};
pub use self::keeper::TokenKeeper;
pub use self::revoked::RevokedTokens;
pub use self::secret::{AuthToken, InvalidToken, TokenGone};
pub use self::shape::TokenShape;
pub use self::verify::{RequestLine, TokenVerifier, VerifiedToken, VerifyError};

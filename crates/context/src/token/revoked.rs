//! What a process hears of tokens that were revoked elsewhere: the word between what listens to peers and what remembers that a
//! token is good. Neither knows the other.

use super::TokenFingerprint;

/// Tokens that must not be believed any more without asking Keystone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedTokens {
    /// This one.
    One(TokenFingerprint),
    /// Nobody knows which: messages were missed. All that is remembered is to be forgotten.
    Unknown,
}

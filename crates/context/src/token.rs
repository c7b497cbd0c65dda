//! The user's Keystone token: checked when it is made, never printed, wiped at the last drop.
//!
//! Nothing here says whether Keystone would accept it; that is a verifier's work.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// What a token may be (nova-facts 8.4): printable ASCII without spaces, 32 bytes to 8 KiB. Fernet and JWS tokens are
/// far inside these bounds; nothing outside them is a token of any Keystone provider.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=8192;

/// Why a text is not a token. The text is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// Shorter or longer than any token.
    #[error("token has {bytes} bytes, expected 32 to 8192")]
    Length {
        /// How many there were.
        bytes: usize,
    },
    /// A byte that no token has.
    #[error("token has a byte that is not printable ASCII at offset {at}")]
    Character {
        /// Offset of the first such byte.
        at: usize,
    },
}

/// A secret token. No `Display`, no `Serialize`, no equality; `Debug` says only that there is one.
#[derive(Clone)]
pub struct AuthToken(Arc<Zeroizing<String>>);

impl AuthToken {
    /// Takes the text over; a refused text is wiped.
    ///
    /// # Errors
    /// [`InvalidToken`] where the text cannot be a token of any provider.
    pub fn parse(text: String) -> Result<Self, InvalidToken> {
        let text = Zeroizing::new(text);
        if !LENGTH.contains(&text.len()) {
            return Err(InvalidToken::Length { bytes: text.len() });
        }
        if let Some(at) = text.bytes().position(|b| !b.is_ascii_graphic()) {
            return Err(InvalidToken::Character { at });
        }
        Ok(Self(Arc::new(text)))
    }

    /// The token's text, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_prints_itself() {
        let token = AuthToken::parse("gAAAAABcanary-canary-canary-canary".into()).unwrap();
        assert_eq!(format!("{token:?}"), "AuthToken(***)");
        assert!(token.expose().starts_with("gAAAAAB"));
    }

    #[test]
    fn texts_that_are_no_tokens_are_refused_without_being_repeated() {
        assert_eq!(
            AuthToken::parse("short".into()).unwrap_err(),
            InvalidToken::Length { bytes: 5 }
        );
        let spaced = format!("{} {}", "x".repeat(20), "y".repeat(20));
        let error = AuthToken::parse(spaced).unwrap_err();
        assert_eq!(error, InvalidToken::Character { at: 20 });
        assert!(!error.to_string().contains('x'));
    }
}

//! The user's Keystone token: checked when it is made, never printed, wiped at expiry and at the last drop.
//!
//! Its text is reached only through a [`GrantedToken`](crate::GrantedToken). What this cannot do: copies that an HTTP
//! client or a broker's client makes of a header or a message are theirs; keep those short-lived.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::fingerprint::TokenFingerprint;
use super::shape::TokenShape;

/// What a token may be (8.4): printable ASCII without spaces, 32 bytes to 8 KiB. Fernet and JWS tokens are far inside
/// these bounds; nothing outside them is a token of any Keystone provider.
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
    /// It was over before it began.
    #[error("token has expired")]
    Expired,
}

/// The token's text is not there any more: it expired, or was wiped on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token has expired and was wiped")]
pub struct TokenGone;

/// A secret token, shared by every context that holds it: wiping it wipes it for all of them.
///
/// It cannot be printed, written to JSON or compared, and its text needs a grant:
///
/// ```compile_fail,E0277
/// fn show(token: &nova_context::AuthToken) -> String {
///     format!("{token}")
/// }
/// ```
/// ```compile_fail,E0369
/// fn same(a: &nova_context::AuthToken, b: &nova_context::AuthToken) -> bool {
///     a == b
/// }
/// ```
/// ```compile_fail,E0277
/// fn write(token: &nova_context::AuthToken) -> String {
///     serde_json::to_string(token).unwrap()
/// }
/// ```
/// ```compile_fail,E0599
/// fn open(token: &nova_context::AuthToken) -> String {
///     token.expose().to_string()
/// }
/// ```
/// ```compile_fail,E0624
/// fn open(token: &nova_context::AuthToken) -> usize {
///     token.with_text(str::len).unwrap()
/// }
/// ```
///
/// What may be done with one:
///
/// ```
/// let token = nova_context::AuthToken::parse("x".repeat(40)).unwrap();
/// assert_eq!(format!("{token:?}"), "AuthToken(***)");
/// assert_eq!(token.fingerprint(), token.clone().fingerprint());
/// ```
#[derive(Clone)]
pub struct AuthToken(Arc<Slot>);

pub(super) struct Slot {
    text: RwLock<Option<Zeroizing<String>>>,
    fingerprint: TokenFingerprint,
    shape: TokenShape,
    expires_at: OnceLock<SystemTime>,
}

impl AuthToken {
    /// Takes the text over; a refused text is wiped.
    ///
    /// # Errors
    /// [`InvalidToken`] where the text cannot be a token of any provider.
    pub fn parse(text: String) -> Result<Self, InvalidToken> {
        Self::checked(text, None)
    }

    /// Takes over the text of a token whose end is known. From then on its text is refused and wiped: by whoever asks
    /// for it first, or before by a [`TokenKeeper`](crate::TokenKeeper).
    ///
    /// # Errors
    /// As [`parse`](Self::parse); [`InvalidToken::Expired`] where the end has come.
    pub fn parse_until(text: String, expires_at: SystemTime) -> Result<Self, InvalidToken> {
        Self::checked(text, Some(expires_at))
    }

    fn checked(text: String, expires_at: Option<SystemTime>) -> Result<Self, InvalidToken> {
        let text = Zeroizing::new(text);
        if !LENGTH.contains(&text.len()) {
            return Err(InvalidToken::Length { bytes: text.len() });
        }
        if let Some(at) = text.bytes().position(|b| !b.is_ascii_graphic()) {
            return Err(InvalidToken::Character { at });
        }
        if expires_at.is_some_and(|end| end <= SystemTime::now()) {
            return Err(InvalidToken::Expired);
        }
        Ok(Self(Arc::new(Slot {
            fingerprint: TokenFingerprint::of(&text),
            shape: TokenShape::of(&text),
            text: RwLock::new(Some(text)),
            expires_at: expires_at.map_or_else(OnceLock::new, OnceLock::from),
        })))
    }

    /// The token's SHA-256; stays known after the text is gone.
    #[must_use]
    pub fn fingerprint(&self) -> TokenFingerprint {
        self.0.fingerprint
    }

    /// What kind of token it looks like.
    #[must_use]
    pub fn shape(&self) -> TokenShape {
        self.0.shape
    }

    /// When it ends, where that is known.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at.get().copied()
    }

    /// Says when it ends, for every holder: what a verifier found out. An end that is known already stays.
    pub fn set_end(&self, expires_at: SystemTime) {
        // The end that came first is kept: there is nothing to do with another.
        let _ = self.0.expires_at.set(expires_at);
    }

    /// Wipes the text for every holder: at logout, after a 401.
    pub fn wipe(&self) {
        self.0.wipe();
    }

    /// Whether the text is gone.
    #[must_use]
    pub fn is_wiped(&self) -> bool {
        self.0.lock_read().is_none()
    }

    /// Runs `f` on the text. The text cannot be wiped while `f` runs, so `f` is short and does not wait.
    pub(crate) fn with_text<R>(&self, f: impl FnOnce(&str) -> R) -> Result<R, TokenGone> {
        if self.0.has_ended(SystemTime::now()) {
            self.0.wipe();
            return Err(TokenGone);
        }
        match &*self.0.lock_read() {
            Some(text) => Ok(f(text)),
            None => Err(TokenGone),
        }
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.0
    }
}

impl Slot {
    pub(super) fn has_ended(&self, now: SystemTime) -> bool {
        self.expires_at.get().is_some_and(|end| *end <= now)
    }

    pub(super) fn wipe(&self) {
        // A panic in a reader leaves the text whole; wiping goes on all the same.
        let mut text = self.text.write().unwrap_or_else(PoisonError::into_inner);
        *text = None;
    }

    fn lock_read(&self) -> std::sync::RwLockReadGuard<'_, Option<Zeroizing<String>>> {
        self.text.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_token_never_prints_itself() {
        let token = AuthToken::parse("gAAAAABcanary-canary-canary-canary".into()).unwrap();
        assert_eq!(format!("{token:?}"), "AuthToken(***)");
        assert_eq!(
            token.with_text(|text| text.starts_with("gAAAAAB")),
            Ok(true)
        );
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

    #[test]
    fn wiping_one_holder_wipes_all_and_keeps_the_fingerprint() {
        let token = AuthToken::parse("x".repeat(40)).unwrap();
        let held = token.clone();
        token.wipe();
        assert_eq!(held.with_text(str::len), Err(TokenGone));
        assert_eq!(held.fingerprint(), TokenFingerprint::of(&"x".repeat(40)));
    }

    #[test]
    fn a_token_that_has_ended_is_no_token() {
        let past = SystemTime::now() - Duration::from_secs(1);
        let error = AuthToken::parse_until("x".repeat(40), past).unwrap_err();
        assert_eq!(error, InvalidToken::Expired);
    }
}

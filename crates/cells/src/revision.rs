//! A revision identifies one content of a mapping, so that caches and reports can tell old from new.
//!
//! The content holds passwords, so a plain hash would let anyone who reads a log try guesses offline. A revision is
//! therefore a keyed hash (HMAC-SHA-256, cut to 128 bits); it can only be compared under the same key.

use std::fmt;

use ring::hmac;
use ring::rand::SystemRandom;

use crate::location::Canonical;

/// Identifies one content of a mapping under one [`RevisionKey`]. Printed as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision([u8; 16]);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({self})")
    }
}

/// The key that revisions are made under.
#[derive(Clone)]
pub struct RevisionKey(hmac::Key);

/// The system's random source did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandom;

impl RevisionKey {
    /// A key for the life of this process: its revisions cannot be compared with another process's.
    ///
    /// # Errors
    /// [`NoRandom`] where the system gives no random bytes.
    pub fn ephemeral() -> Result<Self, NoRandom> {
        let random = SystemRandom::new();
        hmac::Key::generate(hmac::HMAC_SHA256, &random)
            .map(Self)
            .map_err(|_| NoRandom)
    }

    /// A key from bytes kept elsewhere, so that revisions can be compared over time. 32 random bytes are right.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The revision of a content, which `write` hands over piece by piece.
    pub(crate) fn revision(&self, write: impl FnOnce(&mut Canonical<'_>)) -> Revision {
        let mut context = hmac::Context::with_key(&self.0);
        write(&mut Canonical::to(&mut |part| context.update(part)));
        let mut short = [0; 16];
        short.copy_from_slice(&context.sign().as_ref()[..16]);
        Revision(short)
    }
}

impl fmt::Debug for RevisionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RevisionKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_changes_with_any_part_and_with_the_key() {
        let key = RevisionKey::from_bytes(b"one");
        let of = |key: &RevisionKey, a: &str, b: &str| {
            key.revision(|to| {
                to.field("a", a);
                to.field("b", b);
            })
        };
        assert_eq!(of(&key, "db", "mq"), of(&key, "db", "mq"));
        assert_ne!(of(&key, "db", "mq"), of(&key, "db", "mq2"));
        assert_ne!(of(&key, "dbm", "q"), of(&key, "db", "mq"));
        assert_ne!(
            of(&key, "db", "mq"),
            of(&RevisionKey::from_bytes(b"two"), "db", "mq")
        );
    }
}

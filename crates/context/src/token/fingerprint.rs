//! A token's SHA-256: what caches are keyed by and logs may show. The token cannot be had back from it.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 of a token's text. Compared in constant time; printed by its first 8 hex digits.
#[derive(Clone, Copy)]
pub struct TokenFingerprint([u8; 32]);

impl TokenFingerprint {
    /// Of a text that somebody presents.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The hash, for a cache's key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenFingerprint {
    /// Looks at every byte whatever it finds, so that time says nothing about where two differ.
    fn eq(&self, other: &Self) -> bool {
        let differing = (self.0.iter().zip(&other.0)).fold(0, |bits, (a, b)| bits | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

impl Eq for TokenFingerprint {}

impl std::hash::Hash for TokenFingerprint {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}..")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_fingerprints_and_others_do_not() {
        assert_eq!(TokenFingerprint::of("abc"), TokenFingerprint::of("abc"));
        assert_ne!(TokenFingerprint::of("abc"), TokenFingerprint::of("abd"));
        // FIPS 180-2, appendix B.1.
        assert_eq!(format!("{:?}", TokenFingerprint::of("abc")), "ba7816bf..");
    }
}

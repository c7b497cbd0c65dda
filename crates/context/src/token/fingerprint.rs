//! A token's SHA-256: what caches are keyed by and logs may show. The token cannot be had back from it.

use std::fmt;

use sha2::block_api::compress256;
use zeroize::Zeroizing;

/// SHA-256's initial state (FIPS 180-4, 5.3.3).
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A block of SHA-256, in bytes.
const BLOCK: usize = 64;

/// SHA-256 of a secret. A ready-made hasher keeps the last, unfilled block in a buffer that is moved about on the
/// stack, and wiping the hasher does not reach what a move left behind: up to 63 bytes of a token were found there.
/// So whole blocks are hashed where they are, and the last ones in a buffer that is filled and wiped in its place.
fn sha256(secret: &[u8]) -> [u8; 32] {
    let mut state = START;
    let (whole, rest) = secret.as_chunks::<BLOCK>();
    compress256(&mut state, whole);
    let mut last = Zeroizing::new([[0_u8; BLOCK]; 2]);
    // The mark and the length in bits need 9 bytes: where they do not fit, they take a block of their own.
    let blocks = if rest.len() + 9 > BLOCK { 2 } else { 1 };
    last[0][..rest.len()].copy_from_slice(rest);
    last[0][rest.len()] = 0x80;
    let bits = (secret.len() as u64).wrapping_mul(8).to_be_bytes();
    last[blocks - 1][BLOCK - 8..].copy_from_slice(&bits);
    compress256(&mut state, &last[..blocks]);
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

/// SHA-256 of a token's text. Compared in constant time; printed by its first 8 hex digits.
#[derive(Clone, Copy)]
pub struct TokenFingerprint([u8; 32]);

impl TokenFingerprint {
    /// Of a text that somebody presents.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(sha256(text.as_bytes()))
    }

    /// Of a token that only a peer has seen, by its hash.
    #[must_use]
    pub fn of_hash(hash: [u8; 32]) -> Self {
        Self(hash)
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
    fn every_length_hashes_as_the_library_does() {
        use sha2::Digest as _;
        for length in 0..300 {
            let text = "x".repeat(length);
            let expected: [u8; 32] = sha2::Sha256::digest(&text).into();
            assert_eq!(
                TokenFingerprint::of(&text).as_bytes(),
                &expected,
                "{length}"
            );
        }
    }

    #[test]
    fn equal_texts_have_equal_fingerprints_and_others_do_not() {
        assert_eq!(TokenFingerprint::of("abc"), TokenFingerprint::of("abc"));
        assert_ne!(TokenFingerprint::of("abc"), TokenFingerprint::of("abd"));
        // FIPS 180-2, appendix B.1.
        assert_eq!(format!("{:?}", TokenFingerprint::of("abc")), "ba7816bf..");
    }
}

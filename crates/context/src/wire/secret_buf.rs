//! A byte buffer for text that holds a secret: growing wipes the old bytes, dropping wipes the last ones.
//!
//! A plain `Vec` that grows leaves its earlier contents in freed memory, which `Zeroizing` does not see.

use std::fmt;
use std::io;

/// Bytes that are wiped wherever they have been. No `Display`, no `Clone`, no equality.
#[derive(Default)]
pub struct SecretBuf(Vec<u8>);

/// Wipes as `zeroize` does, but by one fill: byte-wise volatile writes took longer than writing the JSON did. What is
/// beyond the vector's length was never written, because this type only appends.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes.as_slice());
}

impl Drop for SecretBuf {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl SecretBuf {
    /// An empty buffer with room for this many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// The bytes, secret included, for the one place that sends them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Appends bytes.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            self.grow(needed);
        }
        self.0.extend_from_slice(bytes);
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let mut grown = Vec::with_capacity(needed.max(2 * self.0.capacity()));
        grown.extend_from_slice(&self.0);
        wipe(&mut self.0);
        self.0 = grown;
    }
}

impl io::Write for SecretBuf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.push(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for SecretBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBuf({} bytes)", self.0.len())
    }
}

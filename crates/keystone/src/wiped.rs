//! Bytes given to the HTTP client that are wiped when it drops them: header values and request bodies that are secret.
//!
//! What the client copies from them into its own write buffer is beyond this file's reach.

use bytes::Bytes;
use context::SecretBuf;
use reqwest::header::{HeaderValue, InvalidHeaderValue};

struct Wiped(SecretBuf);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

/// A request body.
pub(crate) fn body(buf: SecretBuf) -> Bytes {
    Bytes::from_owner(Wiped(buf))
}

/// A header value that the client's own `Debug` does not print either.
pub(crate) fn header(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut buf = SecretBuf::with_capacity(text.len());
    buf.push(text.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(body(buf))?;
    value.set_sensitive(true);
    Ok(value)
}

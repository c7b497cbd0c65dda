//! Cursors as text: base64 of the bytes and an HMAC over them, so that nobody can make or change one.
//!
//! The values inside are signed, not encrypted: whoever holds a cursor saw the row it was made of. A cursor has an age and
//! an end: it is only good for as long as its key says.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cells::NoRandom;
use ring::hmac;
use ring::rand::SystemRandom;

use super::{CursorError, PageCursor, codec};

/// Bytes of the signature in front of the content.
const TAG: usize = 32;

/// Bytes of the time behind it, in seconds of the epoch.
const ISSUED: usize = 8;

/// How long a cursor is good for unless told otherwise: nobody reads one list for longer than a day.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest text that is looked at.
const LONGEST: usize = 1 << 20;

/// The key cursors are signed with; all processes that serve one API need the same.
#[derive(Clone)]
pub struct CursorKey {
    key: hmac::Key,
    lifetime: Duration,
}

impl CursorKey {
    /// A key from bytes kept elsewhere; 32 random bytes are right.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes),
            lifetime: LIFETIME,
        }
    }

    /// A key for the life of this process.
    ///
    /// # Errors
    /// [`NoRandom`] where the system gives no random bytes.
    pub fn ephemeral() -> Result<Self, NoRandom> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let with = |key| Self {
            key,
            lifetime: LIFETIME,
        };
        key.map(with).map_err(|_| NoRandom)
    }

    /// The same key, for cursors that are good for this long; a day unless told otherwise. It is the reader's word that
    /// counts, by its own clock.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// The cursor as text, safe in URLs and command lines.
    #[must_use]
    pub fn seal(&self, cursor: &PageCursor) -> String {
        self.seal_at(cursor, now())
    }

    fn seal_at(&self, cursor: &PageCursor, now: u64) -> String {
        let mut content = now.to_be_bytes().to_vec();
        content.extend(codec::encode(cursor));
        let mut signed = hmac::sign(&self.key, &content).as_ref().to_vec();
        signed.extend(content);
        URL_SAFE_NO_PAD.encode(signed)
    }

    /// Reads a cursor back.
    ///
    /// # Errors
    /// [`CursorError`] for a text that this key did not sign, or signed too long ago.
    pub fn open(&self, text: &str) -> Result<PageCursor, CursorError> {
        self.open_at(text, now())
    }

    fn open_at(&self, text: &str, now: u64) -> Result<PageCursor, CursorError> {
        if text.len() > LONGEST {
            return Err(CursorError::Foreign);
        }
        let signed = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| CursorError::Foreign)?;
        let (tag, content) = signed.split_at_checked(TAG).ok_or(CursorError::Foreign)?;
        // Constant time, and before anything inside is looked at.
        hmac::verify(&self.key, content, tag).map_err(|_| CursorError::Foreign)?;
        let (issued, content) = content
            .split_at_checked(ISSUED)
            .ok_or(CursorError::Foreign)?;
        let issued = issued.try_into().map_or(0, u64::from_be_bytes);
        // One from a clock that is ahead is new.
        if now.saturating_sub(issued) > self.lifetime.as_secs() {
            return Err(CursorError::Expired);
        }
        codec::decode(content)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use cells::CellId;

    use super::*;
    use crate::cursor::{Fingerprint, Gap, Next};
    use crate::order::{SortValue, Stamp, Weight};
    use crate::sql::{Collation, Range, TextRule};

    fn cursor() -> PageCursor {
        let position = vec![
            SortValue::Null,
            SortValue::Bool(true),
            SortValue::Int(-7),
            SortValue::Time(Stamp::parse("2026-09-18 04:33:00.5").unwrap()),
            SortValue::Text("wéb 😀".into()),
            SortValue::Weighed {
                text: "web".into(),
                weight: Weight::new(vec![0, 255], &[0, 32]),
            },
        ];
        let range = Range {
            after: None,
            upto: Some(position.clone()),
        };
        PageCursor {
            query: Fingerprint([9; 16]),
            next: Next::After(position),
            rule: Some(TextRule::Collations(vec![Collation {
                name: "utf8mb3_general_ci".into(),
                pad: vec![0, 32],
            }])),
            gaps: vec![Gap {
                cell: CellId::CELL0,
                range,
            }],
            parts: Vec::new(),
        }
    }

    #[test]
    fn a_cursor_survives_its_text() {
        let key = CursorKey::from_bytes(b"k");
        assert_eq!(key.open(&key.seal(&cursor())), Ok(cursor()));
        for next in [Next::Start, Next::End] {
            let cursor = PageCursor {
                next,
                rule: None,
                gaps: Vec::new(),
                ..cursor()
            };
            assert_eq!(key.open(&key.seal(&cursor)), Ok(cursor));
        }
    }

    #[test]
    fn a_cursor_of_another_key_or_with_any_byte_changed_is_refused() {
        let key = CursorKey::from_bytes(b"k");
        let text = key.seal(&cursor());
        let other = CursorKey::from_bytes(b"other");
        assert_eq!(other.open(&text), Err(CursorError::Foreign));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            if URL_SAFE_NO_PAD.decode(&changed) != URL_SAFE_NO_PAD.decode(&text) {
                assert_eq!(key.open(&changed), Err(CursorError::Foreign), "byte {at}");
            }
        }
        assert_eq!(key.open(""), Err(CursorError::Foreign));
    }

    #[test]
    fn a_cursor_ends_with_its_lifetime_and_not_before() {
        let key = CursorKey::from_bytes(b"k").lifetime(Duration::from_secs(60));
        let text = key.seal_at(&cursor(), 1_000);
        for now in [900, 1_000, 1_060] {
            assert_eq!(key.open_at(&text, now), Ok(cursor()), "{now}");
        }
        assert_eq!(key.open_at(&text, 1_061), Err(CursorError::Expired));
        let longer = CursorKey::from_bytes(b"k");
        assert_eq!(longer.open_at(&text, 1_061), Ok(cursor()));
        let other = CursorKey::from_bytes(b"other");
        assert_eq!(other.open_at(&text, 1_061), Err(CursorError::Foreign));
    }

    #[test]
    fn no_signed_bytes_make_the_reader_panic() {
        let content = codec::encode(&cursor());
        for cut in 0..content.len() {
            // A cut between two gaps is whole; any other is not.
            if let Ok(read) = codec::decode(&content[..cut]) {
                assert!(read.gaps.len() < cursor().gaps.len());
            }
        }
        let huge = [&[2][..], &[0; 16], &[1], &[255; 4]].concat();
        assert_eq!(codec::decode(&huge), Err(CursorError::Foreign));
    }
}

//! Cursors of server lists: the text as it comes, and the bytes under a good signature.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instances::{CursorKey, SortBy, Stamp, Status};
use ring::hmac;

use crate::text::{check_debug, check_error, text};

const KEY: &[u8] = b"k";

pub(crate) fn run(data: &[u8]) {
    let key = CursorKey::from_bytes(KEY);
    if let Some(text) = text(data) {
        if let Err(error) = key.open(text) {
            check_error(&error, 0);
        }
        words(text);
    }
    // Behind the signature stands when it was made.
    let issued = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let content = [&issued.to_be_bytes(), data].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), &content);
    let signed = URL_SAFE_NO_PAD.encode([tag.as_ref(), &content].concat());
    let other = CursorKey::from_bytes(b"another");
    assert!(other.open(&signed).is_err(), "another key's cursor");
    match key.open(&signed) {
        Ok(cursor) => {
            check_debug(&cursor, data.len());
            assert!(cursor.missing().len() <= data.len() / 16);
            let sealed = key.seal(&cursor);
            assert_eq!(key.open(&sealed), Ok(cursor));
        }
        Err(error) => check_error(&error, 0),
    }
}

/// The words of a list's query string.
fn words(text: &str) {
    if let Ok(stamp) = Stamp::parse(text) {
        assert_eq!(stamp.to_string(), text);
    }
    if let Ok(sort) = text.parse::<SortBy>() {
        assert_eq!(sort.to_string().parse(), Ok(sort));
    }
    if let Ok(status) = text.parse::<Status>() {
        check_debug(&status, text.len());
    }
}

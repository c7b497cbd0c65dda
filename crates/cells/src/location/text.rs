//! The pieces that database and transport URLs have in common: scheme, percent escapes, query options.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use zeroize::Zeroizing;

use crate::problem::{ProblemKind, Word};
use crate::secret::SecretText;

/// What stays as it is when a part is written back into a URL (RFC 3986, unreserved).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A stored URL is a few hundred bytes; Nova's column is TEXT, so it could be 64 KiB of anything.
pub(super) const MAX_BYTES: usize = 8192;

/// Checks what holds for every stored URL, and splits the scheme off: `(scheme, driver, rest)` of `scheme+driver://rest`.
pub(super) fn split_scheme(url: &str) -> Result<(String, Option<String>, &str), ProblemKind> {
    if url.is_empty() {
        return Err(ProblemKind::Missing);
    }
    if url.len() > MAX_BYTES {
        return Err(ProblemKind::TooLong(MAX_BYTES));
    }
    if url.chars().any(char::is_control) {
        return Err(ProblemKind::ControlCharacter);
    }
    let (scheme, rest) = url.split_once("://").ok_or(ProblemKind::NoScheme)?;
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let (name, driver) = match scheme.split_once('+') {
        Some((name, driver)) => (name, Some(driver)),
        None => (scheme, None),
    };
    if !word(name) || !driver.is_none_or(word) {
        return Err(ProblemKind::NoScheme);
    }
    Ok((
        name.to_ascii_lowercase(),
        driver.map(str::to_ascii_lowercase),
        rest,
    ))
}

/// Undoes percent escapes; a `%` that starts none stays, as in Python's `unquote`.
pub(super) fn decode(text: &str) -> Result<String, ProblemKind> {
    decode_secret(text).map(|decoded| decoded.expose().to_owned())
}

/// As [`decode`], leaving no copy behind: the buffer is as long as it can get from the beginning.
pub(super) fn decode_secret(text: &str) -> Result<SecretText, ProblemKind> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    decoded.extend(percent_decode_str(text));
    if std::str::from_utf8(&decoded)
        .map_err(|_| ProblemKind::BadEscape)?
        .chars()
        .any(char::is_control)
    {
        return Err(ProblemKind::ControlCharacter);
    }
    String::from_utf8(std::mem::take(&mut *decoded))
        .map(SecretText::new)
        .map_err(|_| ProblemKind::BadEscape)
}

/// Writes a part so that it reads back the same.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// The options of a query, decoded, in their order. A key given twice is refused: which one counts differs by driver.
pub(super) fn options(query: &str) -> Result<Vec<(String, String)>, ProblemKind> {
    let mut options: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key)?, decode(&value.replace('+', " "))?);
        if options.iter().any(|(seen, _)| *seen == key) {
            return Err(ProblemKind::BadOption(Word::of(&key)));
        }
        options.push((key, value));
    }
    Ok(options)
}

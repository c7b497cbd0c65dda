//! The common form of key files, manifests, state files and invalidations: lines of `word value`, in a fixed order,
//! nothing optional unless the reader asks for it, and no second spelling for anything.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

/// A line that is not what had to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads lines one by one. Every line ends with a newline.
pub(crate) struct Lines<'t> {
    whole: &'t str,
    rest: &'t str,
}

impl<'t> Lines<'t> {
    pub(crate) fn of(bytes: &'t [u8]) -> Result<Self, Malformed> {
        let whole = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        Ok(Self { whole, rest: whole })
    }

    /// The value of the next line, which must begin with this word.
    pub(crate) fn value(&mut self, word: &str) -> Result<&'t str, Malformed> {
        self.optional(word)?.ok_or(Malformed)
    }

    /// The value of the next line, where it begins with this word.
    pub(crate) fn optional(&mut self, word: &str) -> Result<Option<&'t str>, Malformed> {
        let Some((line, rest)) = self.rest.split_once('\n') else {
            return if self.rest.is_empty() {
                Ok(None)
            } else {
                Err(Malformed)
            };
        };
        let value = line
            .strip_prefix(word)
            .and_then(|rest| rest.strip_prefix(' '));
        if value.is_some() {
            self.rest = rest;
        }
        Ok(value)
    }

    /// The next line must be this.
    pub(crate) fn exactly(&mut self, line: &str) -> Result<(), Malformed> {
        let rest = self
            .rest
            .strip_prefix(line)
            .and_then(|rest| rest.strip_prefix('\n'));
        self.rest = rest.ok_or(Malformed)?;
        Ok(())
    }

    /// Everything before the next line.
    pub(crate) fn so_far(&self) -> &'t [u8] {
        &self.whole.as_bytes()[..self.whole.len() - self.rest.len()]
    }

    pub(crate) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.at_end() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

/// A whole number, without sign or leading zeros.
pub(crate) fn number(text: &str) -> Result<u64, Malformed> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten().ok_or(Malformed)
}

/// Seconds since 1970, as a date.
pub(crate) fn date(text: &str) -> Result<SystemTime, Malformed> {
    let since = Duration::from_secs(number(text)?);
    SystemTime::UNIX_EPOCH.checked_add(since).ok_or(Malformed)
}

/// Seconds since 1970; a date before that counts as 1970.
pub(crate) fn seconds(date: SystemTime) -> u64 {
    let since = date.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// `N` bytes in lower-case hexadecimal digits. Wiped when dropped, since some are keys.
pub(crate) fn hex<const N: usize>(text: &str) -> Result<Zeroizing<[u8; N]>, Malformed> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(Malformed);
    }
    let digit = |b: u8| match b {
        b'0'..=b'9' => Ok(b - b'0'),
        b'a'..=b'f' => Ok(b - b'a' + 10),
        _ => Err(Malformed),
    };
    let mut bytes = Zeroizing::new([0; N]);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

/// Appends bytes as [`hex`] reads them.
pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
}

//! Bytes as text, texts as URL parts, and what every error must keep to.

use std::fmt::{Debug, Write};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The bytes as text, where they are text.
pub(crate) fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// Writes a part of a URL so that it reads back the same.
pub(crate) fn escaped(part: &str) -> String {
    utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()
}

/// An error is printed in both forms, without a control character that would forge a log line, and at a length that what
/// it complains about cannot blow up.
pub(crate) fn check_error(error: &(dyn std::error::Error + 'static), input: usize) {
    let mut next = Some(error);
    while let Some(link) = next {
        let shown = link.to_string();
        assert!(!shown.is_empty());
        assert!(
            !shown.chars().any(char::is_control),
            "a log line could be forged: {shown:?}"
        );
        assert!(shown.len() <= 512 + 64 * input, "{} bytes", shown.len());
        check_debug(link, input);
        next = link.source();
    }
}

/// Debug output has a bound, too.
pub(crate) fn check_debug(value: &dyn Debug, input: usize) {
    let limit = 4096 + 512 * input;
    let mut room = Room(limit);
    assert!(
        write!(room, "{value:?}").is_ok(),
        "more than {limit} bytes of debug output for {input} bytes"
    );
}

/// Counts what is printed, keeps nothing, and has an end.
struct Room(usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
        Ok(())
    }
}

//! A hash chain over lines: each line carries the SHA-256 of the one before and of itself, so that changing, dropping
//! or swapping a line breaks every check from there on.
//!
//! A chain shows tampering with what is behind its head; whoever can rewrite the whole file can make a new chain.
//! Keep the [`ChainHead`] somewhere else to notice that, and truncation.

use std::fmt::Write as _;
use std::io::BufRead;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The end of a chain: what the next line continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    /// How many lines there are.
    pub lines: u64,
    /// The last line's hash, 64 hex digits; zeros for an empty chain.
    pub hash: String,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self {
            lines: 0,
            hash: "0".repeat(64),
        }
    }
}

/// A chain does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// The file cannot be read.
    #[error("line {line} cannot be read")]
    Read {
        /// Counted from 1.
        line: u64,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not a line of a chain: no JSON object with `seq`, `prev`, `hash`.
    #[error("line {line} is not a chained event")]
    Malformed {
        /// Counted from 1.
        line: u64,
    },
    /// A line is missing before this one, or lines were swapped.
    #[error("line {line} does not continue the line before it")]
    Broken {
        /// Counted from 1.
        line: u64,
    },
    /// The line is not what was written.
    #[error("line {line} was changed")]
    Changed {
        /// Counted from 1.
        line: u64,
    },
}

fn hash(prev: &str, seq: u64, event: &str) -> String {
    let mut digest = Sha256::new();
    for part in [prev, "\n", &seq.to_string(), "\n", event] {
        digest.update(part.as_bytes());
    }
    hex(&digest.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// One line that continues `head`, without its line end, and the head after it.
pub(super) fn link(head: &ChainHead, event: &Map<String, Value>) -> (String, ChainHead) {
    let lines = head.lines + 1;
    let event = Value::Object(event.clone()).to_string();
    let hash = hash(&head.hash, lines, &event);
    let start = start_of(head);
    let line = format!(r#"{start}{hash}","event":{event}}}"#);
    (line, ChainHead { lines, hash })
}

/// How the line after this head begins.
fn start_of(head: &ChainHead) -> String {
    let seq = head.lines + 1;
    format!(r#"{{"seq":{seq},"prev":"{}","hash":""#, head.hash)
}

/// Checks a whole chain and gives its head. Lines are compared as text, not as JSON: there is one way to write each.
///
/// # Errors
/// [`ChainFault`] at the first line that does not hold.
pub fn verify_chain(mut reader: impl BufRead) -> Result<ChainHead, ChainFault> {
    let mut head = ChainHead::default();
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let read = reader.read_line(&mut text);
        if read.map_err(|source| ChainFault::Read { line, source })? == 0 {
            break;
        }
        // A last line without its end was cut off while it was written.
        let whole = text.strip_suffix("}\n");
        let Some(whole) = whole.filter(|whole| whole.starts_with(r#"{"seq":"#)) else {
            return Err(ChainFault::Malformed { line });
        };
        let Some(rest) = whole.strip_prefix(&start_of(&head)) else {
            return Err(ChainFault::Broken { line });
        };
        let Some((given, event)) = rest.split_once(r#"","event":"#) else {
            return Err(ChainFault::Malformed { line });
        };
        if given != hash(&head.hash, line, event) {
            return Err(ChainFault::Changed { line });
        }
        head = ChainHead {
            lines: line,
            hash: given.to_owned(),
        };
    }
    Ok(head)
}

//! The audit file's hash chain: as it comes, and as lines that are chained anew before they are checked.

use std::fmt::Write as _;

use context::{ChainHead, verify_chain};
use ring::digest;

use crate::text::{check_error, text};

pub(crate) fn run(data: &[u8]) {
    match verify_chain(data) {
        Ok(head) => {
            let lines = data.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(head.lines, lines as u64, "every line counts");
            assert_eq!(head.hash.len(), 64);
        }
        Err(error) => check_error(&error, 64),
    }
    let Some(text) = text(data) else { return };
    let (chain, head) = chained(text);
    match verify_chain(chain.as_bytes()) {
        Ok(found) => assert_eq!(found, head),
        Err(error) => panic!("a chain that was just made: {error}"),
    }
    // Every byte counts.
    let Some(at) = chain
        .len()
        .checked_sub(1)
        .map(|last| data.len() % (last + 1))
    else {
        return;
    };
    let mut changed = chain.into_bytes();
    changed[at] ^= 1;
    assert!(verify_chain(&*changed).is_err(), "byte {at} was changed");
}

/// Each line of the text as an event of a chain.
fn chained(text: &str) -> (String, ChainHead) {
    let mut chain = String::new();
    let mut head = ChainHead::default();
    for event in text.lines().filter(|line| !line.contains('\r')) {
        let seq = head.lines + 1;
        let content = format!("{}\n{seq}\n{event}", head.hash);
        let mut hash = String::new();
        for byte in digest::digest(&digest::SHA256, content.as_bytes()).as_ref() {
            let _infallible = write!(hash, "{byte:02x}");
        }
        let _infallible = writeln!(
            chain,
            r#"{{"seq":{seq},"prev":"{}","hash":"{hash}","event":{event}}}"#,
            head.hash
        );
        head = ChainHead { lines: seq, hash };
    }
    (chain, head)
}

//! The message, and the key that makes and checks it.
//!
//! ```text
//! nova-cells invalidation 1
//! sender <32 hex digits>          made when the sender starts
//! sequence 5                      counts its messages from 1
//! sent 1763769600
//! what all                        or: what <uuid>, or: what token <SHA-256 in 64 hex digits>
//! mac <64 hex digits>             over all lines above
//! ```

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use context::TokenFingerprint;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::files::{self, Readers};
use crate::id::CellId;
use crate::lines::{Lines, Malformed, date, hex, number, push_hex, seconds};
use crate::seal::SealError;
use crate::upkeep::Invalidation;

/// No message is longer.
pub(super) const MAX_BYTES: usize = 512;

/// The key that senders and receivers share, in a file of mode 600:
///
/// ```text
/// nova-cells invalidation key 1
/// key <64 hex digits>
/// ```
#[derive(Clone)]
pub struct InvalidationKey(Zeroizing<[u8; 32]>);

impl InvalidationKey {
    /// A new key.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn generate() -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        let filled = SystemRandom::new().fill(&mut *key);
        filled.map_err(|_| SealError::NoRandom).map(|()| Self(key))
    }

    /// Reads a key's file.
    ///
    /// # Errors
    /// [`SealError`], also where others than its owner may read the file.
    pub fn load(path: &Path) -> Result<Self, SealError> {
        let bytes = files::read_private(path, MAX_BYTES).map_err(SealError::file(path))?;
        Self::parse(&bytes)
    }

    /// Reads a key's text.
    ///
    /// # Errors
    /// [`SealError::MalformedKey`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let read = || -> Result<_, Malformed> {
            let mut lines = Lines::of(bytes)?;
            lines.exactly("nova-cells invalidation key 1")?;
            let key = hex(lines.value("key")?)?;
            lines.end().map(|()| Self(key))
        };
        read().map_err(|_| SealError::MalformedKey)
    }

    /// Writes the key's file, where nothing is yet.
    ///
    /// # Errors
    /// [`SealError::File`].
    pub fn write(&self, path: &Path) -> Result<(), SealError> {
        let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES));
        text.push_str("nova-cells invalidation key 1\nkey ");
        push_hex(&mut text, &*self.0);
        text.push('\n');
        files::create_new(path, text.as_bytes(), Readers::Owner).map_err(SealError::file(path))
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.0)
    }
}

impl fmt::Debug for InvalidationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvalidationKey(***)")
    }
}

/// Makes messages: one sender per process, for as long as it lives.
#[derive(Debug)]
pub struct InvalidationSender {
    key: InvalidationKey,
    sender: [u8; 16],
    sent: AtomicU64,
}

impl InvalidationSender {
    /// A sender with a number range of its own.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn new(key: InvalidationKey) -> Result<Self, SealError> {
        let mut sender = [0; 16];
        let filled = SystemRandom::new().fill(&mut sender);
        filled.map_err(|_| SealError::NoRandom)?;
        Ok(Self {
            key,
            sender,
            sent: AtomicU64::new(0),
        })
    }

    /// The next message.
    #[must_use]
    pub fn message(&self, what: Invalidation, now: SystemTime) -> String {
        let sequence = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let mut text = String::from("nova-cells invalidation 1\nsender ");
        push_hex(&mut text, &self.sender);
        text.push_str(&format!(
            "\nsequence {sequence}\nsent {}\nwhat ",
            seconds(now)
        ));
        match what {
            Invalidation::All => text.push_str("all\n"),
            Invalidation::Cell(id) => text.push_str(&format!("{id}\n")),
            Invalidation::Token(token) => {
                text.push_str("token ");
                push_hex(&mut text, token.as_bytes());
                text.push('\n');
            }
        }
        let mac = hmac::sign(&self.key.hmac(), text.as_bytes());
        text.push_str("mac ");
        push_hex(&mut text, mac.as_ref());
        text.push('\n');
        text
    }
}

/// A message that was read; authentic only where [`read`] says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) sender: [u8; 16],
    pub(super) sequence: u64,
    pub(super) sent: SystemTime,
    pub(super) what: Invalidation,
}

/// Why a message is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    Malformed,
    Forged,
}

pub(super) fn read(bytes: &[u8], key: &InvalidationKey) -> Result<Message, Unread> {
    let (message, signed, mac) = parse(bytes).map_err(|Malformed| Unread::Malformed)?;
    match hmac::verify(&key.hmac(), signed, &mac) {
        Ok(()) => Ok(message),
        Err(_) => Err(Unread::Forged),
    }
}

fn parse(bytes: &[u8]) -> Result<(Message, &[u8], [u8; 32]), Malformed> {
    if bytes.len() > MAX_BYTES {
        return Err(Malformed);
    }
    let mut lines = Lines::of(bytes)?;
    lines.exactly("nova-cells invalidation 1")?;
    let message = Message {
        sender: *hex(lines.value("sender")?)?,
        sequence: number(lines.value("sequence")?)?,
        sent: date(lines.value("sent")?)?,
        what: match lines.value("what")? {
            "all" => Invalidation::All,
            what => match what.strip_prefix("token ") {
                Some(hash) => Invalidation::Token(TokenFingerprint::of_hash(*hex(hash)?)),
                None => Invalidation::Cell(what.parse::<CellId>().map_err(|_| Malformed)?),
            },
        },
    };
    let signed = lines.so_far();
    let mac = *hex(lines.value("mac")?)?;
    lines.end().map(|()| (message, signed, mac))
}

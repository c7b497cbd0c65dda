//! The highest serial seen, kept on disk, so that an old manifest is refused after a restart as well.
//!
//! Two copies, written one after the other, each whole or absent (written beside, flushed, renamed), each with a
//! checksum. What a crash, or a disk that lies about flushing, leaves of one copy does not matter while the other is
//! whole; the higher of two counts. Where both are there and neither is whole, nothing is believed until an operator
//! has looked: deleting both files starts anew.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use ring::digest;

use crate::files::{self, Readers};

use super::manifest::SealManifest;
use super::state::SealState;
use crate::lines::{Lines, Malformed, hex, number, push_hex};

/// The last serial could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SerialError {
    /// Both copies are damaged.
    #[error(
        "{0}: damaged, and so is its second copy; delete both to trust the next manifest as the first one"
    )]
    Damaged(PathBuf),
    /// A file could not be read or written.
    #[error("{path}: cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Where the last serial is kept: `PATH`, its second copy `PATH.2`, and `PATH.lock`, which keeps the processes of one
/// host from writing at once.
#[derive(Debug, Clone)]
pub struct SerialFile {
    path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    serial: u64,
    fingerprint: [u8; 32],
}

const MAX_FILE: usize = 4096;

impl SerialFile {
    /// At this path, in a folder that is there.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The highest serial seen; none where nothing was seen.
    ///
    /// # Errors
    /// [`SerialError`].
    pub fn last(&self) -> Result<Option<u64>, SerialError> {
        Ok(self.seen()?.map(|seen| seen.serial))
    }

    /// Whether this manifest is not older than the newest seen.
    pub(super) fn check(
        &self,
        manifest: &SealManifest,
    ) -> Result<Result<(), SealState>, SerialError> {
        Ok(match self.seen()? {
            Some(seen) => newer(seen, manifest),
            None => Ok(()),
        })
    }

    /// Keeps the serial of a manifest that passed every check.
    pub(super) fn accept(&self, manifest: &SealManifest) -> Result<(), SerialError> {
        let lock = files::with_suffix(&self.path, ".lock");
        let held = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|source| SerialError::File { path: lock, source })?;
        let seen = Seen {
            serial: manifest.serial(),
            fingerprint: manifest.fingerprint(),
        };
        // Another process may have gone further meanwhile.
        let ahead = self.seen()?.is_some_and(|known| known.serial > seen.serial);
        if !ahead {
            for path in self.copies() {
                if read(&path)?.whole() != Some(seen) {
                    files::replace(&path, seen.to_text().as_bytes(), Readers::Owner)
                        .map_err(|source| SerialError::File { path, source })?;
                }
            }
        }
        drop(held);
        Ok(())
    }

    fn copies(&self) -> [PathBuf; 2] {
        [self.path.clone(), files::with_suffix(&self.path, ".2")]
    }

    fn seen(&self) -> Result<Option<Seen>, SerialError> {
        let [one, two] = self.copies();
        let copies = [read(&one)?, read(&two)?];
        let highest = copies
            .iter()
            .filter_map(Copy::whole)
            .max_by_key(|seen| seen.serial);
        if highest.is_none() && copies.iter().any(|copy| matches!(copy, Copy::Damaged)) {
            return Err(SerialError::Damaged(one));
        }
        Ok(highest)
    }
}

/// The rule: never lower, and never another manifest with the same number.
fn newer(seen: Seen, manifest: &SealManifest) -> Result<(), SealState> {
    let same = manifest.serial() == seen.serial && manifest.fingerprint() == seen.fingerprint;
    match manifest.serial() > seen.serial || same {
        true => Ok(()),
        false => Err(SealState::RolledBack),
    }
}

enum Copy {
    Absent,
    Damaged,
    Whole(Seen),
}

impl Copy {
    fn whole(&self) -> Option<Seen> {
        match self {
            Self::Whole(seen) => Some(*seen),
            Self::Absent | Self::Damaged => None,
        }
    }
}

fn read(path: &Path) -> Result<Copy, SerialError> {
    match files::read(path, MAX_FILE) {
        Ok(bytes) => Ok(Seen::parse(&bytes).map_or(Copy::Damaged, Copy::Whole)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Copy::Absent),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Copy::Damaged),
        Err(source) => Err(SerialError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

impl Seen {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::of(bytes)?;
        lines.exactly("nova-cells serial 1")?;
        let serial = number(lines.value("serial")?)?;
        let fingerprint = *hex(lines.value("manifest")?)?;
        let sum = digest::digest(&digest::SHA256, lines.so_far());
        let check = hex::<32>(lines.value("check")?)?;
        lines.end()?;
        match sum.as_ref() == check.as_slice() {
            true => Ok(Self {
                serial,
                fingerprint,
            }),
            false => Err(Malformed),
        }
    }

    fn to_text(self) -> String {
        let mut text = format!("nova-cells serial 1\nserial {}\nmanifest ", self.serial);
        push_hex(&mut text, &self.fingerprint);
        text.push('\n');
        let sum = digest::digest(&digest::SHA256, text.as_bytes());
        text.push_str("check ");
        push_hex(&mut text, sum.as_ref());
        text.push('\n');
        text
    }
}

//! The sink that appends chained JSON lines to a file. One writer per file; each event is on disk before `record`
//! returns. Rotation and shipping are the operator's tools' work.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::cadf::to_cadf;
use super::chain::{ChainFault, ChainHead, link, verify_chain};
use super::event::AuditEvent;
use super::sink::{AuditError, AuditSink};

/// A file cannot be appended to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFileAuditError {
    /// It cannot be opened.
    #[error("the audit file cannot be opened")]
    Open(#[source] std::io::Error),
    /// Another process writes to it.
    #[error("the audit file is in use by another writer")]
    InUse,
    /// What is in it is not an unbroken chain: nothing is appended to evidence of tampering.
    #[error("the audit file's chain does not hold")]
    Chain(#[source] ChainFault),
}

/// Appends events to a file, chained.
#[derive(Debug)]
pub struct FileAudit(Mutex<State>);

#[derive(Debug)]
struct State {
    file: File,
    head: ChainHead,
    /// Bytes of whole lines: where a line that was written in part is cut off again.
    length: u64,
}

impl FileAudit {
    /// Opens or creates the file, locks it against other writers and checks the chain in it.
    ///
    /// # Errors
    /// [`OpenFileAuditError`].
    pub fn open(path: &Path) -> Result<Self, OpenFileAuditError> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(OpenFileAuditError::Open)?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => OpenFileAuditError::InUse,
            std::fs::TryLockError::Error(error) => OpenFileAuditError::Open(error),
        })?;
        let head = verify_chain(BufReader::new(&file)).map_err(OpenFileAuditError::Chain)?;
        let length = (&file)
            .seek(SeekFrom::End(0))
            .map_err(OpenFileAuditError::Open)?;
        Ok(Self(Mutex::new(State { file, head, length })))
    }

    /// The chain's head so far, to be kept where who can write the file cannot.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.head.clone()
    }
}

impl State {
    fn append(&mut self, event: &AuditEvent) -> std::io::Result<()> {
        let (mut line, head) = link(&self.head, &to_cadf(event));
        line.push('\n');
        let written = self
            .file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would break the chain for every later one.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += line.len() as u64;
        self.head = head;
        Ok(())
    }
}

impl AuditSink for FileAudit {
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.append(event).map_err(|source| AuditError {
            sink: "file",
            source: Box::new(source),
        })
    }
}

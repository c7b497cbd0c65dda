//! Small files that must be whole or absent: written beside, flushed, renamed over; readable by whom they should be.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Who may read a file that is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Mode 600.
    Owner,
    /// Mode 640.
    Group,
    /// Mode 644.
    All,
}

impl Readers {
    #[cfg(unix)]
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o640,
            Self::All => 0o644,
        }
    }
}

/// Puts these bytes at the path, or leaves what is there: after a crash at any point one of the two is whole.
pub(crate) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let beside = with_suffix(path, &format!(".new-{}", uuid::Uuid::new_v4().simple()));
    let written = create(&beside, readers)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| sync_folder(path));
    if written.is_err() {
        // The first error is the one to tell.
        let _left_behind = fs::remove_file(&beside);
    }
    written
}

/// Puts these bytes at a path where nothing is yet.
pub(crate) fn create_new(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut file = create(path, readers)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_folder(path)
}

fn create(path: &Path, readers: Readers) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, readers.mode());
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Reads a file of at most this many bytes. The buffer is wiped, and never grows.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    read_open(File::open(path)?, most)
}

/// As [`read`], for secrets: refused where others than the owner may read or write the file.
pub(crate) fn read_private(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o077 != 0 {
        let what = "others than its owner may use the file";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    read_open(file, most)
}

fn read_open(file: File, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, "the file is too long");
    let length = usize::try_from(file.metadata()?.len()).map_err(|_| too_long())?;
    if length > most {
        return Err(too_long());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(length as u64 + 1).read_to_end(&mut bytes)?;
    // One byte more than there was: somebody is writing to it.
    match bytes.len() > length {
        true => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "the file grew while it was read",
        )),
        false => Ok(bytes),
    }
}

/// The path with this at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

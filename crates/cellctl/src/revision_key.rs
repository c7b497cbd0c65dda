//! The key under which this user's revisions are made, kept so that scripts can compare revisions between runs.
//!
//! A revision is a keyed hash of URLs with passwords; without the key, nobody who sees one can test a guess. The key lives
//! in `$XDG_STATE_HOME/cellctl/revision.key` (or `~/.local/state/…`), readable by its owner alone. Where it cannot be kept,
//! revisions hold for one run only.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cells::RevisionKey;

use crate::exit::CliError;

const BYTES: usize = 32;

/// The user's key, made at first use.
pub(crate) fn load() -> Result<RevisionKey, CliError> {
    let kept = state_dir().map(|dir| kept_key(&dir)).transpose();
    match kept {
        Ok(Some(bytes)) => Ok(RevisionKey::from_bytes(&bytes)),
        Ok(None) => ephemeral(),
        Err(error) => {
            tracing::info!(%error, "the revision key cannot be kept: revisions hold for this run only");
            ephemeral()
        }
    }
}

fn ephemeral() -> Result<RevisionKey, CliError> {
    RevisionKey::ephemeral().map_err(CliError::nothing)
}

/// Where this user's state is kept.
pub(crate) fn state_dir() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state =
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("cellctl"))
}

fn kept_key(dir: &Path) -> io::Result<[u8; BYTES]> {
    let path = dir.join("revision.key");
    match read_key(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let mut bytes = [0; BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    // Written aside and linked into place: two first runs at once agree on one key, and nobody reads half of one.
    let aside = dir.join(format!("revision.key.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::hard_link(&aside, &path));
    let _ = fs::remove_file(&aside);
    match written {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read_key(&path),
    }
}

fn read_key(path: &Path) -> io::Result<[u8; BYTES]> {
    let mut file = fs::File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other(
            "revision.key can be read by others; remove it to have a new one made",
        ));
    }
    let mut bytes = [0; BYTES];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("cellctl");
        let first = kept_key(&state).unwrap();
        assert_eq!(kept_key(&state).unwrap(), first);
        let mode = fs::metadata(state.join("revision.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        kept_key(dir.path()).unwrap();
        fs::set_permissions(
            dir.path().join("revision.key"),
            fs::Permissions::from_mode(0o644),
        )
        .unwrap();
        assert!(kept_key(dir.path()).is_err());
    }
}

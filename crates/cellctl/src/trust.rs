//! Which mappings are trusted, as the options say: an allow-list, and seals.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cells::{AllowList, SealCheck, SealKeyring, SealMode, SerialFile};

use crate::args::Global;
use crate::exit::CliError;

/// The allow-list of the options.
pub(crate) fn allow_list(global: &Global) -> Result<Option<Arc<AllowList>>, CliError> {
    global
        .allow_list
        .as_deref()
        .map(read_allow_list)
        .transpose()
}

/// The allow-list in this file.
pub(crate) fn read_allow_list(path: &Path) -> Result<Arc<AllowList>, CliError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::usage(format_args!("reading {shown}: {error}")))?;
    let list = AllowList::parse(&text)
        .map_err(|error| CliError::usage(format_args!("{shown}: {error}")))?;
    Ok(Arc::new(list))
}

/// The seals of the options. Bad key files end the command here: seals that nobody can check are no seals.
pub(crate) fn seals(global: &Global) -> Result<Option<Arc<SealCheck>>, CliError> {
    let Some(manifest) = &global.seals else {
        return Ok(None);
    };
    SealKeyring::load(&global.trusted_keys).map_err(|error| CliError::usage_because(&error))?;
    if let Err(error) = std::fs::metadata(manifest) {
        return Err(CliError::usage(format_args!(
            "reading {}: {error}",
            manifest.display()
        )));
    }
    let mode = match global.require_seals {
        true => SealMode::Require,
        false => SealMode::Report,
    };
    let check = SealCheck::new(manifest, global.trusted_keys.clone(), mode);
    Ok(Some(Arc::new(
        check.remember(SerialFile::at(serial_path(manifest))),
    )))
}

/// The highest serial seen is kept beside the manifest's trusted keys' user: in this user's state folder, one file for
/// each manifest path, so that whoever can write the manifest cannot also turn its serial back.
fn serial_path(manifest: &Path) -> PathBuf {
    let absolute = std::path::absolute(manifest).unwrap_or_else(|_| manifest.to_owned());
    let name: String = absolute
        .to_string_lossy()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect();
    match crate::revision_key::state_dir() {
        Some(dir) => dir.join(format!("serial.{name}")),
        None => PathBuf::from(format!("{}.serial", absolute.display())),
    }
}

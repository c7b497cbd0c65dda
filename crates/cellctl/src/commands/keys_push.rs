//! `cellctl keys push`: the key that announcements of changed mappings are signed with.

use std::path::Path;

use cells::InvalidationKey;
use serde::Serialize;

use crate::args::{Format, Global};
use crate::exit::{CliError, Exit};
use crate::output;

#[derive(Serialize)]
struct Document {
    key: String,
}

pub(crate) fn run(global: &Global, path: &Path) -> Result<Exit, CliError> {
    InvalidationKey::generate()
        .and_then(|key| key.write(path))
        .map_err(|error| CliError::usage_because(&error))?;
    let key = path.display().to_string();
    match global.format {
        Format::Json => output::json(&Document { key })?,
        _ => output::text(&format!(
            "{key}\n  goes to those who announce and those who listen, readable by them alone\n"
        ))?,
    }
    Ok(Exit::Complete)
}

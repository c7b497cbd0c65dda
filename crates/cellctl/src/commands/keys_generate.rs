//! `cellctl keys generate`: the pair of files that sealing begins with.

use std::path::Path;
use std::time::SystemTime;

use cells::SealingKey;
use serde::Serialize;

use crate::args::{Format, Global};
use crate::exit::{CliError, Exit};
use crate::output;

#[derive(Serialize)]
struct Document {
    key: String,
    public: String,
    id: String,
}

pub(crate) fn run(global: &Global, prefix: &Path) -> Result<Exit, CliError> {
    let key =
        SealingKey::generate(SystemTime::now()).map_err(|error| CliError::usage_because(&error))?;
    key.write(prefix)
        .map_err(|error| CliError::usage_because(&error))?;
    let shown = prefix.display();
    let document = Document {
        key: format!("{shown}.key"),
        public: format!("{shown}.pub"),
        id: key.id().to_string(),
    };
    match global.format {
        Format::Json => output::json(&document)?,
        _ => output::text(&format!(
            "Key {}\n  {}  signs: keep it where only operators read it\n  {}  goes to the services, readable by them alone\n",
            document.id, document.key, document.public,
        ))?,
    }
    Ok(Exit::Complete)
}

//! What the options, the environment and nova.conf say: which cloud, and what this host has for all of its mappings.

use std::path::{Path, PathBuf};

use cells::{BrokerOptions, DatabaseLocation, InvalidUrl, SecretText, UrlDefaults};

use crate::args::Global;
use crate::exit::CliError;
use crate::oslo_conf::OsloConf;

/// What the configuration says.
pub(crate) struct Settings {
    pub(crate) api: DatabaseLocation,
    pub(crate) defaults: UrlDefaults,
}

impl Settings {
    pub(crate) fn read(global: &Global) -> Result<Self, CliError> {
        let conf = read(global)?;
        let get = |section, option| conf.get(section, option).map_err(CliError::usage);
        let broker = |name: &'static str| {
            let value = get("oslo_messaging_rabbit", name)?;
            Ok(value.map(|value| (name.to_owned(), value.expose().to_owned())))
        };
        let broker: Result<Vec<_>, CliError> = BrokerOptions::NAMES
            .into_iter()
            .map(broker)
            .filter_map(Result::transpose)
            .collect();
        let broker = BrokerOptions::new(broker?);
        let defaults = UrlDefaults {
            database: get("database", "connection")?,
            database_parameters: get("database", "connection_parameters")?,
            transport: get("DEFAULT", "transport_url")?,
            broker: broker.map_err(|error| {
                CliError::usage(format_args!("[oslo_messaging_rabbit]: {error}"))
            })?,
        };
        let api = match &global.api_db {
            // Whoever writes the URL out writes all of it.
            Some(url) => place(&SecretText::from(url.as_str()), None),
            None => {
                let url = get("api_database", "connection")?;
                let url = url.ok_or_else(|| nowhere(global))?;
                place(&url, get("api_database", "connection_parameters")?.as_ref())
            }
        };
        let api = api.map_err(|error| {
            CliError::usage(format_args!("the API database's URL is malformed: {error}"))
        })?;
        Ok(Self { api, defaults })
    }
}

fn read(global: &Global) -> Result<OsloConf, CliError> {
    let mut conf = OsloConf::default();
    conf.take_environment(std::env::vars_os());
    for path in &global.nova_conf {
        let unread = |path: &Path, error| {
            CliError::usage(format_args!("reading {}: {error}", path.display()))
        };
        for file in files(path).map_err(|error| unread(path, error))? {
            let text = std::fs::read_to_string(&file).map_err(|error| unread(&file, error))?;
            conf.merge(&text)
                .map_err(|error| CliError::usage(format_args!("{}: {error}", file.display())))?;
        }
    }
    Ok(conf)
}

/// The files that a path of `--nova-conf` stands for: itself, or for a folder, as oslo.config's `--config-dir` has it, those in
/// it that are called `*.conf`, by their names.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && name.as_encoded_bytes().ends_with(b".conf") {
            files.push(path.join(name));
        }
    }
    files.sort();
    Ok(files)
}

fn place(
    url: &SecretText,
    parameters: Option<&SecretText>,
) -> Result<DatabaseLocation, InvalidUrl> {
    let place = DatabaseLocation::from_url(url)?;
    match parameters {
        Some(parameters) => place.with_parameters(parameters),
        None => Ok(place),
    }
}

fn nowhere(global: &Global) -> CliError {
    CliError::usage(match global.nova_conf.is_empty() {
        true => "which cloud? Give --nova-conf FILE, --api-db URL or CELLCTL_API_DB",
        false => "no [api_database]connection in the given configuration; add it or give --api-db",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_conf_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["20-b.conf", "10-a.conf", "c.txt", ".hidden.conf"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |path: &Path| -> Vec<PathBuf> {
            let files = files(path).unwrap();
            let name = |file: &PathBuf| file.strip_prefix(folder.path()).unwrap().to_owned();
            files.iter().map(name).collect()
        };
        assert_eq!(
            names(folder.path()),
            ["10-a.conf", "20-b.conf"].map(PathBuf::from)
        );
        let file = folder.path().join("c.txt");
        assert_eq!(names(&file), [PathBuf::from("c.txt")]);
    }
}

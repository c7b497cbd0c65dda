//! `cellctl cells seal`: shows what changed since the last manifest, then signs the mappings as they are now.

use std::path::Path;
use std::time::{Duration, SystemTime};

use cells::{CellId, CellMapping, SealChanges, SealKeyring, SealManifest, SealingKey, Snapshot};
use serde::Serialize;

use crate::args::{Format, Global, Seal};
use crate::cloud::{Cloud, select_error};
use crate::exit::{CliError, Exit};
use crate::output;

#[derive(Serialize)]
struct Document {
    manifest: String,
    serial: u64,
    key: String,
    signed: bool,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
    unchanged: Vec<String>,
    unknown: Vec<String>,
}

pub(crate) async fn run(global: &Global, args: &Seal) -> Result<Exit, CliError> {
    let key = SealingKey::load(&args.key).map_err(|error| CliError::usage_because(&error))?;
    let mut ring =
        SealKeyring::load(&global.trusted_keys).map_err(|error| CliError::usage_because(&error))?;
    ring.trust(key.trusted());
    let last = last_manifest(&args.out, &ring)?;

    let cloud = Cloud::open(global, "cellctl cells seal").await?;
    let snapshot = cloud.snapshot();
    snapshot
        .select(&cells::Selection::All)
        .map_err(|error| select_error(&error))?;
    refuse_broken(&snapshot)?;
    let mappings: Vec<&CellMapping> = snapshot.mappings().collect();
    let changes = SealChanges::between(last.as_ref(), mappings.iter().copied(), &key, &ring);
    let serial = last.as_ref().map_or(1, SealManifest::next_serial);
    // Before anything is signed, so that an operator who did not expect it still can stop.
    if global.format == Format::Table {
        output::text(&shown(&changes, &snapshot))?;
    }
    if !args.dry_run {
        let now = SystemTime::now();
        let expires = now + Duration::from_secs(u64::from(args.days) * 24 * 3600);
        let manifest = SealManifest::sign(mappings.iter().copied(), serial, now, expires, &key)
            .map_err(|error| CliError::usage_because(&error))?;
        manifest
            .write(&args.out)
            .map_err(|error| CliError::usage_because(&error))?;
    }
    report(global, args, &key, serial, changes)?;
    Ok(Exit::Complete)
}

/// The manifest that is replaced. One that cannot be believed is not continued: its serial and its cells may be anybody's.
fn last_manifest(path: &Path, ring: &SealKeyring) -> Result<Option<SealManifest>, CliError> {
    if !path.exists() {
        return Ok(None);
    }
    let shown = path.display();
    let manifest = SealManifest::load(path).map_err(|error| {
        CliError::usage(format_args!("{shown}: {error}; move it away to begin anew"))
    })?;
    match ring.check(&manifest, SystemTime::now()) {
        // Renewing seals that ran out is what an operator does late; whose they were is still certain.
        Ok(()) | Err(cells::SealState::Expired) => Ok(Some(manifest)),
        Err(state) => Err(CliError::usage(format_args!(
            "{shown} is {state}; give its key with --trusted-keys, or move it away to begin anew"
        ))),
    }
}

/// A seal says that an operator stands for all of the cells; one that cannot be read must be mended or removed first.
fn refuse_broken(snapshot: &Snapshot) -> Result<(), CliError> {
    let broken = snapshot.choices().iter().find_map(|choice| match choice {
        cells::Choice::Rejected(rejected) => Some(rejected),
        cells::Choice::Cell(_) => None,
    });
    match broken {
        Some(cell) => Err(CliError::usage(format_args!(
            "nothing was sealed: cell {} is rejected: {}",
            cell.label(),
            cell.problems()
        ))),
        None => Ok(()),
    }
}

fn shown(changes: &SealChanges, snapshot: &Snapshot) -> String {
    let name = |id: &CellId| {
        snapshot
            .mapping(*id)
            .map_or_else(|| id.to_string(), |mapping| mapping.label().to_string())
    };
    let mut text = String::new();
    let lists = [
        ("added", &changes.added),
        ("removed", &changes.removed),
        ("changed", &changes.changed),
        ("maybe changed", &changes.unknown),
        ("unchanged", &changes.unchanged),
    ];
    for (word, cells) in lists {
        for cell in cells {
            text.push_str(&format!("{word:>13}  {}\n", name(cell)));
        }
    }
    text
}

fn report(
    global: &Global,
    args: &Seal,
    key: &SealingKey,
    serial: u64,
    changes: SealChanges,
) -> Result<(), CliError> {
    let manifest = args.out.display().to_string();
    if global.format == Format::Table {
        return output::text(&match args.dry_run {
            true => format!("\nNothing was signed. Serial {serial} would go to {manifest}.\n"),
            false => format!(
                "\nSigned with key {}: serial {serial}, {} days, {manifest}\n",
                key.id(),
                args.days
            ),
        });
    }
    let texts = |cells: Vec<CellId>| cells.iter().map(ToString::to_string).collect();
    output::json(&Document {
        manifest,
        serial,
        key: key.id().to_string(),
        signed: !args.dry_run,
        added: texts(changes.added),
        removed: texts(changes.removed),
        changed: texts(changes.changed),
        unchanged: texts(changes.unchanged),
        unknown: texts(changes.unknown),
    })
}

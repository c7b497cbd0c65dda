//! `cellctl demo`: the main job, start to end, on a cloud that it builds itself: list it, hang one cell for real, list it
//! again, and see that only that cell is missing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cells::{CellsOptions, DatabaseLocation, SecretText};
use conformance::{Cloud as BuiltCloud, CloudBuilder, HeldCell};
use context::Deadline;
use instances::ServerQuery;
use serde::Serialize;
use tempfile::TempDir;

use crate::args::{Demo, Format, Global};
use crate::cloud::Cloud;
use crate::commands::servers_list::{self, Listing};
use crate::exit::{CliError, Exit};
use crate::output;
use crate::revision_key;

/// How many of the newest servers each listing asks for.
const PAGE: u32 = 50;
/// How many of them the table shows.
const SHOWN: usize = 8;
/// What the second listing may take: one cell hangs, and nobody waits longer for it than this.
const BUDGET: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Document<'d> {
    cells: u16,
    servers: u32,
    folder: Option<&'d Path>,
    hung: String,
    listings: [&'d Listing; 2],
}

/// Where the cloud is built, and whether it stays.
enum Folder {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn of(keep: Option<&Path>) -> Result<Self, CliError> {
        let Some(path) = keep else {
            return tempfile::Builder::new()
                .prefix("cellctl-demo-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|error| {
                    CliError::usage(format_args!("making a temporary folder: {error}"))
                });
        };
        let shown = path.display();
        std::fs::create_dir_all(path)
            .map_err(|error| CliError::usage(format_args!("making {shown}: {error}")))?;
        let holds_something =
            std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if holds_something {
            return Err(CliError::usage(format_args!(
                "{shown} is not empty; name a new folder"
            )));
        }
        Ok(Self::Kept(path.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}

pub(crate) async fn run(global: &Global, demo: &Demo) -> Result<Exit, CliError> {
    let folder = Folder::of(demo.keep.as_deref())?;
    // Ctrl-C drops the work and then the folder, so that nothing is left behind.
    tokio::select! {
        done = shown(global, demo, &folder) => done,
        _ = tokio::signal::ctrl_c() => Err(CliError::partial("interrupted")),
    }
}

async fn shown(global: &Global, demo: &Demo, folder: &Folder) -> Result<Exit, CliError> {
    let table = global.format == Format::Table;
    let begun = Instant::now();
    let built = build(demo, folder.path()).await?;
    if table {
        output::text(&format!(
            "Built a cloud of {} cells and cell0 with {} servers in {}.\n\n\
             == The newest {PAGE} servers of all cells\n",
            demo.cells,
            demo.servers,
            seconds(begun.elapsed()),
        ))?;
    }
    let healthy = list(global, &built, global.timeout).await?;
    if table {
        output::text(&healthy.table(SHOWN))?;
    }

    let hung = built
        .cells()
        .last()
        .ok_or_else(|| CliError::nothing("the cloud has no cells"))?;
    let held = HeldCell::hold(hung).await.map_err(CliError::nothing)?;
    if table {
        output::text(&format!(
            "\n== The same again, while another connection holds the database of {}: budget {}\n",
            hung.name(),
            seconds(BUDGET),
        ))?;
    }
    let partial = list(global, &built, BUDGET).await?;
    held.release().await.map_err(CliError::nothing)?;

    if table {
        output::text(&partial.table(SHOWN))?;
        if let Folder::Kept(path) = folder {
            output::text(&format!(
                "\nThe cloud is kept in {}. List it with:\n  cellctl --api-db {} servers list --all-projects --limit {PAGE}\n",
                path.display(),
                built.api_url(),
            ))?;
        }
    } else {
        output::json(&Document {
            cells: demo.cells,
            servers: demo.servers,
            folder: demo.keep.as_deref(),
            hung: hung.id().to_string(),
            listings: [&healthy, &partial],
        })?;
    }
    verdict(&healthy, &partial, &hung.id().to_string())
}

async fn build(demo: &Demo, folder: &Path) -> Result<BuiltCloud, CliError> {
    CloudBuilder::new()
        .cells(usize::from(demo.cells))
        .servers(u64::from(demo.servers))
        .build(folder)
        .await
        .map_err(|error| CliError::usage(format_args!("building the cloud: {error}")))
}

async fn list(global: &Global, built: &BuiltCloud, budget: Duration) -> Result<Listing, CliError> {
    let api = DatabaseLocation::from_url(&SecretText::from(built.api_url()));
    let api = api.map_err(|error| CliError::usage_because(&error))?;
    let deadline = Deadline::after(budget);
    let mappings = CellsOptions::new(revision_key::load()?);
    let cloud = Cloud::at(&api, mappings, global.executor, "cellctl demo", deadline).await?;
    servers_list::list(
        &cloud,
        &ServerQuery {
            limit: PAGE,
            ..ServerQuery::default()
        },
    )
    .await
}

/// The demo shows something only if it went as it says: the hung cell missing, and no other.
fn verdict(healthy: &Listing, partial: &Listing, hung: &str) -> Result<Exit, CliError> {
    let missing = |listing: &Listing| -> Vec<String> {
        let cells = listing.cells.iter().filter(|cell| !cell.is_answered());
        cells.map(|cell| cell.uuid.clone()).collect()
    };
    if !missing(healthy).is_empty() {
        return Err(CliError::partial(
            "a cell of the healthy cloud did not answer",
        ));
    }
    if missing(partial) != [hung] {
        return Err(CliError::partial(
            "the hung cell should have been the one that is missing",
        ));
    }
    Ok(Exit::Complete)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

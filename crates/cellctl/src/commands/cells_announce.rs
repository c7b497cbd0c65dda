//! `cellctl cells announce`: tells every process that listens that a mapping was changed, so that they look at once.

use cells::{CellId, Invalidation};
use connect::Announcer;
use context::Deadline;
use serde::Serialize;

use crate::args::{Announce, Format, Global};
use crate::exit::{CliError, Exit};
use crate::output;
use crate::push;

#[derive(Serialize)]
struct Document {
    listeners: u64,
}

/// Asks no database: what is announced is that somebody should.
pub(crate) async fn run(global: &Global, announce: &Announce) -> Result<Exit, CliError> {
    let what = match &announce.cell {
        None => Invalidation::All,
        Some(id) => {
            let id: Result<CellId, _> = id.parse();
            Invalidation::Cell(id.map_err(|_| CliError::usage("--cell is not a cell's UUID"))?)
        }
    };
    let Some((place, key)) = push::channel(&announce.push)? else {
        return Err(CliError::usage(
            "announce where? Give --push URL or CELLCTL_PUSH, and --push-key FILE",
        ));
    };
    let announcer = Announcer::new(place, key).map_err(|error| CliError::usage_because(&error))?;
    let announced = announcer.announce(what, Deadline::after(global.timeout));
    let listeners = announced.await.map_err(|error| {
        tracing::debug!(target: "nova_cells::detail", detail = %error.detail(), "announcing failed");
        CliError::nothing(format_args!("Redis did not take the announcement: {error}"))
    })?;
    match (global.format, listeners) {
        (Format::Json, _) => output::json(&Document { listeners })?,
        (_, 0) => output::text("Announced, and nobody listens.\n")?,
        (_, heard) => output::text(&format!("Announced to {heard}.\n"))?,
    }
    Ok(Exit::Complete)
}

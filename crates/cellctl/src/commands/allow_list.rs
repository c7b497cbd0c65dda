//! `cellctl cells allow-list`: a list that lets today's mappings pass, as a start for an operator to edit.

use std::net::ToSocketAddrs;

use cells::AllowList;

use crate::args::Global;
use crate::cloud::{Cloud, select_error};
use crate::exit::{CliError, Exit};
use crate::output;

/// Always TOML, whatever `--format` says: it is a file's content and no report.
pub(crate) async fn run(global: &Global) -> Result<Exit, CliError> {
    let cloud = Cloud::open(global, "cellctl cells allow-list").await?;
    let snapshot = cloud.snapshot();
    let asked = snapshot
        .select(&cells::Selection::All)
        .map_err(|error| select_error(&error))?
        .len();
    let resolve = |host: &str| {
        // The port means nothing here; the resolver wants one.
        (host, 0)
            .to_socket_addrs()
            .map(|found| found.map(|at| at.ip()).collect())
            .unwrap_or_default()
    };
    let list = tokio::task::block_in_place(|| AllowList::learn(snapshot.mappings(), resolve));
    output::text(&list)?;
    Ok(Exit::of(asked, snapshot.mappings().count()))
}

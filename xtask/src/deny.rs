//! `deny`: what comes in from outside. cargo-deny checks licences, bans and sources against `deny.toml`; cargo-machete
//! finds dependencies that nothing uses.
//!
//! Security advisories are not checked here: their database changes without our doing, so a build that was green would
//! turn red by itself. `cargo deny check advisories` is a separate step, for a schedule.

use anyhow::{Context as _, Result};

use crate::ci::Closing;
use crate::project::Project;
use crate::tools::{self, DENY, MACHETE};

/// Runs both tools.
pub(crate) fn run(project: &Project) -> Result<Closing> {
    let deny = tools::need(project, &DENY)?;
    let machete = tools::need(project, &MACHETE)?;
    // cargo-deny reads every platform's crates, a build fetched only ours; offline, it would miss the others.
    project.cargo("fetch --locked --quiet").run()?;
    project
        .cmd(
            deny,
            "--offline --locked --workspace --all-features check --hide-inclusion-graph licenses bans sources",
        )
        .run()
        .context("`cargo tree --workspace --invert CRATE` says who brings a crate in")?;
    // `--with-metadata`: a library's name may differ from its package's.
    project
        .cmd(machete, "--with-metadata")
        .run()
        .context("remove what nothing uses, or say why it stays in that crate's [package.metadata.cargo-machete]")?;
    Ok(Closing::new())
}

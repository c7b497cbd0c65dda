//! The sections that are one or two plain cargo commands.
//!
//! `--locked` throughout: CI checks the versions that are committed, never newer ones.

use anyhow::Result;

use crate::ci::Closing;
use crate::project::Project;
use crate::tools;

/// rustfmt would change nothing.
pub(crate) fn fmt(project: &Project) -> Result<Closing> {
    tools::component(project, "rustfmt", "fmt --version")?;
    project.cargo("fmt --all --check").run()?;
    Ok(Closing::new())
}

/// Lets rustfmt write.
pub(crate) fn fmt_fix(project: &Project) -> Result<()> {
    tools::component(project, "rustfmt", "fmt --version")?;
    project.cargo("fmt --all").run()
}

/// Clippy on every target of every package, those that need the real peers to run among them.
pub(crate) fn lint(project: &Project) -> Result<Closing> {
    tools::component(project, "clippy", "clippy --version")?;
    project
        .cargo("clippy --workspace --all-targets --features nova-interop/interop --locked -- -D warnings")
        .run()?;
    Ok(Closing::new())
}

/// The documentation builds without a warning, and its examples hold.
pub(crate) fn doc(project: &Project) -> Result<Closing> {
    project
        .cargo("doc --no-deps --workspace --locked")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    // nextest does not run these.
    project.cargo("test --doc --workspace --locked").run()?;
    Ok(Closing::new())
}

/// What the README promises to a new user, in the build that the README names.
pub(crate) fn demo(project: &Project) -> Result<Closing> {
    project
        .cargo("run --release --locked --package cellctl -- demo")
        .run()?;
    Ok(Closing::new())
}

//! The tools that cargo does not bring: found in a version that will do, or installed in a locked one.
//!
//! They go to `target/tools`, never into the user's own folders. A tool that can be neither found nor installed is an
//! error that says how to get it; no section passes without its tool.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cmd::Cmd;
use crate::project::Project;

/// A cargo companion.
pub(crate) struct Tool {
    /// The package and its binary.
    name: &'static str,
    /// The word cargo would put before the tool's own arguments.
    subcommand: &'static str,
    /// The version that is installed, and the oldest that is taken from `PATH`.
    version: Version,
}

type Version = [u32; 3];

/// Runs tests, each in a process of its own.
pub(crate) const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    subcommand: "nextest",
    version: [0, 9, 143],
};
/// Builds every feature set.
pub(crate) const HACK: Tool = Tool {
    name: "cargo-hack",
    subcommand: "hack",
    version: [0, 6, 46],
};
/// Checks licences, bans and sources.
pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    subcommand: "deny",
    version: [0, 20, 2],
};
/// Finds unused dependencies.
pub(crate) const MACHETE: Tool = Tool {
    name: "cargo-machete",
    subcommand: "machete",
    version: [0, 9, 2],
};

/// The path of a binary that is at least as new as `tool` asks for, installed first when there is none.
pub(crate) fn need(project: &Project, tool: &Tool) -> Result<PathBuf> {
    let installed = project.target().join("tools/bin").join(tool.name);
    for candidate in [installed.clone(), tool.name.into()] {
        if version_of(project.root(), &candidate, tool).is_some_and(|found| found >= tool.version) {
            return Ok(candidate);
        }
    }
    install(project, tool).with_context(|| {
        format!(
            "{name} {version} or newer is not on PATH and could not be installed; get it with `cargo install --locked {name}@{version}`",
            name = tool.name,
            version = dotted(tool.version),
        )
    })?;
    version_of(project.root(), &installed, tool)
        .filter(|found| *found >= tool.version)
        .with_context(|| format!("{} was installed, but does not run", installed.display()))?;
    Ok(installed)
}

/// Makes sure that a rustup component is there: a minimal toolchain has neither rustfmt nor clippy.
pub(crate) fn component(project: &Project, component: &str, probe: &str) -> Result<()> {
    if project.cargo(probe).read().is_ok() {
        return Ok(());
    }
    println!("{component} is missing");
    project
        .cmd("rustup", "component add")
        .arg(component)
        .run()
        .and_then(|()| project.cargo(probe).read().map(drop))
        .with_context(|| {
            format!("{component} is missing; get it with `rustup component add {component}`")
        })
}

/// An unoptimised build without debug information: these tools run for a second and are compiled for minutes. They share
/// one build folder, as they share half of their dependencies.
fn install(project: &Project, tool: &Tool) -> Result<()> {
    let tools = project.target().join("tools");
    println!(
        "installing {} {} into {}",
        tool.name,
        dotted(tool.version),
        tools.display()
    );
    project
        .cargo("install --locked --debug --force --root")
        .arg(&tools)
        .arg("--target-dir")
        .arg(tools.join("build"))
        .arg(format!("{}@{}", tool.name, dotted(tool.version)))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .run()
}

fn version_of(root: &Path, binary: &Path, tool: &Tool) -> Option<Version> {
    let output = Cmd::new(root, binary, tool.subcommand)
        .arg("--version")
        .read()
        .ok()?;
    parse_version(&output)
}

/// The first word that is three numbers with dots between; what follows a `-` or `+` is ignored.
fn parse_version(output: &str) -> Option<Version> {
    output.split_whitespace().find_map(|word| {
        let release = word.split(['-', '+']).next()?;
        let mut parts = release.split('.').map(str::parse);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => {
                Some([major, minor, patch])
            }
            _ => None,
        }
    })
}

fn dotted([major, minor, patch]: Version) -> String {
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        for (output, version) in [
            ("cargo-deny 0.20.2\n", Some([0, 20, 2])),
            (
                "cargo-nextest 0.9.143 (60fa45f63 2026-08-04)\nrelease: 0.9.143\n",
                Some([0, 9, 143]),
            ),
            ("0.9.2\n", Some([0, 9, 2])),
            ("tool 1.2.3-rc.1", Some([1, 2, 3])),
            ("tool 1.2", None),
            ("", None),
        ] {
            assert_eq!(parse_version(output), version, "{output}");
        }
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(parse_version("x 0.9.143") > parse_version("x 0.9.99"));
        assert!(parse_version("x 0.20.2") > parse_version("x 0.9.143"));
    }

    #[test]
    fn a_tool_that_is_not_there_has_no_version() {
        assert_eq!(
            version_of(Path::new("/"), Path::new("/nowhere/cargo-deny"), &DENY),
            None
        );
    }
}

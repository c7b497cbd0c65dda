//! `features`: each library builds alone, in each of its feature sets, without a warning.
//!
//! For every package under `crates/` that has a library: no feature, each feature alone, the default ones, all of them.
//! Clippy stands in for `check` because it can deny the workspace's own warnings (an import that one feature set does not
//! use) without changing `RUSTFLAGS`, which would rebuild every third-party crate. cargo-hack's `--no-dev-deps` is not
//! used: it rewrites the manifests while it runs, and is not needed where the resolver (version 2 and later) leaves
//! dev-dependencies' features out of a `--lib` build.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::ci::Closing;
use crate::project::{Project, items, text};
use crate::tools::{self, HACK};

/// Feature sets that the design promises by name. `--each-feature` covers them as long as the features exist; this
/// table notices when one is renamed away.
const PROMISED: &[(&str, &[&str])] = &[
    ("nova-context", &[]),
    ("nova-cells", &[]),
    ("nova-scatter", &["thread", "tokio"]),
    (
        "nova-connect",
        &["mysql", "postgres", "rabbitmq", "redis", "sqlite"],
    ),
];

/// Builds each library in each feature set.
pub(crate) fn run(project: &Project) -> Result<Closing> {
    let libraries = libraries(project.packages());
    check_promised(&libraries)?;
    tools::component(project, "clippy", "clippy --version")?;
    let hack = tools::need(project, &HACK)?;
    let mut cmd = project.cmd(hack, "hack clippy --each-feature --lib --locked --quiet");
    // What the public features share is nobody's to ask for.
    for inner in inner(&libraries) {
        cmd = cmd.arg("--exclude-features").arg(inner);
    }
    for (name, _) in &libraries {
        cmd = cmd.arg("--package").arg(name);
    }
    cmd.words("-- -D warnings").run()?;
    Ok(Closing::new())
}

/// A library package and its features.
type Library = (String, Vec<String>);

fn libraries<'a>(packages: impl Iterator<Item = &'a Value>) -> Vec<Library> {
    packages
        .filter(|package| text(&package["manifest_path"]).contains("/crates/"))
        .filter(|package| {
            items(&package["targets"])
                .any(|target| items(&target["kind"]).any(|kind| text(kind) == "lib"))
        })
        .map(|package| {
            let features = package["features"].as_object();
            (
                text(&package["name"]).to_owned(),
                features.map_or_else(Vec::new, |map| map.keys().cloned().collect()),
            )
        })
        .collect()
}

/// Features that only other features name: they begin with an underscore.
fn inner(libraries: &[Library]) -> BTreeSet<&str> {
    let features = libraries.iter().flat_map(|(_, features)| features);
    features
        .map(String::as_str)
        .filter(|name| name.starts_with('_'))
        .collect()
}

fn check_promised(libraries: &[Library]) -> Result<()> {
    for (package, promised) in PROMISED {
        let Some((_, features)) = libraries.iter().find(|(name, _)| name == package) else {
            bail!(
                "the design promises that `{package}` builds alone, but there is no such library"
            );
        };
        for feature in *promised {
            ensure!(
                features.iter().any(|name| name == feature),
                "the design promises a build of `{package}` with `{feature}` alone, but it has no such feature"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promised_feature_sets_exist() {
        let project = Project::open().expect("cargo metadata");
        check_promised(&libraries(project.packages())).expect("every promised feature exists");
    }

    #[test]
    fn a_feature_that_was_renamed_is_missed() {
        let mut libraries: Vec<Library> = PROMISED
            .iter()
            .map(|(name, features)| {
                let features = features.iter().map(|name| (*name).to_owned()).collect();
                ((*name).to_owned(), features)
            })
            .collect();
        check_promised(&libraries).expect("nothing is missing yet");
        for (_, features) in &mut libraries {
            features.retain(|name| name != "thread");
        }
        let error = check_promised(&libraries).expect_err("`thread` is gone");
        assert!(error.to_string().contains("with `thread` alone"), "{error}");
    }

    #[test]
    fn only_the_libraries_are_built_alone() {
        let project = Project::open().expect("cargo metadata");
        let names: Vec<String> = libraries(project.packages())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(names.contains(&"nova-instances".to_owned()), "{names:?}");
        for other in ["xtask", "nova-tests", "cellctl"] {
            assert!(!names.contains(&other.to_owned()), "{names:?}");
        }
    }
}

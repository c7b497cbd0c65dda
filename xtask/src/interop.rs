//! `interop`: the real peers, installed and asked. Nova's own code answers the cases that the tests of `nova-interop` make.
//!
//! The peers come from PyPI in pinned versions, into `target/peers`. Nothing here is skipped: no Python, no peers, a test
//! that did not run, a comparison that left no figures, or too few cases are failures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::ci::Closing;
use crate::project::Project;
use crate::test;

/// What must have been compared, and in how many cases at least.
const PROMISED: &[(&str, u64)] = &[
    ("context", 2000),
    ("headers", 2000),
    ("url-for", 2000),
    ("policy-rules", 2000),
    ("policy-nova", 2000),
    ("policy-deprecated", 2000),
    ("database-url", 2000),
    ("transport-url", 2000),
    ("template", 2000),
    ("access-rules", 2000),
    ("servers-sqlite", 400),
    ("servers-mariadb", 400),
    ("messaging", 20),
];

/// The variable that tells tests and benches where the peers are.
pub(crate) const PEERS: &str = "NOVA_INTEROP_PEERS";

/// Where the peers are, after installing what is missing.
pub(crate) fn peers(project: &Project) -> Result<PathBuf> {
    let peers = project.target().join("peers");
    install(project, &peers.join("nova"))?;
    Ok(peers)
}

/// Installs what is missing, asks, and closes with the figures.
pub(crate) fn run(project: &Project) -> Result<Closing> {
    let peers = peers(project)?;
    let report = peers.join("report");
    // Figures of an earlier run must not stand in for this one's.
    if report.exists() {
        std::fs::remove_dir_all(&report)
            .with_context(|| format!("{} cannot be removed", report.display()))?;
    }
    std::fs::create_dir_all(&report)
        .with_context(|| format!("{} cannot be made", report.display()))?;
    test::run_package(project, "nova-interop", "interop", &|cmd| {
        cmd.env(PEERS, &peers)
    })?;
    let mut closing = Closing::new();
    for (domain, at_least) in PROMISED {
        let path = report.join(format!("{domain}.json"));
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("nothing says that `{domain}` was compared"))?;
        closing.push(figures(domain, *at_least, &text)?);
    }
    for line in &closing {
        println!("{line}");
    }
    Ok(closing)
}

/// One line for one comparison, if enough was compared.
fn figures(domain: &str, at_least: u64, text: &str) -> Result<String> {
    let figures: Value = serde_json::from_str(text)
        .with_context(|| format!("the figures of `{domain}` are not JSON"))?;
    let number = |key: &str| {
        figures[key]
            .as_u64()
            .with_context(|| format!("the figures of `{domain}` have no number `{key}`"))
    };
    let (cases, agreed) = (number("cases")?, number("agreed")?);
    ensure!(
        cases >= at_least,
        "`{domain}` compared {cases} cases, at least {at_least} were promised"
    );
    let kinds = figures["differences"]
        .as_object()
        .map_or(0, |map| map.len());
    Ok(format!(
        "interop: {domain:<17} {cases:>6} cases, {agreed:>6} alike, {:>5} explained by {kinds} listed differences",
        cases - agreed
    ))
}

/// A virtual environment with exactly the pinned packages; nothing to do where one of these pins is there already.
fn install(project: &Project, environment: &Path) -> Result<()> {
    let pins = project.root().join("tests/interop");
    let wanted = ["requirements.txt", "constraints.txt"]
        .iter()
        .map(|file| {
            std::fs::read_to_string(pins.join(file)).with_context(|| format!("{file} is missing"))
        })
        .collect::<Result<Vec<_>>>()?
        .concat();
    let stamp = environment.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!(
        "installing Nova into {}: a minute or two",
        environment.display()
    );
    python(project)?;
    project
        .cmd("python3", "-m venv --clear")
        .arg(environment)
        .run()
        .context("the virtual environment cannot be made")?;
    project
        .cmd(
            pip(environment),
            "install --quiet --disable-pip-version-check",
        )
        .arg("--requirement")
        .arg(pins.join("requirements.txt"))
        .arg("--constraint")
        .arg(pins.join("constraints.txt"))
        .run()
        .context("pip cannot install the peers")?;
    // The stamp comes last: an installation that was cut short is made anew.
    std::fs::write(&stamp, wanted).with_context(|| format!("{} cannot be written", stamp.display()))
}

fn pip(environment: &Path) -> PathBuf {
    environment.join("bin/pip")
}

/// Makes sure of a Python that can make virtual environments; Debian has that in a package of its own.
fn python(project: &Project) -> Result<()> {
    let able = || {
        project
            .cmd("python3", "-c")
            .arg("import ensurepip, sys, venv; assert sys.version_info >= (3, 11)")
            .read()
    };
    if able().is_ok() {
        return Ok(());
    }
    let root = project
        .cmd("id", "-u")
        .read()
        .is_ok_and(|id| id.trim() == "0");
    if root && project.cmd("apt-get", "--version").read().is_ok() {
        println!("no Python 3.11 that can make virtual environments; installing python3-venv");
        project.cmd("apt-get", "update --quiet").run()?;
        project
            .cmd(
                "apt-get",
                "install --yes --no-install-recommends python3-venv",
            )
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()?;
    }
    able().map(drop).context(
        "Python 3.11 or newer with `venv` and `ensurepip` is needed (Debian: `apt-get install python3-venv`)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::items;

    #[test]
    fn figures_are_one_line() {
        let text =
            r#"{"domain": "x", "cases": 2500, "agreed": 2400, "differences": {"a": 60, "b": 50}}"#;
        assert_eq!(
            figures("x", 2000, text).expect("good figures"),
            "interop: x                   2500 cases,   2400 alike,   100 explained by 2 listed differences"
        );
    }

    #[test]
    fn too_few_cases_and_missing_figures_are_failures() {
        let few = r#"{"cases": 3, "agreed": 3, "differences": {}}"#;
        let error = figures("x", 2000, few).expect_err("three are too few");
        assert_eq!(
            error.to_string(),
            "`x` compared 3 cases, at least 2000 were promised"
        );
        figures("x", 0, "{}").expect_err("no figures");
        figures("x", 0, "").expect_err("no JSON");
    }

    #[test]
    fn every_test_file_of_the_tier_needs_the_feature_that_the_tier_turns_on() {
        let project = Project::open().expect("cargo metadata");
        let package = project
            .packages()
            .find(|package| package["name"] == "nova-interop")
            .expect("the package is in the workspace");
        let tests: Vec<&Value> = items(&package["targets"])
            .filter(|target| items(&target["kind"]).any(|kind| kind == "test"))
            .collect();
        assert!(tests.len() >= 4, "{tests:?}");
        for target in tests {
            let needs: Vec<&Value> = items(&target["required-features"]).collect();
            assert_eq!(needs, ["interop"], "{}", target["name"]);
        }
    }
}

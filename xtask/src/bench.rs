//! `bench`: runs every bench target of the workspace and gathers their rows into one table and one JSON array.
//!
//! A bench target appends its rows to the file named in `NOVA_BENCH_OUT`, one JSON object per line, and prints what it
//! likes. What the rows mean and which ratio is good enough is not decided here; machines are shared and noisy, so this
//! is no part of `ci`, and the load average is printed beside the figures.

mod rows;

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use self::rows::Row;
use crate::interop;
use crate::project::{Project, items, text};

/// The variable that tells a bench target where its rows go: an absolute path.
const OUT: &str = "NOVA_BENCH_OUT";

/// The package whose bench targets run Nova's own code, too.
const BESIDE_NOVA: &str = "nova-interop";

/// Runs the bench targets whose name contains `filter`, or all of them.
pub(crate) fn run(project: &Project, filter: Option<&str>) -> Result<()> {
    let targets = select(targets(project.packages())?, filter)?;
    let folder = project.target().join("bench");
    let rows_folder = folder.join("rows");
    let summary = folder.join("summary.json");
    create(&rows_folder)?;
    // A run that fails half way must not leave the last one's figures behind.
    remove(&summary)?;
    let load_before = load_average();
    let mut all: Vec<Row> = Vec::new();
    for target in &targets {
        let out = rows_folder.join(format!("{}.jsonl", target.name));
        remove(&out)?;
        println!("== bench {}", target.name);
        let mut cargo = project
            .cargo("bench --locked --package")
            .arg(&target.package)
            .words(&target.features)
            .arg("--bench")
            .arg(&target.name)
            .env(OUT, &out);
        if target.package == BESIDE_NOVA {
            cargo = cargo.env(interop::PEERS, interop::peers(project)?);
        }
        cargo.run()?;
        let written = if out.exists() {
            std::fs::read_to_string(&out)
                .with_context(|| format!("{} cannot be read", out.display()))?
        } else {
            String::new()
        };
        let rows = rows::parse(&written).with_context(|| format!("bench `{}`", target.name))?;
        all.extend(rows);
    }
    std::fs::write(&summary, rows::to_json(&all))
        .with_context(|| format!("{} cannot be written", summary.display()))?;
    print!("\n{}", rows::table(&all));
    println!(
        "load average before {load_before}, after {}",
        load_average()
    );
    println!("{} rows in {}", all.len(), summary.display());
    Ok(())
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be created", folder.display()))
}

fn remove(file: &Path) -> Result<()> {
    if file.exists() {
        std::fs::remove_file(file)
            .with_context(|| format!("{} cannot be removed", file.display()))?;
    }
    Ok(())
}

/// A bench target of the workspace.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    package: String,
    name: String,
    /// `--features a,b`, or nothing.
    features: String,
}

fn targets<'a>(packages: impl Iterator<Item = &'a Value>) -> Result<Vec<Target>> {
    let mut found: Vec<Target> = Vec::new();
    for package in packages {
        for target in items(&package["targets"]) {
            if !items(&target["kind"]).any(|kind| text(kind) == "bench") {
                continue;
            }
            let name = text(&target["name"]).to_owned();
            // Rows are kept by the target's name.
            ensure!(
                found.iter().all(|other| other.name != name),
                "two bench targets are named `{name}`"
            );
            let features: Vec<&str> = items(&target["required-features"]).map(text).collect();
            found.push(Target {
                package: text(&package["name"]).to_owned(),
                name,
                features: if features.is_empty() {
                    String::new()
                } else {
                    format!("--features {}", features.join(","))
                },
            });
        }
    }
    Ok(found)
}

fn select(targets: Vec<Target>, filter: Option<&str>) -> Result<Vec<Target>> {
    if targets.is_empty() {
        bail!("the workspace has no bench target");
    }
    let Some(part) = filter else {
        return Ok(targets);
    };
    let (selected, others): (Vec<Target>, Vec<Target>) = targets
        .into_iter()
        .partition(|target| target.name.contains(part));
    if selected.is_empty() {
        let names: Vec<String> = others.into_iter().map(|target| target.name).collect();
        bail!(
            "no bench target has `{part}` in its name; there are: {}",
            names.join(", ")
        );
    }
    Ok(selected)
}

/// The three figures of the last 1, 5 and 15 minutes.
fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").map_or_else(
        |_| "unknown".to_owned(),
        |line| {
            line.split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn packages() -> Vec<Value> {
        vec![
            json!({"name": "a", "targets": [
                {"name": "a", "kind": ["lib"]},
                {"name": "fan_out", "kind": ["bench"]}]}),
            json!({"name": "b", "targets": [
                {"name": "merge", "kind": ["bench"], "required-features": ["x", "y"]}]}),
        ]
    }

    #[test]
    fn bench_targets_are_found_with_the_features_they_need() {
        let found = targets(packages().iter()).expect("two targets");
        let lines: Vec<String> = found
            .iter()
            .map(|target| format!("{} {} {}", target.package, target.name, target.features))
            .collect();
        assert_eq!(lines, ["a fan_out ", "b merge --features x,y"]);
    }

    #[test]
    fn rows_of_two_targets_cannot_be_mixed_up() {
        let mut twice = packages();
        twice.extend(packages());
        let error = targets(twice.iter()).expect_err("each name is there twice");
        assert_eq!(error.to_string(), "two bench targets are named `fan_out`");
    }

    #[test]
    fn a_filter_that_matches_nothing_says_what_there_is() {
        let all = targets(packages().iter()).expect("two targets");
        assert_eq!(select(all.clone(), Some("fan")).expect("one").len(), 1);
        assert_eq!(select(all.clone(), None).expect("both").len(), 2);
        let error = select(all, Some("sort")).expect_err("no such target");
        assert!(
            error.to_string().ends_with("there are: fan_out, merge"),
            "{error}"
        );
        assert!(select(Vec::new(), None).is_err());
    }
}

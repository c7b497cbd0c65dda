//! `fuzz`: libFuzzer on every parser, built and run with the toolchain at hand.
//!
//! The stable compiler instruments for coverage when LLVM is asked directly; only the sanitizers need a nightly one, and
//! this workspace has no unsafe code for them to watch. What runs is `tests/fuzz/engine`, a workspace of its own, because
//! libFuzzer is C++. A target that did not run as often as it was asked to is a failure.
//!
//! No section of `ci`: building everything once more, instrumented, takes minutes. There, the test of `nova-fuzz` puts the
//! corpus and thousands of its variants through the same targets.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::project::Project;

/// The corpus, the dictionaries and the engine.
const HOME: &str = "tests/fuzz";
/// Inputs per target where nothing is said: some seconds each.
const SHORT_PASS: u64 = 50_000;
/// Longer inputs make slow targets, and nothing here reads more than a file of a few kilobytes differently.
const MAX_LEN: usize = 4096;
/// Targets that read one line, or a handful, and what is enough for those.
const LINES: &[&str] = &[
    "cursor",
    "database_url",
    "endpoint_url",
    "invalidation",
    "template",
    "transport_url",
];
const MAX_LINE: usize = 1024;
/// What cargo-fuzz passes, but for sanitizers, and for the operands of comparisons: each target has a dictionary of the words
/// that are compared with, and writing every comparison down takes as long as the parsers themselves.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table";

/// What to fuzz, and for how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Only this target.
    pub(crate) target: Option<String>,
    /// Inputs per target.
    pub(crate) runs: Option<u64>,
    /// Instead of looking for more: the smallest corpus that reaches everything reached so far, into the repository.
    pub(crate) minimise: bool,
}

/// Builds the engine, then runs or minimises target after target.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let targets = targets(project, options.target.as_deref())?;
    let binaries = build(project)?;
    let mut closing = Vec::new();
    for name in &targets {
        let target = Target {
            project,
            name,
            binary: binaries.join(name),
        };
        if options.minimise {
            target.minimise()?;
        } else {
            let runs = options.runs.unwrap_or(SHORT_PASS);
            closing.push(target.fuzz(runs)?);
        }
    }
    for line in &closing {
        println!("{line}");
    }
    Ok(())
}

/// The names of the files in the engine's folder of targets.
fn targets(project: &Project, only: Option<&str>) -> Result<Vec<String>> {
    let folder = project.root().join(HOME).join("engine/fuzz_targets");
    let mut names: Vec<String> = files(&folder)?
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    ensure!(!names.is_empty(), "there is no fuzz target");
    match only {
        None => Ok(names),
        Some(name) if names.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => bail!(
            "there is no fuzz target `{name}`; there are {}",
            names.join(", ")
        ),
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        })
        .with_context(|| format!("{} cannot be read", folder.display()))
}

/// Builds all binaries; returns where they are.
fn build(project: &Project) -> Result<PathBuf> {
    project
        .cmd("c++", "--version")
        .read()
        .context("libFuzzer is compiled from C++ (Debian: `apt-get install g++`)")?;
    // Named even though it is the default: with a target, flags for coverage are not put on build scripts and macros.
    let compiler = project.cmd("rustc", "-vV").read()?;
    let host = compiler
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc does not say what it compiles for")?;
    let folder = project.target().join("fuzz");
    let engine = project.root().join(HOME).join("engine");
    // The workspace's own versions; the engine's few crates are pinned in its manifest.
    std::fs::copy(project.root().join("Cargo.lock"), engine.join("Cargo.lock"))
        .context("Cargo.lock cannot be copied to the engine")?;
    project
        .cargo("build --release --bins --manifest-path")
        .arg(engine.join("Cargo.toml"))
        .arg("--target")
        .arg(host)
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .run()?;
    Ok(folder.join(host).join("release"))
}

struct Target<'a> {
    project: &'a Project,
    name: &'a str,
    binary: PathBuf,
}

impl Target<'_> {
    /// The committed inputs.
    fn corpus(&self) -> PathBuf {
        self.project
            .root()
            .join(HOME)
            .join("corpus")
            .join(self.name)
    }

    fn max_len(&self) -> String {
        let most = match LINES.contains(&self.name) {
            true => MAX_LINE,
            false => MAX_LEN,
        };
        format!("-max_len={most}")
    }

    /// Inputs found since, kept from run to run beside the build.
    fn found(&self) -> Result<PathBuf> {
        made(self.project.target().join("fuzz/corpus").join(self.name))
    }

    /// Looks for inputs that reach something new or break something; one line of figures.
    fn fuzz(&self, runs: u64) -> Result<String> {
        let findings = made(self.project.target().join("fuzz/findings"))?;
        let dictionary = self.project.root().join(HOME).join("dictionaries");
        let mut last = String::new();
        let mut done = None;
        self.project
            .cmd(&self.binary, "-timeout=20 -rss_limit_mb=2048 -verbosity=1")
            .arg(self.max_len())
            .arg(format!("-runs={runs}"))
            .arg(format!(
                "-dict={}",
                dictionary.join(self.name).with_extension("dict").display()
            ))
            .arg(format!(
                "-artifact_prefix={}/{}-",
                findings.display(),
                self.name
            ))
            .arg(self.found()?)
            .arg(self.corpus())
            .run_and_watch(|line| {
                done = done.or(runs_done(line));
                if line.contains(" cov: ") {
                    line.clone_into(&mut last);
                }
            })
            .with_context(|| {
                format!(
                    "`{}` found something: the input is in {}; mend it, and put the input into {}",
                    self.name,
                    findings.display(),
                    self.corpus().display()
                )
            })?;
        let (ran, seconds) =
            done.with_context(|| format!("`{}` did not say what it ran", self.name))?;
        ensure!(ran >= runs, "`{}` ran {ran} inputs, not {runs}", self.name);
        Ok(format!(
            "fuzz: {:<15} {ran:>9} inputs in {seconds:>4} s, {} edges",
            self.name,
            edges(&last).unwrap_or("?")
        ))
    }

    /// Puts the smallest set of inputs that reaches what the committed and the found ones reach into the repository.
    /// Inputs with a name of their own (`seed-`, `broke-`) stay.
    fn minimise(&self) -> Result<()> {
        let merged = self.project.target().join("fuzz/merged").join(self.name);
        if merged.exists() {
            std::fs::remove_dir_all(&merged).context("an earlier merge cannot be removed")?;
        }
        let merged = made(merged)?;
        self.project
            .cmd(&self.binary, "-merge=1 -timeout=20 -rss_limit_mb=2048")
            .arg(self.max_len())
            .arg(&merged)
            .arg(self.corpus())
            .arg(self.found()?)
            .run()?;
        let named = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("seed-") || name.starts_with("broke-")
        };
        let kept: Vec<PathBuf> = files(&self.corpus())?;
        let mut texts = Vec::new();
        for path in kept {
            if named(&path) {
                texts.push(std::fs::read(&path)?);
            } else {
                std::fs::remove_file(&path)?;
            }
        }
        for path in files(&merged)? {
            let text = std::fs::read(&path)?;
            if !texts.contains(&text) {
                std::fs::write(
                    self.corpus().join(path.file_name().unwrap_or_default()),
                    text,
                )?;
            }
        }
        Ok(())
    }
}

fn made(folder: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

/// `(20000, 3)` of `Done 20000 runs in 3 second(s)`.
fn runs_done(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("Done ")?;
    let (runs, rest) = rest.split_once(" runs in ")?;
    let seconds = rest.strip_suffix(" second(s)")?;
    Some((runs.parse().ok()?, seconds.parse().ok()?))
}

/// `812` of `#20000\tDONE   cov: 812 ft: 2400 corp: ..`.
fn edges(line: &str) -> Option<&str> {
    line.split_once(" cov: ")?.1.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_at_its_end_is_read() {
        assert_eq!(
            runs_done("Done 20000 runs in 3 second(s)"),
            Some((20_000, 3))
        );
        for line in ["", "Done", "Done x runs in 3 second(s)", "#2 INITED cov: 1"] {
            assert_eq!(runs_done(line), None, "{line}");
        }
        let line = "#20000\tDONE   cov: 812 ft: 2400 corp: 94/3kb lim: 43 exec/s: 0 rss: 40Mb";
        assert_eq!(edges(line), Some("812"));
        assert_eq!(edges(""), None);
    }

    #[test]
    fn a_target_that_is_not_there_is_named_with_those_that_are() {
        let project = Project::open().expect("cargo metadata");
        let all = targets(&project, None).expect("there are targets");
        assert!(all.len() >= 20, "{all:?}");
        assert!(LINES.iter().all(|name| all.iter().any(|one| one == name)));
        let error = targets(&project, Some("nonsense")).expect_err("there is none");
        assert!(error.to_string().contains("wire_context"), "{error}");
        assert_eq!(
            targets(&project, Some("catalog")).expect("one"),
            ["catalog"]
        );
    }
}

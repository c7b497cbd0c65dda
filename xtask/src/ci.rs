//! The sections of `ci`, in order, timed; the first failure stops.
//!
//! A single command is a run of one section, so that it behaves the same alone and in CI. What a section does is in the
//! section's own file.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::project::Project;
use crate::{deny, features, interop, layers, steps, test, tidy};

/// Lines that must still be visible after everything else was printed: a test runner's summary.
pub(crate) type Closing = Vec<String>;

/// One check of the workspace.
#[derive(Debug)]
pub(crate) struct Section {
    /// The command's name.
    pub(crate) name: &'static str,
    /// What the help says about it.
    pub(crate) about: &'static str,
    /// Does it; an error is a failed check.
    pub(crate) run: fn(&Project) -> Result<Closing>,
}

/// Every section, cheap ones first: what fails often should fail early.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        name: "fmt",
        about: "rustfmt would change nothing",
        run: steps::fmt,
    },
    Section {
        name: "tidy",
        about: "house rules: //! at the top, short files, no leftovers, no sleeping tests, no machine's paths",
        run: tidy::run,
    },
    Section {
        name: "layers",
        about: "crates depend only on what the layer table allows, and never on what it forbids",
        run: layers::run,
    },
    Section {
        name: "lint",
        about: "clippy on every target, warnings denied",
        run: steps::lint,
    },
    Section {
        name: "deny",
        about: "cargo-deny: licences, bans, sources; cargo-machete: no unused dependency",
        run: deny::run,
    },
    Section {
        name: "features",
        about: "cargo-hack: each library builds alone, in each of its feature sets, without warnings",
        run: features::run,
    },
    Section {
        name: "test",
        about: "cargo-nextest: every test of the workspace",
        run: test::run,
    },
    Section {
        name: "interop",
        about: "generated cases put to the real Nova, installed into target/peers, and to us",
        run: interop::run,
    },
    Section {
        name: "doc",
        about: "rustdoc with warnings denied, then the documentation's own tests",
        run: steps::doc,
    },
    Section {
        name: "demo",
        about: "the release build of `cellctl demo` ends well",
        run: steps::demo,
    },
];

/// Runs `sections` in order, prints a table of times, and fails with the first section that fails.
pub(crate) fn run(project: &Project, sections: &[Section]) -> Result<()> {
    let started = Instant::now();
    let mut times: Vec<(&str, Duration, &str)> = Vec::new();
    let mut closing = Closing::new();
    let mut failure = None;
    for section in sections {
        println!("== {}: {}", section.name, section.about);
        let began = Instant::now();
        let outcome = (section.run)(project);
        let took = began.elapsed();
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("== {} {verdict} {}\n", section.name, seconds(took));
        times.push((section.name, took, verdict));
        match outcome {
            Ok(lines) => closing.extend(lines),
            Err(error) => {
                failure = Some((section.name, error));
                break;
            }
        }
    }
    if sections.len() > 1 {
        for (name, took, verdict) in &times {
            println!("{name:<10} {:>9}  {verdict}", seconds(*took));
        }
        for section in sections.iter().skip(times.len()) {
            println!("{:<10} {:>9}  not run", section.name, "-");
        }
        println!("{:<10} {:>9}", "total", seconds(started.elapsed()));
        for line in closing {
            println!("{line}");
        }
    }
    match failure {
        None => Ok(()),
        Some((name, error)) => bail!("section `{name}` failed: {error:#}"),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(_: &Project) -> Result<Closing> {
        Ok(vec!["closing".to_owned()])
    }

    fn fails(_: &Project) -> Result<Closing> {
        bail!("the roof leaks")
    }

    fn must_not_run(_: &Project) -> Result<Closing> {
        panic!("a section ran after one that failed")
    }

    fn section(name: &'static str, run: fn(&Project) -> Result<Closing>) -> Section {
        Section {
            name,
            about: "",
            run,
        }
    }

    #[test]
    fn the_first_failure_stops_and_is_named() {
        let project = Project::bare("/nowhere", "/nowhere/target");
        let sections = [
            section("first", passes),
            section("second", fails),
            section("third", must_not_run),
        ];
        let error = run(&project, &sections).expect_err("the second section fails");
        assert_eq!(error.to_string(), "section `second` failed: the roof leaks");
    }

    #[test]
    fn sections_that_all_pass_are_a_pass() {
        let project = Project::bare("/nowhere", "/nowhere/target");
        let sections = [section("first", passes), section("second", passes)];
        run(&project, &sections).expect("both pass");
    }

    #[test]
    fn the_order_is_the_documented_one() {
        let names: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        assert_eq!(
            names,
            [
                "fmt", "tidy", "layers", "lint", "deny", "features", "test", "interop", "doc",
                "demo"
            ]
        );
    }
}

//! `test`: the whole workspace under nextest, and proof that tests ran.
//!
//! The runner's closing lines are kept, so that `ci` can end with them. Documentation tests are `doc`'s business.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::ci::Closing;
use crate::cmd::Cmd;
use crate::project::Project;
use crate::tools::{self, NEXTEST};

/// Runs every test; an empty run is a failure, too.
pub(crate) fn run(project: &Project) -> Result<Closing> {
    nextest(project, "--workspace", &|cmd| cmd)
}

/// Runs the tests of one package that is behind a feature, with what `prepare` adds to the command.
pub(crate) fn run_package(
    project: &Project,
    package: &str,
    feature: &str,
    prepare: &dyn Fn(Cmd) -> Cmd,
) -> Result<Closing> {
    let which = format!("--package {package} --features {feature}");
    nextest(project, &which, prepare)
}

fn nextest(project: &Project, which: &str, prepare: &dyn Fn(Cmd) -> Cmd) -> Result<Closing> {
    let nextest = tools::need(project, &NEXTEST)?;
    // The black-box tests run the built command and build it where it is missing: once here, not in the first tests' time.
    project
        .cmd("cargo", "build --locked --package cellctl")
        .run()?;
    // Watching means piping, and a pipe would cost the colours.
    let color = if std::io::stderr().is_terminal() {
        "always"
    } else {
        "never"
    };
    let mut closing = Closing::new();
    let cmd = project
        .cmd(
            nextest,
            "nextest run --locked --no-fail-fast --no-tests fail",
        )
        .words(which)
        .words(&format!("--color {color}"));
    let outcome = prepare(cmd).run_and_watch(|line| keep_closing(&mut closing, line));
    outcome.map_err(|error| anyhow!("{error:#}\n{}", closing.join("\n")))?;
    let ran = closing
        .first()
        .and_then(|summary| tests_run(summary))
        .context("nextest ended well but printed no summary")?;
    ensure!(ran > 0, "nextest ran no test at all");
    Ok(closing)
}

/// Keeps the last summary line and everything after it.
fn keep_closing(closing: &mut Closing, line: &str) {
    if tests_run(line).is_some() {
        closing.clear();
        closing.push(line.to_owned());
    } else if !closing.is_empty() {
        closing.push(line.to_owned());
    }
}

/// `12` of `     Summary [   0.005s] 12 tests run: 12 passed, 0 skipped`; an interrupted run says `12/40 tests run`.
fn tests_run(line: &str) -> Option<u64> {
    let plain = without_colour(line);
    let (_, counts) = plain
        .trim_start()
        .strip_prefix("Summary [")?
        .split_once(']')?;
    let number = counts.trim_start().split([' ', '/']).next()?;
    number.parse().ok()
}

/// The text without ANSI escape sequences.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = escape
            .split_once(|end: char| end.is_ascii_alphabetic())
            .map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_tests_is_read_from_the_summary() {
        for (line, number) in [
            (
                "     Summary [   0.005s] 12 tests run: 12 passed, 0 skipped",
                Some(12),
            ),
            (
                "     Summary [   0.005s] 1 test run: 1 passed, 0 skipped",
                Some(1),
            ),
            (
                "     Summary [   0.010s] 3/40 tests run: 2 passed, 1 failed",
                Some(3),
            ),
            (
                "\u{1b}[32;1m     Summary\u{1b}[0m [   0.005s] \u{1b}[1m0\u{1b}[0m tests run: \u{1b}[1m0\u{1b}[0m passed",
                Some(0),
            ),
            ("        PASS [   0.005s] nova-cells a_test", None),
            ("     Summary of another program", None),
        ] {
            assert_eq!(tests_run(line), number, "{line}");
        }
    }

    #[test]
    fn the_closing_lines_start_with_the_last_summary() {
        let mut closing = Closing::new();
        for line in [
            "PASS a",
            "Summary [ 0.1s] 1 tests run: 1 passed",
            "FAIL b",
            "Summary [ 0.2s] 2 tests run: 1 passed, 1 failed",
            "FAIL b",
            "error: test run failed",
        ] {
            keep_closing(&mut closing, line);
        }
        assert_eq!(
            closing,
            [
                "Summary [ 0.2s] 2 tests run: 1 passed, 1 failed",
                "FAIL b",
                "error: test run failed",
            ]
        );
    }
}

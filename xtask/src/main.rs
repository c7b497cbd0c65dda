//! The build runner: `cargo xtask ci` is what CI runs, and each of its sections is a command of its own.
//!
//! It knows cargo, a handful of cargo's companions and the rules of this house; it deliberately knows no library crate of
//! the workspace, so that it still runs when one of them does not compile. Nothing here is configured from outside:
//! what a section does is readable in one short file.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build runner talks to the terminal; it has no document to corrupt"
)]

mod flags;

mod ci;
mod cmd;
mod project;
mod tools;

mod bench;
mod deny;
mod features;
mod fuzz;
mod interop;
mod layers;
mod services;
mod steps;
mod test;
mod tidy;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;

use crate::flags::Command;
use crate::project::Project;

/// The exit code for a command line that makes no sense, as opposed to a check that failed (1).
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let command = match flags::parse(&args) {
        Ok(command) => command,
        Err(problem) => {
            eprintln!("error: {problem}\n`cargo xtask --help` lists the commands");
            return ExitCode::from(USAGE);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    if let Command::Help = command {
        std::io::stdout().write_all(flags::help().as_bytes())?;
        return Ok(());
    }
    let project = Project::open()?;
    match command {
        Command::Help => Ok(()),
        Command::Ci => ci::run(&project, ci::SECTIONS),
        Command::Section(section) => ci::run(&project, std::slice::from_ref(section)),
        Command::FmtFix => steps::fmt_fix(&project),
        Command::Fuzz(options) => fuzz::run(&project, &options),
        Command::Services(what) => services::run(&project, what),
        Command::Bench { filter } => bench::run(&project, filter.as_deref()),
    }
}

//! `services`: private servers for development, in the hands of a program of `nova-conformance`.
//!
//! That program is built without databases' drivers, in seconds; this runner only finds it. `ci` does not use these: its
//! tests start their own.

use anyhow::Result;

use crate::project::Project;

/// What to do with the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Services {
    /// Start what is not up, wait until it is.
    Up,
    /// Say what is up.
    Status,
    /// End them.
    Down,
    /// Print the variables that name them, for a shell's `eval`.
    Env,
}

impl Services {
    /// The word on the command line.
    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            "up" => Some(Self::Up),
            "status" => Some(Self::Status),
            "down" => Some(Self::Down),
            "env" => Some(Self::Env),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Status => "status",
            Self::Down => "down",
            Self::Env => "env",
        }
    }
}

const PROGRAM: &str = "run --quiet --locked --package nova-conformance --no-default-features --features servers \
     --bin services --";

/// Does it.
pub(crate) fn run(project: &Project, what: Services) -> Result<()> {
    let command = project
        .cargo(PROGRAM)
        .arg(what.word())
        .arg(project.target().join("services"));
    match what {
        // Nothing else may be on stdout.
        Services::Env => print!("{}", command.read()?),
        Services::Up | Services::Status | Services::Down => command.run()?,
    }
    Ok(())
}

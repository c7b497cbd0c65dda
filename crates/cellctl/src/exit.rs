//! Exit codes and the errors that end the command before it has a report: part of the contract with scripts.

use std::fmt;
use std::process::ExitCode;

/// How the command ended, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All cells that were asked answered.
    Complete = 0,
    /// Some cell did not.
    Partial = 1,
    /// Wrong usage or configuration: nothing was asked.
    Usage = 2,
    /// No cell answered, or the source of the mappings could not be read.
    Nothing = 3,
}

impl Exit {
    /// The code for a report with this many cells asked and answered.
    pub(crate) fn of(asked: usize, answered: usize) -> Self {
        match answered {
            _ if answered == asked => Self::Complete,
            0 => Self::Nothing,
            _ => Self::Partial,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// One clear line, and the code to end with. It holds no secret and no URL.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) exit: Exit,
    message: String,
}

impl CliError {
    /// Wrong usage or configuration.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.to_string(),
        }
    }

    /// As [`usage`](Self::usage), with the error's own cause behind it.
    pub(crate) fn usage_because(error: &dyn std::error::Error) -> Self {
        match error.source() {
            Some(cause) => Self::usage(format_args!("{error}: {cause}")),
            None => Self::usage(error),
        }
    }

    /// Nobody could be asked.
    pub(crate) fn nothing(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Nothing,
            message: message.to_string(),
        }
    }

    /// Some cell whose answer is needed did not give it.
    pub(crate) fn partial(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Partial,
            message: message.to_string(),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_says_how_many_cells_answered() {
        assert_eq!(Exit::of(4, 4), Exit::Complete);
        assert_eq!(Exit::of(4, 3), Exit::Partial);
        assert_eq!(Exit::of(4, 0), Exit::Nothing);
    }
}

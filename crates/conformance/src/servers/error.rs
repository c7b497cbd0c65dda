//! Why a server could not be had, with the end of its log.

use std::io;

/// A private server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A program is missing and could not be installed.
    #[error("{program} is missing; run: apt-get install {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The server that a variable names cannot be used.
    #[error("{variable} {why}")]
    Existing {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file or a process could not be handled.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A program that prepares the server's files failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program.
        program: &'static str,
        /// The end of what it printed.
        output: String,
    },
    /// The system does not let this process mount a disk for a server alone.
    #[error(
        "no small disk can be mounted: {why}; be root, in a container with CAP_SYS_ADMIN (docker run --cap-add SYS_ADMIN), or have user namespaces permitted"
    )]
    NoDisk {
        /// What the system said.
        why: String,
    },
    /// The server ended, or was not ready in time.
    #[error("{program} did not get ready: {log}")]
    NotReady {
        /// The program.
        program: &'static str,
        /// The end of its log.
        log: String,
    },
}

impl ServerError {
    /// Names what was tried when an operation of the system failed.
    pub(super) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// The last lines of a log, which say why.
pub(super) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

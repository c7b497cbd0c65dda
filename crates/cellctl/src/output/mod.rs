//! Results on stdout: a table for people, or one JSON document for programs. Everything else goes to stderr.

pub(crate) mod lines;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod table;

use std::io::{self, Write};

use serde::Serialize;

use crate::exit::CliError;

/// Writes text to stdout. A reader that has gone (`| head`) is no error.
pub(crate) fn text(text: &str) -> Result<(), CliError> {
    written(io::stdout().lock().write_all(text.as_bytes()))
}

/// Writes a part of the result; whether anybody still reads.
pub(crate) fn going_text(text: &str) -> Result<bool, CliError> {
    going_on(io::stdout().lock().write_all(text.as_bytes()))
}

/// Writes one JSON document and a line end.
pub(crate) fn json(document: &impl Serialize) -> Result<(), CliError> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let done = serde_json::to_writer(&mut stdout, document)
        .map_err(io::Error::from)
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush());
    written(done)
}

/// Whether somebody still reads stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Here,
    Gone,
}

/// Writes one of many JSON documents, on a line of its own, at once.
pub(crate) fn json_line(document: &impl Serialize) -> Result<Reader, CliError> {
    let line = serde_json::to_string(document);
    let line =
        line.map_err(|error| CliError::nothing(format_args!("writing the result: {error}")))?;
    text_line(&line)
}

/// Writes one of many lines, at once.
pub(crate) fn text_line(line: &str) -> Result<Reader, CliError> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        done => written(done).map(|()| Reader::Here),
    }
}

fn written(done: io::Result<()>) -> Result<(), CliError> {
    going_on(done).map(drop)
}

/// Whether a reader is still there after this write; one that has gone is no error.
fn going_on(done: io::Result<()>) -> Result<bool, CliError> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::nothing(format_args!(
            "writing the result: {error}"
        ))),
        Ok(()) => Ok(true),
    }
}

/// Writes one line to stderr.
pub(crate) fn note(line: impl std::fmt::Display) {
    // Nothing is left to tell anybody if stderr itself is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

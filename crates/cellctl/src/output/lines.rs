//! Rows as lines on stdout: a JSON document each, or comma-separated values. Nothing is kept, so the list may be long.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde_json::Value;

use crate::args::Format;
use crate::exit::CliError;

/// One row: its fields in order, each with its name.
pub(crate) type Fields = Vec<(String, Value)>;

/// Rows on their way out.
pub(crate) struct Lines {
    out: BufWriter<StdoutLock<'static>>,
    csv: bool,
    /// Whether a person looks at it, whose terminal obeys what is not printable; for anything else values are as they are.
    terminal: bool,
    /// The names of comma-separated values.
    names: Vec<String>,
    /// Whether the heading is written.
    headed: bool,
}

impl Lines {
    /// For a format of lines, [`Format::Csv`], and JSON lines for any other, and rows of which each has some of these names.
    pub(crate) fn new(format: Format, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            csv: format == Format::Csv,
            terminal: io::stdout().is_terminal(),
            names: names.into_iter().map(Into::into).collect(),
            headed: false,
        }
    }

    /// Writes one row; whether anybody still reads.
    pub(crate) fn row(&mut self, row: &Fields) -> Result<bool, CliError> {
        let written = match self.csv {
            true => self.values(row),
            false => object(&mut self.out, row).and_then(|()| self.out.write_all(b"\n")),
        };
        super::going_on(written)
    }

    /// Hands over what was written, which is a heading at least; whether anybody still reads.
    pub(crate) fn flush(&mut self) -> Result<bool, CliError> {
        let headed = match self.csv {
            true => self.heading(),
            false => Ok(()),
        };
        super::going_on(headed.and_then(|()| self.out.flush()))
    }

    /// Once, if there is anything to head.
    fn heading(&mut self) -> io::Result<()> {
        if self.headed || self.names.is_empty() {
            return Ok(());
        }
        self.headed = true;
        let line: Vec<String> = self.names.iter().map(|name| self.text(name)).collect();
        write!(self.out, "{}\r\n", line.join(","))
    }

    fn text(&self, text: &str) -> String {
        match self.terminal {
            true => quoted(&text.chars().map(cells::shown).collect::<String>()),
            false => quoted(text),
        }
    }

    fn values(&mut self, row: &Fields) -> io::Result<()> {
        self.heading()?;
        let names = self.names.iter();
        let line: Vec<String> = names
            .map(|name| {
                let found = row.iter().find(|(other, _)| other == name);
                match found.map(|(_, value)| value) {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => self.text(text),
                    Some(other) => quoted(&other.to_string()),
                }
            })
            .collect();
        write!(self.out, "{}\r\n", line.join(","))
    }
}

/// Writes a row as a JSON object, its fields in their order.
pub(crate) fn object(out: &mut impl Write, row: &Fields) -> io::Result<()> {
    out.write_all(b"{")?;
    for (at, (name, value)) in row.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, name)?;
        out.write_all(b":")?;
        serde_json::to_writer(&mut *out, value)?;
    }
    out.write_all(b"}")
}

/// A value of RFC 4180. An empty text is quoted, so that it is not taken for one that is missing.
fn quoted(text: &str) -> String {
    match text.is_empty() || text.contains(['"', ',', '\r', '\n']) || text.trim() != text {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_csv_is_quoted() {
        for (text, expected) in [
            ("web", "web"),
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" web", "\" web\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn an_object_keeps_its_order() {
        let mut out = Vec::new();
        let row = vec![("z".into(), 1.into()), ("a".into(), Value::Null)];
        object(&mut out, &row).unwrap();
        assert_eq!(out, b"{\"z\":1,\"a\":null}");
    }
}

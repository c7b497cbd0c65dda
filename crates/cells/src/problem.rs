//! What can be wrong with a mapping: every problem of a row at once, by field, with no text of its URLs.

use std::fmt;

use crate::allow::Refusal;
use crate::seal::SealState;

/// Which column a problem was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `uuid`
    Uuid,
    /// `name`
    Name,
    /// `database_connection`
    Database,
    /// `transport_url`
    Transport,
    /// `disabled`
    Disabled,
    /// The row as a part of the set: another row has the same uuid, database or bus.
    Row,
}

impl Field {
    /// The column's name in Nova's table.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Name => "name",
            Self::Database => "database_connection",
            Self::Transport => "transport_url",
            Self::Disabled => "disabled",
            Self::Row => "row",
        }
    }
}

/// What is wrong. Names that come from the mapping (a template variable, an option's key) are only kept where they are
/// short plain words, so that no password can hide in one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The column is NULL or empty.
    #[error("missing")]
    Missing,
    /// The uuid is not one.
    #[error("not a UUID")]
    NotAUuid,
    /// More bytes than any real value has.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// Control characters, which no value has.
    #[error("has a control character")]
    ControlCharacter,
    /// `{` or `}` that is not part of `{name}`, `{{` or `}}`.
    #[error("template: a brace that is not part of {{name}}, {{{{ or }}}}")]
    TemplateSyntax,
    /// A variable that the closed grammar does not have.
    #[error("template: unknown variable{0}")]
    TemplateUnknown(Word),
    /// The base URL has no such part, so there is nothing to put in.
    #[error("template: the base URL has no{0}")]
    TemplateMissingPart(Word),
    /// A base URL with several hosts needs the host's number: `{hostname1}`.
    #[error(
        "template: the base URL has several hosts, so a numbered variable is needed instead of{0}"
    )]
    TemplateNeedsIndex(Word),
    /// The URL is a template, but no base URL is configured.
    #[error("template: no base URL is configured")]
    TemplateWithoutBase,
    /// The base URL of the templates cannot be read.
    #[error("template: the configured base URL is malformed")]
    TemplateBadBase,
    /// No `scheme://`.
    #[error("no scheme")]
    NoScheme,
    /// A scheme no connector knows.
    #[error("unknown scheme{0}")]
    UnknownScheme(Word),
    /// The host is missing.
    #[error("no host")]
    NoHost,
    /// PostgreSQL's URL names no user: Python's driver would take whoever runs the process.
    #[error("no user to log in as")]
    NoUser,
    /// The host has characters that no host name or address has.
    #[error("malformed host")]
    BadHost,
    /// The port is not a number from 1 to 65535.
    #[error("malformed port")]
    BadPort,
    /// A percent escape that does not decode to UTF-8.
    #[error("malformed percent escape")]
    BadEscape,
    /// The database's name is missing.
    #[error("no database name")]
    NoDatabase,
    /// The database's name has characters that Nova's never have.
    #[error("malformed database name")]
    BadDatabase,
    /// An SQLite database in memory: every connection would see another one.
    #[error("an SQLite database in memory cannot be shared")]
    InMemory,
    /// An option that could redirect or weaken the connection.
    #[error("option{0} could redirect or weaken the connection{hint}", hint = .0.taken())]
    ForbiddenOption(Word),
    /// An option nobody here knows.
    #[error("unknown option{0}")]
    UnknownOption(Word),
    /// An option with a value that makes no sense.
    #[error("malformed value of option{0}")]
    BadOption(Word),
    /// What this host's configuration adds to every database URL does not go with this one.
    #[error("with [database]connection_parameters of this host: {0}")]
    HostParameters(InvalidUrl),
    /// A part that this kind of URL does not have: a user in `sqlite`, a host in `none`.
    #[error("has a part that this scheme does not use")]
    UnusedPart,
    /// cell0 must not have a bus.
    #[error("cell0 has no bus, so its transport is `none:///`")]
    Cell0Bus,
    /// cell0 is where failed builds are looked up; `nova-manage` never disables it.
    #[error("cell0 cannot be disabled")]
    Cell0Disabled,
    /// Only cell0 may do without a bus.
    #[error("only cell0 may have the transport `none`")]
    NoBus,
    /// The allow-list does not have it.
    #[error("the allow-list does not have {0}")]
    NotAllowed(Refusal),
    /// Sealed mappings are required, and this one's seal is in another state than valid.
    #[error("seal: {0}")]
    Seal(SealState),
    /// Another row before this one has the same uuid.
    #[error("an earlier row has the same uuid")]
    DuplicateUuid,
    /// Another row before this one has the same database.
    #[error("an earlier row has the same database")]
    DuplicateDatabase,
    /// Another row before this one has the same bus.
    #[error("an earlier row has the same bus")]
    DuplicateBus,
}

/// A name that came with the mapping, shown as `` ` word`` where it is a plain word and not at all where it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(Option<String>);

impl Word {
    /// Keeps the text if it is a short plain word.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let plain = !text.is_empty()
            && text.len() <= 24
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-+.".contains(&b));
        Self(plain.then(|| text.to_owned()))
    }

    /// Of an option that is forbidden with most of its values, the one that is taken.
    fn taken(&self) -> &'static str {
        match self.0.as_deref() {
            Some("sslmode") => "; only `verify-full` is taken",
            Some("ssl_mode") => "; only `VERIFY_IDENTITY` is taken",
            Some("ssl_verify_cert" | "ssl_verify_identity" | "ssl_check_hostname") => {
                "; only `true` is taken"
            }
            _ => "",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(word) => write!(f, " `{word}`"),
            None => Ok(()),
        }
    }
}

/// One problem of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The column.
    pub field: Field,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field.column(), self.kind)
    }
}

/// Every problem of one mapping; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidMapping {
    problems: Vec<Problem>,
}

impl InvalidMapping {
    /// The problems found, unless there are none.
    pub(crate) fn unless_none(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self { problems })
        }
    }

    /// One problem.
    pub(crate) fn one(field: Field, kind: ProblemKind) -> Self {
        Self {
            problems: vec![Problem { field, kind }],
        }
    }

    /// The problems, in the order of the columns.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for InvalidMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidMapping {}

/// Every problem of one URL; never empty, and without any text of the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidUrl(Vec<ProblemKind>);

impl InvalidUrl {
    pub(crate) fn new(problems: Vec<ProblemKind>) -> Self {
        Self(problems)
    }

    /// The problems, in the order of the URL's parts.
    #[must_use]
    pub fn problems(&self) -> &[ProblemKind] {
        &self.0
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidUrl {}

//! Statements that a person typed: rows of whatever columns, as JSON values. Nothing here knows what is asked.

use cells::{CellError, ErrorClass};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};
use serde_json::Value;

use super::classify::classify;
use super::driver::Access;
use super::session::DbSession;

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod calendar;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

/// One row: its columns in the statement's order, each with its name.
pub type Record = Vec<(String, Value)>;

impl DbSession {
    /// Runs one statement and gives its rows. Numbers, truth values and NULL are JSON's own; everything else is text: times
    /// as ISO 8601 has them, decimals digit by digit, bytes that are not UTF-8 in hexadecimal, and what has no reader here as
    /// a note that says so.
    ///
    /// What the statement may do is the session's matter: on a [read-only](crate::CellDb::read_only) one the database
    /// refuses to change any table. It does not refuse what is no matter of tables (`SET GLOBAL`, `FLUSH`, `KILL`, `COPY … TO
    /// PROGRAM`, `SELECT … INTO OUTFILE`), if the login may do it: a read-only session takes no such statement.
    ///
    /// # Errors
    /// As every statement's; class `statement` for a text that holds several, because what a second one is held to would
    /// depend on the first; class `forbidden` on a read-only session for one that does not begin as statements that read do.
    ///
    /// # Cancel safety
    /// As every statement's.
    pub async fn ad_hoc(&self, sql: &str) -> Result<Vec<Record>, CellError> {
        if !is_one(sql) {
            return Err(CellError::new(
                ErrorClass::Statement,
                "more than one statement",
            ));
        }
        if self.access() == Access::ReadOnly && !only_reads(sql) {
            return Err(CellError::new(
                ErrorClass::Forbidden,
                "not a statement that only reads",
            ));
        }
        let statement = Statement::from_string(self.get_database_backend(), sql);
        let rows = self.query_all_raw(statement).await.map_err(classify)?;
        rows.iter()
            .map(|row| record(row).map_err(classify))
            .collect()
    }
}

/// Whether there is no `;` but at the end, outside of quotes and comments.
fn is_one(sql: &str) -> bool {
    let bare = bare(sql);
    !bare.trim_end_matches([';', ' ']).contains(';')
}

/// Whether the statement begins as one that reads, and writes no file on the server. What it reads, and whether it writes a
/// table after all, is for the database to judge.
fn only_reads(sql: &str) -> bool {
    let is = |word: &str, known: &[&str]| known.iter().any(|k| word.eq_ignore_ascii_case(k));
    let begins = [
        "select", "with", "values", "table", "show", "explain", "describe", "desc", "pragma",
    ];
    // Of all the text: what is quoted and what is not depends on the server's mode.
    let writes_a_file = words(sql).any(|word| is(word, &["outfile", "dumpfile"]));
    words(&bare(sql))
        .next()
        .is_some_and(|first| is(first, &begins))
        && !writes_a_file
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// The statement without its comments, and with each quoted text as one `'`; every blank is a space.
fn bare(sql: &str) -> String {
    let mut bare = String::with_capacity(sql.len());
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek().copied()) {
            ('-', Some('-')) => {
                while rest.next().is_some_and(|c| c != '\n') {}
                bare.push(' ');
            }
            // MariaDB and MySQL run what is in such a comment.
            ('/', Some('*')) if !runs(rest.clone().skip(1)) => {
                rest.next();
                let mut last = ' ';
                for c in rest.by_ref() {
                    if (last, c) == ('*', '/') {
                        break;
                    }
                    last = c;
                }
                bare.push(' ');
            }
            (c, _) if c.is_whitespace() => bare.push(' '),
            ('\'' | '"' | '`', _) => {
                // A doubled quote ends one text and begins the next, which comes to the same.
                for next in rest.by_ref() {
                    if next == c {
                        break;
                    }
                }
                bare.push('\'');
            }
            _ => bare.push(c),
        }
    }
    bare
}

/// Whether a comment that begins so is none: `/*!`, and MariaDB's own `/*M!`.
fn runs(mut begins: impl Iterator<Item = char>) -> bool {
    match begins.next() {
        Some('M') => begins.next() == Some('!'),
        first => first == Some('!'),
    }
}

fn record(row: &QueryResult) -> Result<Record, DbErr> {
    #[cfg(feature = "sqlite")]
    if let Some(row) = row.try_as_sqlite_row() {
        return sqlite::record(row);
    }
    #[cfg(feature = "mysql")]
    if let Some(row) = row.try_as_mysql_row() {
        return mysql::record(row);
    }
    #[cfg(feature = "postgres")]
    if let Some(row) = row.try_as_pg_row() {
        return postgres::record(row);
    }
    let _ = row;
    Err(DbErr::Type("a row of no known database".into()))
}

/// One column's value, or a note where it cannot be read: one odd value does not cost the others.
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn or_note(value: Option<Value>, kind: &str) -> Value {
    value.unwrap_or_else(|| format!("({kind}: cast it to text)").into())
}

#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
fn text_or_hex(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>().into()
        }
    }
}

/// A number as JSON has it; the ones that JSON does not have, as text.
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
fn float(number: f64) -> Value {
    match serde_json::Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => "NaN".into(),
        None if number > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_one, only_reads};

    #[test]
    fn one_statement_is_one_whatever_its_texts_hold() {
        for sql in [
            "SELECT 1",
            "SELECT 1; ",
            "SELECT ';', \"a;b\", `c;d` -- ; and this\n; /* ; */ ",
            "SELECT 'it''s; fine'",
        ] {
            assert!(is_one(sql), "{sql}");
        }
        for sql in [
            "SELECT 1; SELECT 2",
            ";x",
            "SELECT 1 -- '\n; DELETE FROM t",
            "SELECT 1 /* ' */; DELETE FROM t",
        ] {
            assert!(!is_one(sql), "{sql}");
        }
    }

    #[test]
    fn a_statement_that_reads_begins_as_one() {
        for sql in [
            "SELECT 1",
            "  (select 1) union (select 2)",
            "-- why\n/* so */ with x as (select 1) select * from x",
            "SHOW TABLES",
            "explain select 1",
            "SELECT 'it''s a SET' FROM outfiles",
            "VALUES (1)",
        ] {
            assert!(only_reads(sql), "{sql}");
        }
        for sql in [
            "SET GLOBAL max_connections = 10",
            "FLUSH TABLES",
            "KILL 7",
            "COPY (SELECT 1) TO PROGRAM 'sh'",
            "CALL p()",
            "DO $$ $$",
            "LOCK TABLE instances",
            "SELECT * FROM t INTO OUTFILE '/tmp/x'",
            "SELECT * FROM t /*! INTO DUMPFILE '/tmp/x' */",
            "SELECT 'a\\'' INTO OUTFILE '/tmp/x'",
            "/*!50000 SET */ GLOBAL x = 1",
            "",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }
}

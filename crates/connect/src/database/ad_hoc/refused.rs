//! Which statements that a person typed are not sent to a database: those that are several, and those that do not begin as one
//! that reads. It is a first look; what a statement does is the database's to judge.

/// Why a statement was sent to no database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdHocRefused {
    /// What a second one is held to would depend on the first.
    #[error("it is more than one statement")]
    Several,
    /// No database holds a read-only session back from what is no matter of tables.
    #[error(
        "it does not begin with SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN, DESCRIBE or PRAGMA, or it writes a file"
    )]
    NotReading,
}

impl AdHocRefused {
    /// Why a read-only session does not send this statement; nothing where it does.
    #[must_use]
    pub fn of(sql: &str) -> Option<Self> {
        match (is_one(sql), only_reads(sql)) {
            (false, _) => Some(Self::Several),
            (true, false) => Some(Self::NotReading),
            (true, true) => None,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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

//! Statements that a person typed: rows of whatever columns, as JSON values. Nothing here knows what is asked.

use cells::{CellError, ErrorClass};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};
use serde_json::Value;

use super::classify::classify;
use super::session::DbSession;

/// One row: its columns in the statement's order, each with its name.
pub type Record = Vec<(String, Value)>;

impl DbSession {
    /// Runs one statement and gives its rows. Numbers, truth values and NULL are JSON's own; everything else is text: times
    /// as ISO 8601 has them, bytes that are not UTF-8 in hexadecimal, and what the driver cannot read as a note that says so.
    ///
    /// What the statement may do is the session's matter: on a [read-only](crate::CellDb::read_only) one the database
    /// refuses to change anything.
    ///
    /// # Errors
    /// As every statement's; class `statement` for a text that holds several, because what a second one is held to would
    /// depend on the first.
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
        let statement = Statement::from_string(self.get_database_backend(), sql);
        let rows = self.query_all_raw(statement).await.map_err(classify)?;
        rows.iter()
            .map(|row| record(row).map_err(classify))
            .collect()
    }
}

/// Whether there is no `;` but at the end, outside of quotes and comments.
fn is_one(sql: &str) -> bool {
    let mut rest = sql.chars().peekable();
    let mut ended = false;
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('-', Some('-')) => while rest.next().is_some_and(|c| c != '\n') {},
            ('/', Some('*')) => {
                rest.next();
                let mut last = ' ';
                for c in rest.by_ref() {
                    if (last, c) == ('*', '/') {
                        break;
                    }
                    last = c;
                }
            }
            (';', _) => ended = true,
            (c, _) if c.is_whitespace() => {}
            _ if ended => return false,
            ('\'' | '"' | '`', _) => {
                // A doubled quote ends one text and begins the next, which comes to the same.
                for next in rest.by_ref() {
                    if next == c {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    true
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

#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
fn bytes(bytes: Option<Vec<u8>>) -> Value {
    let Some(bytes) = bytes else {
        return Value::Null;
    };
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => {
            let digits = error.as_bytes().iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>().into()
        }
    }
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
fn unreadable(kind: &str) -> Value {
    format!("({kind}: cast it to text)").into()
}

#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
macro_rules! read {
    ($row:expr, $at:expr, $($kind:ty)+) => {{
        let done: Result<Value, sqlx::Error> = Err(sqlx::Error::ColumnIndexOutOfBounds { index: $at, len: 0 });
        $(let done = match done {
            Ok(value) => Ok(value),
            Err(_) => $row.try_get_unchecked::<Option<$kind>, _>($at).map(Value::from),
        };)+
        done.map_err(|error| DbErr::Type(error.to_string()))
    }};
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
macro_rules! shown {
    ($row:expr, $at:expr, $kind:ty) => {
        $row.try_get_unchecked::<Option<$kind>, _>($at)
            .map(|value| value.map_or(Value::Null, |value| value.to_string().into()))
            .map_err(|error| DbErr::Type(error.to_string()))
    };
}

#[cfg(feature = "sqlite")]
mod sqlite {
    //! SQLite's values have types; its columns only have hints.

    use super::{DbErr, Record, Value, bytes};
    use sqlx::sqlite::SqliteRow;
    use sqlx::{Column, Row, TypeInfo, ValueRef};

    pub(super) fn record(row: &SqliteRow) -> Result<Record, DbErr> {
        let mut record = Vec::with_capacity(row.columns().len());
        for (at, column) in row.columns().iter().enumerate() {
            let failed = |error: sqlx::Error| DbErr::Type(error.to_string());
            let value = row.try_get_raw(at).map_err(failed)?;
            let kind = value.type_info().name().to_owned();
            let value = match kind.as_str() {
                "NULL" => Value::Null,
                "INTEGER" | "BOOLEAN" => read!(row, at, i64)?,
                "REAL" => read!(row, at, f64)?,
                "BLOB" => bytes(row.try_get_unchecked(at).map_err(failed)?),
                _ => read!(row, at, String)?,
            };
            record.push((column.name().to_owned(), value));
        }
        Ok(record)
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    //! MariaDB's and MySQL's types by their names; decimals travel as text.

    use super::{DbErr, Record, Value, bytes, unreadable};
    use sqlx::mysql::MySqlRow;
    use sqlx::types::time::{Date, PrimitiveDateTime, Time};
    use sqlx::{Column, Row, TypeInfo};

    pub(super) fn record(row: &MySqlRow) -> Result<Record, DbErr> {
        let mut record = Vec::with_capacity(row.columns().len());
        for (at, column) in row.columns().iter().enumerate() {
            let value = match column.type_info().name() {
                "NULL" => Value::Null,
                "FLOAT" => read!(row, at, f32)?,
                "DOUBLE" => read!(row, at, f64)?,
                "DATETIME" | "TIMESTAMP" => shown!(row, at, PrimitiveDateTime)?,
                "DATE" => shown!(row, at, Date)?,
                "TIME" => shown!(row, at, Time)?,
                kind if kind.ends_with("UNSIGNED") || kind == "BIT" => read!(row, at, u64)?,
                kind if kind.contains("INT") || kind == "BOOLEAN" || kind == "YEAR" => {
                    read!(row, at, i64)?
                }
                "GEOMETRY" => unreadable("GEOMETRY"),
                _ => bytes(
                    row.try_get_unchecked(at)
                        .map_err(|error| DbErr::Type(error.to_string()))?,
                ),
            };
            record.push((column.name().to_owned(), value));
        }
        Ok(record)
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    //! PostgreSQL's types by their names; those that the driver has no decoder for are noted.

    use super::{DbErr, Record, Value, bytes, unreadable};
    use sqlx::postgres::{PgRow, PgTypeKind};
    use sqlx::types::time::{Date, OffsetDateTime, PrimitiveDateTime, Time};
    use sqlx::{Column, Row, TypeInfo, ValueRef};

    pub(super) fn record(row: &PgRow) -> Result<Record, DbErr> {
        let mut record = Vec::with_capacity(row.columns().len());
        for (at, column) in row.columns().iter().enumerate() {
            let failed = |error: sqlx::Error| DbErr::Type(error.to_string());
            let is_null = row.try_get_raw(at).map_err(failed)?.is_null();
            let kind = column.type_info();
            let value = match kind.name() {
                _ if is_null => Value::Null,
                "BOOL" => read!(row, at, bool)?,
                "INT2" => read!(row, at, i16)?,
                "INT4" => read!(row, at, i32)?,
                "INT8" => read!(row, at, i64)?,
                "FLOAT4" => read!(row, at, f32)?,
                "FLOAT8" => read!(row, at, f64)?,
                "TIMESTAMP" => shown!(row, at, PrimitiveDateTime)?,
                "TIMESTAMPTZ" => shown!(row, at, OffsetDateTime)?,
                "DATE" => shown!(row, at, Date)?,
                "TIME" => shown!(row, at, Time)?,
                "BYTEA" => bytes(row.try_get_unchecked(at).map_err(failed)?),
                "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "unknown" | "JSON" => {
                    read!(row, at, String)?
                }
                _ if matches!(kind.kind(), PgTypeKind::Enum(_)) => read!(row, at, String)?,
                other => unreadable(other),
            };
            record.push((column.name().to_owned(), value));
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::is_one;

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
}

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
mod refused;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use refused::AdHocRefused;

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
        self.takes(sql)?;
        let statement = Statement::from_string(self.get_database_backend(), sql);
        let rows = self.query_all_raw(statement).await.map_err(classify)?;
        rows.iter()
            .map(|row| record(row).map_err(classify))
            .collect()
    }

    /// The names of the columns that a statement's rows would have, in its order: what an answer without rows does not say.
    /// The statement is prepared and not run.
    ///
    /// # Errors
    /// As [`ad_hoc`](Self::ad_hoc)'s.
    ///
    /// # Cancel safety
    /// As every statement's.
    pub async fn ad_hoc_columns(&self, sql: &str) -> Result<Vec<String>, CellError> {
        self.takes(sql)?;
        self.columns(sql).await.map_err(classify)
    }

    fn takes(&self, sql: &str) -> Result<(), CellError> {
        match AdHocRefused::of(sql) {
            Some(refused @ AdHocRefused::Several) => {
                Err(CellError::new(ErrorClass::Statement, refused))
            }
            Some(refused) if self.access() == Access::ReadOnly => {
                Err(CellError::new(ErrorClass::Forbidden, refused))
            }
            _ => Ok(()),
        }
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

//! SQLite's values, read by the type that each value has; its columns only have hints.

use sea_orm::DbErr;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column, Row, TypeInfo, ValueRef};

use super::{Record, float, text_or_hex};

pub(super) fn record(row: &SqliteRow) -> Result<Record, DbErr> {
    let mut record = Vec::with_capacity(row.columns().len());
    for (at, column) in row.columns().iter().enumerate() {
        let failed = |error: sqlx::Error| DbErr::Type(error.to_string());
        let kind = row.try_get_raw(at).map_err(failed)?;
        let kind = kind.type_info().name().to_owned();
        let value = match kind.as_str() {
            "NULL" => Ok(Value::Null),
            "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(at).map(Value::from),
            "REAL" => row.try_get_unchecked(at).map(float),
            // A text is what its bytes say, UTF-8 or not.
            _ => row
                .try_get_unchecked::<Vec<u8>, _>(at)
                .map(|bytes| text_or_hex(&bytes)),
        }
        .map_err(failed)?;
        record.push((column.name().to_owned(), value));
    }
    Ok(record)
}

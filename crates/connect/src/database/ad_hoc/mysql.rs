//! MariaDB's and MySQL's types by their names; decimals travel as text. Dates and times are read from the bytes of the
//! binary protocol: the driver's type of a time has no minus twelve hours and no hundred, which these servers have. The day
//! 0000-00-00 is NULL, as it is for Nova's driver.

use sea_orm::DbErr;
use serde_json::Value;
use sqlx::mysql::MySqlRow;
use sqlx::{Column, Row, TypeInfo, ValueRef};

use super::calendar::{clock, date};
use super::{Record, float, or_note, text_or_hex};

pub(super) fn record(row: &MySqlRow) -> Result<Record, DbErr> {
    let mut record = Vec::with_capacity(row.columns().len());
    for (at, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(at);
        let is_null = raw
            .map_err(|error| DbErr::Type(error.to_string()))?
            .is_null();
        let kind = column.type_info().name();
        let value = match is_null {
            true => Value::Null,
            false => or_note(value(row, at, kind), kind),
        };
        record.push((column.name().to_owned(), value));
    }
    Ok(record)
}

fn value(row: &MySqlRow, at: usize, kind: &str) -> Option<Value> {
    let bytes = || row.try_get_unchecked::<Vec<u8>, _>(at).ok();
    match kind {
        "NULL" => Some(Value::Null),
        // By its digits: a wider type would add some that nobody wrote.
        "FLOAT" => {
            let number: f32 = row.try_get_unchecked(at).ok()?;
            number.to_string().parse().ok().map(float)
        }
        "DOUBLE" => row.try_get_unchecked(at).ok().map(float),
        "DATETIME" | "TIMESTAMP" => moment(&bytes()?).map(Value::from),
        "DATE" => moment(&bytes()?)?.get(..10).map(Value::from),
        "TIME" => span(&bytes()?).map(Value::from),
        kind if kind.ends_with("UNSIGNED") || kind == "BIT" => {
            row.try_get_unchecked::<u64, _>(at).ok().map(Value::from)
        }
        kind if kind.contains("INT") || kind == "BOOLEAN" || kind == "YEAR" => {
            row.try_get_unchecked::<i64, _>(at).ok().map(Value::from)
        }
        "GEOMETRY" => None,
        _ => bytes().map(|bytes| text_or_hex(&bytes)),
    }
}

/// A length, then as much as is not zero of: year, month, day; hour, minute, second; microseconds.
fn moment(bytes: &[u8]) -> Option<String> {
    let at = parts(bytes)?;
    let byte = |n: usize| u64::from(at.get(n).copied().unwrap_or(0));
    let year = byte(0) | byte(1) << 8;
    let micros = byte(7) | byte(8) << 8 | byte(9) << 16 | byte(10) << 24;
    let date = date("", year, byte(2), byte(3));
    Some(format!(
        "{date}T{}",
        clock(byte(4), byte(5), byte(6), micros)
    ))
}

/// A length, then as much as is not zero of: whether it is negative, days, hour, minute, second; microseconds.
fn span(bytes: &[u8]) -> Option<String> {
    let at = parts(bytes)?;
    let byte = |n: usize| u64::from(at.get(n).copied().unwrap_or(0));
    let word = |n: usize| byte(n) | byte(n + 1) << 8 | byte(n + 2) << 16 | byte(n + 3) << 24;
    let sign = if byte(0) == 1 { "-" } else { "" };
    let hours = word(1) * 24 + byte(5);
    Some(format!("{sign}{}", clock(hours, byte(6), byte(7), word(8))))
}

fn parts(bytes: &[u8]) -> Option<&[u8]> {
    let (length, parts) = bytes.split_first()?;
    (parts.len() == usize::from(*length)).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans_are_read_as_the_protocol_has_them() {
        assert_eq!(moment(&[0]).as_deref(), Some("0000-00-00T00:00:00"));
        let day = [4, 0xEA, 0x07, 1, 2];
        assert_eq!(moment(&day).as_deref(), Some("2026-01-02T00:00:00"));
        let exact = [11, 0xEA, 0x07, 1, 2, 3, 4, 5, 0xF5, 0x5B, 0x0A, 0];
        assert_eq!(
            moment(&exact).as_deref(),
            Some("2026-01-02T03:04:05.678901")
        );
        assert_eq!(span(&[0]).as_deref(), Some("00:00:00"));
        let back = [8, 1, 1, 0, 0, 0, 2, 3, 4];
        assert_eq!(span(&back).as_deref(), Some("-26:03:04"));
        assert_eq!(span(&[8, 1]), None);
        assert_eq!(moment(&[]), None);
    }
}

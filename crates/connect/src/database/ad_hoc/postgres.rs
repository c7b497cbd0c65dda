//! PostgreSQL's types by their names; those that have no reader here are noted. Dates, times, decimals and addresses are read
//! from the bytes of the binary protocol: for some of their values the driver's readers panic (`infinity`, years beyond
//! 9999), and the others have none without more dependencies.

use std::net::IpAddr;

use sea_orm::DbErr;
use serde_json::Value;
use sqlx::postgres::{PgRow, PgTypeKind, PgValueFormat, PgValueRef};
use sqlx::{Column, Row, TypeInfo, ValueRef};
use uuid::Uuid;

use super::calendar::{clock_of, day};
use super::{Record, float, or_note, text_or_hex};

pub(super) fn record(row: &PgRow) -> Result<Record, DbErr> {
    let mut record = Vec::with_capacity(row.columns().len());
    for (at, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(at);
        let raw = raw.map_err(|error| DbErr::Type(error.to_string()))?;
        let kind = column.type_info();
        let value = match raw.is_null() {
            true => Value::Null,
            false => {
                let is_enum = matches!(kind.kind(), PgTypeKind::Enum(_));
                or_note(value(&raw, kind.name(), is_enum), kind.name())
            }
        };
        record.push((column.name().to_owned(), value));
    }
    Ok(record)
}

fn value(raw: &PgValueRef<'_>, kind: &str, is_enum: bool) -> Option<Value> {
    let bytes = raw.as_bytes().ok()?;
    if raw.format() != PgValueFormat::Binary {
        return Some(text_or_hex(bytes));
    }
    match kind {
        "BOOL" => Some((number(bytes)? != 0).into()),
        "INT2" | "INT4" | "INT8" => number(bytes).map(Value::from),
        "OID" => bytes.try_into().ok().map(|b| u32::from_be_bytes(b).into()),
        // By its digits: a wider type would add some that nobody wrote.
        "FLOAT4" => {
            let number = f32::from_be_bytes(bytes.try_into().ok()?);
            number.to_string().parse().ok().map(float)
        }
        "FLOAT8" => bytes.try_into().ok().map(|b| float(f64::from_be_bytes(b))),
        "NUMERIC" => decimal(bytes).map(Value::from),
        "TIMESTAMP" => moment(number(bytes)?).map(Value::from),
        "TIMESTAMPTZ" => {
            let moment = moment(number(bytes)?)?;
            let zone = if moment.contains('T') { "Z" } else { "" };
            Some(format!("{moment}{zone}").into())
        }
        "DATE" => Some(match number(bytes)? {
            days if days == i64::from(i32::MAX) => "infinity".into(),
            days if days == i64::from(i32::MIN) => "-infinity".into(),
            days => day(days + EPOCH).into(),
        }),
        "TIME" => u64::try_from(number(bytes)?)
            .ok()
            .map(|micros| clock_of(micros).into()),
        "INTERVAL" => interval(bytes).map(Value::from),
        "UUID" => Uuid::from_slice(bytes).ok().map(|id| id.to_string().into()),
        "INET" | "CIDR" => address(bytes).map(Value::from),
        "JSONB" => bytes.strip_prefix(&[1]).map(text_or_hex),
        "VOID" => Some("".into()),
        "BYTEA" | "TEXT" | "VARCHAR" | "CHAR" | "\"CHAR\"" | "NAME" | "unknown" | "JSON"
        | "XML" => Some(text_or_hex(bytes)),
        _ if is_enum => Some(text_or_hex(bytes)),
        _ => None,
    }
}

/// 2000-01-01, from which PostgreSQL counts, in days since 1970-01-01.
const EPOCH: i64 = 10_957;
const MICROS_OF_DAY: i64 = 86_400_000_000;

/// A whole number of whatever width.
fn number(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [one] => Some(i64::from(*one)),
        [_, _] => bytes.try_into().ok().map(|b| i16::from_be_bytes(b).into()),
        [_, _, _, _] => bytes.try_into().ok().map(|b| i32::from_be_bytes(b).into()),
        _ => bytes.try_into().ok().map(i64::from_be_bytes),
    }
}

fn moment(micros: i64) -> Option<String> {
    Some(match micros {
        i64::MAX => "infinity".into(),
        i64::MIN => "-infinity".into(),
        _ => {
            let of_day = u64::try_from(micros.rem_euclid(MICROS_OF_DAY)).ok()?;
            let day = day(micros.div_euclid(MICROS_OF_DAY) + EPOCH);
            format!("{day}T{}", clock_of(of_day))
        }
    })
}

/// Count of digits, weight of the first, sign, digits after the point; then the digits, of base 10,000.
fn decimal(bytes: &[u8]) -> Option<String> {
    let words: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    let (&[_, weight, sign, scale], digits) = words.split_first_chunk::<4>()?;
    let sign = match sign {
        0 => "",
        0x4000 => "-",
        0xC000 => return Some("NaN".into()),
        0xD000 => return Some("Infinity".into()),
        0xF000 => return Some("-Infinity".into()),
        _ => return None,
    };
    let weight = i32::from(weight.cast_signed());
    let digit = |at: i32| {
        let at = usize::try_from(at).ok();
        at.and_then(|at| digits.get(at)).copied().unwrap_or(0)
    };
    let mut text = match weight {
        0.. => digit(0).to_string(),
        _ => "0".to_owned(),
    };
    for at in 1..=weight {
        text.push_str(&format!("{:04}", digit(at)));
    }
    if scale > 0 {
        let groups = i32::from(scale.div_ceil(4));
        let fraction: String = (weight + 1..=weight + groups)
            .map(|at| format!("{:04}", digit(at)))
            .collect();
        text.push('.');
        text.push_str(fraction.get(..usize::from(scale))?);
    }
    Some(format!("{sign}{text}"))
}

/// Microseconds, days, months: `P1M2DT3.5S`.
fn interval(bytes: &[u8]) -> Option<String> {
    let (micros, rest) = bytes.split_first_chunk::<8>()?;
    let (days, months) = rest.split_first_chunk::<4>()?;
    let micros = i64::from_be_bytes(*micros);
    let mut text = String::from("P");
    for (count, unit) in [
        (i32::from_be_bytes(months.try_into().ok()?), 'M'),
        (i32::from_be_bytes(*days), 'D'),
    ] {
        if count != 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if micros != 0 || text.len() == 1 {
        let sign = if micros < 0 { "-" } else { "" };
        let (whole, part) = (
            micros.unsigned_abs() / 1_000_000,
            micros.unsigned_abs() % 1_000_000,
        );
        let part = match part {
            0 => String::new(),
            _ => format!(".{part:06}"),
        };
        text.push_str(&format!("T{sign}{whole}{part}S"));
    }
    Some(text)
}

/// Family, bits of the network, whether it is a network, length; then the address.
fn address(bytes: &[u8]) -> Option<String> {
    let (&[_, bits, is_network, _], address) = bytes.split_first_chunk::<4>()?;
    let (address, all) = match address.len() {
        4 => (IpAddr::from(<[u8; 4]>::try_from(address).ok()?), 32),
        _ => (IpAddr::from(<[u8; 16]>::try_from(address).ok()?), 128),
    };
    Some(match (is_network, bits) {
        (0, bits) if bits == all => address.to_string(),
        _ => format!("{address}/{bits}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decimal as the server sends it.
    fn sent(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> Vec<u8> {
        let count = u16::try_from(digits.len()).unwrap();
        let head = [count, weight.cast_unsigned(), sign, scale];
        let words = head.iter().chain(digits);
        words.flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn decimals_keep_every_digit() {
        for (bytes, expected) in [
            (sent(0, 0, 0, &[]), "0"),
            (sent(1, 0, 5, &[1, 2345, 6789]), "12345.67890"),
            (sent(-1, 0x4000, 4, &[5]), "-0.0005"),
            (sent(-2, 0, 6, &[1200]), "0.000012"),
            (sent(2, 0, 0, &[7]), "700000000"),
            (sent(0, 0xC000, 0, &[]), "NaN"),
            (sent(0, 0xF000, 0, &[]), "-Infinity"),
        ] {
            assert_eq!(decimal(&bytes).as_deref(), Some(expected));
        }
        assert_eq!(decimal(&[0, 0]), None);
    }

    #[test]
    fn moments_have_no_end() {
        assert_eq!(moment(0).as_deref(), Some("2000-01-01T00:00:00"));
        assert_eq!(moment(-1).as_deref(), Some("1999-12-31T23:59:59.999999"));
        assert_eq!(moment(i64::MAX).as_deref(), Some("infinity"));
        assert_eq!(moment(i64::MIN).as_deref(), Some("-infinity"));
        assert_eq!(
            moment(i64::MAX - 1).as_deref(),
            Some("294277-01-09T04:00:54.775806")
        );
    }

    #[test]
    fn addresses_and_intervals_are_read() {
        let v4 = [2, 24, 0, 4, 10, 0, 0, 7];
        assert_eq!(address(&v4).as_deref(), Some("10.0.0.7/24"));
        assert_eq!(
            address(&[2, 32, 0, 4, 10, 0, 0, 7]).as_deref(),
            Some("10.0.0.7")
        );
        assert_eq!(address(&[2, 32, 0]), None);
        let sent = |micros: i64, days: i32, months: i32| {
            let mut bytes = micros.to_be_bytes().to_vec();
            bytes.extend(days.to_be_bytes());
            bytes.extend(months.to_be_bytes());
            interval(&bytes).unwrap()
        };
        assert_eq!(sent(7_384_500_000, 2, 14), "P14M2DT7384.500000S");
        assert_eq!(sent(0, 0, 0), "PT0S");
        assert_eq!(sent(-1, -1, 0), "P-1DT-0.000001S");
    }
}

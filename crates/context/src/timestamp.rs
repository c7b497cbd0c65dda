//! `%Y-%m-%dT%H:%M:%S.%f`, naive and meant as UTC: the one time format of Nova's contexts (1.1).
//!
//! Reads what Python's `strptime` reads: one or two digits per part, one to six of a fraction that must be there,
//! no offset, no `Z`. Not a calendar library.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Days from 1970-01-01 to a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The reverse: `(year, month, day)`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Takes `min..=max` digits off the front.
fn digits(text: &mut &str, min: usize, max: usize) -> Option<i64> {
    let count = text
        .bytes()
        .take(max)
        .take_while(u8::is_ascii_digit)
        .count();
    if count < min {
        return None;
    }
    let (number, rest) = text.split_at(count);
    *text = rest;
    number.parse().ok()
}

fn literal(text: &mut &str, expected: char) -> Option<()> {
    *text = text.strip_prefix(expected)?;
    Some(())
}

/// Reads a timestamp; `None` where Python raises `ValueError`.
pub(crate) fn parse(mut text: &str) -> Option<SystemTime> {
    let text = &mut text;
    let year = digits(text, 4, 4)?;
    literal(text, '-')?;
    let month = digits(text, 1, 2)?;
    literal(text, '-')?;
    let day = digits(text, 1, 2)?;
    literal(text, 'T')?;
    let hour = digits(text, 1, 2)?;
    literal(text, ':')?;
    let minute = digits(text, 1, 2)?;
    literal(text, ':')?;
    let second = digits(text, 1, 2)?;
    literal(text, '.')?;
    let before = text.len();
    let fraction = digits(text, 1, 6)?;
    let scale = 10_i64.pow(u32::try_from(6 - (before - text.len())).ok()?);
    let real = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !text.is_empty() || !real {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let micros = seconds * 1_000_000 + fraction * scale;
    let offset = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 {
        UNIX_EPOCH.checked_sub(offset)
    } else {
        UNIX_EPOCH.checked_add(offset)
    }
}

/// Writes a timestamp with six digits of fraction; what is finer than a microsecond is cut off. Times that the four
/// digits of a year cannot hold become the nearest that they can.
pub(crate) fn format(time: SystemTime) -> String {
    let micros = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |m| -m),
    };
    // 0001-01-01T00:00:00.000000 and 9999-12-31T23:59:59.999999.
    let micros = micros.clamp(-62_135_596_800_000_000, 253_402_300_799_999_999);
    let seconds = micros.div_euclid(1_000_000);
    let fraction = micros.rem_euclid(1_000_000);
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:06}",
        of_day / 3600,
        of_day % 3600 / 60,
        of_day % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn novas_own_text_survives() {
        for text in [
            "2026-11-21T22:07:10.847652",
            "1969-12-31T23:59:59.999999",
            "2000-02-29T00:00:00.000000",
            "0001-01-01T00:00:00.000000",
            "9999-12-31T23:59:59.999999",
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_strptime_reads_is_read_and_nothing_else() {
        let same = parse("2026-01-02T03:04:05.500000");
        assert!(same.is_some());
        assert_eq!(parse("2026-1-2T3:4:5.5"), same);
        for text in [
            "2026-11-21T22:07:10",
            "2026-11-21T22:07:10.8Z",
            "2026-11-21T22:07:10.1234567",
            "2026-11-21 22:07:10.1",
            "2026-02-29T00:00:00.0",
            "2026-13-01T00:00:00.0",
            "2026-11-21T22:07:60.0",
            "26-11-21T22:07:10.1",
            "",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

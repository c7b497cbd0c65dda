//! Dates and times as ISO 8601 writes them, from what databases send: any year, any hour, and nothing that can overflow.

/// `2026-01-02` of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`); years before 1 count from 0 down.
#[cfg(feature = "postgres")]
pub(super) fn day(days: i64) -> String {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let sign = if year < 0 { "-" } else { "" };
    date(
        sign,
        year.unsigned_abs(),
        month.unsigned_abs(),
        day.unsigned_abs(),
    )
}

pub(super) fn date(sign: &str, year: u64, month: u64, day: u64) -> String {
    format!("{sign}{year:04}-{month:02}-{day:02}")
}

/// `03:04:05.678901`; no fraction where there is none.
pub(super) fn clock(hours: u64, minutes: u64, seconds: u64, micros: u64) -> String {
    let fraction = if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    };
    format!("{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

/// The same of microseconds since midnight.
#[cfg(feature = "postgres")]
pub(super) fn clock_of(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    clock(
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        micros % 1_000_000,
    )
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (20_455, "2026-01-02"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_897, "10000-01-01"),
        ] {
            assert_eq!(day(days), expected);
        }
    }

    #[test]
    fn a_clock_has_two_digits_everywhere_and_a_fraction_where_there_is_one() {
        assert_eq!(clock_of(11_045_000_000), "03:04:05");
        assert_eq!(clock_of(11_045_678_901), "03:04:05.678901");
        assert_eq!(clock_of(86_400_000_000), "24:00:00");
    }
}

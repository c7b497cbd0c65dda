//! A time as a cell stores it, exactly: to the microsecond, and with the number of digits that were written.
//!
//! SQLite keeps times as text and compares them as text, so `04:33:00` and `04:33:00.000000` are two values there, the
//! shorter one smaller. A stamp remembers which it was: its order is the file's order, and what is bound in a predicate is
//! what is stored. Distinct times compare by time either way.

use std::fmt;

use time::{Date, Month, PrimitiveDateTime, Time};

/// A stored time without a zone (Nova's are UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp {
    /// None on the day 0000-00-00, before every other.
    at: Option<PrimitiveDateTime>,
    digits: u8,
}

/// How the day 0000-00-00 is written.
const ZERO: &str = "0000-00-00 00:00:00";

/// A text that is not `YYYY-MM-DD HH:MM:SS[.ffffff]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form YYYY-MM-DD HH:MM:SS[.ffffff]")]
pub struct InvalidStamp;

impl Stamp {
    /// MariaDB's and MySQL's `0000-00-00 00:00:00`, which old rows hold where they should hold NULL. To its server it is
    /// below every time and above NULL.
    pub const ZERO: Self = Self {
        at: None,
        digits: 0,
    };

    /// The time itself; none for [`ZERO`](Self::ZERO), as Nova's driver has it.
    #[must_use]
    pub fn time(self) -> Option<PrimitiveDateTime> {
        self.at
    }

    /// A time as servers with a type for it hold it: what is below a microsecond is cut off.
    #[must_use]
    pub fn of_time(at: PrimitiveDateTime) -> Self {
        let nanosecond = at.nanosecond() / 1_000 * 1_000;
        Self {
            at: Some(at.replace_nanosecond(nanosecond).unwrap_or(at)),
            digits: 6,
        }
    }

    /// Reads a stored text.
    ///
    /// # Errors
    /// [`InvalidStamp`] for any other form.
    pub fn parse(text: &str) -> Result<Self, InvalidStamp> {
        if text == ZERO {
            return Ok(Self::ZERO);
        }
        let bytes = text.as_bytes();
        let punctuation = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
        if bytes.len() < 19 || punctuation.iter().any(|(at, mark)| bytes[*at] != *mark) {
            return Err(InvalidStamp);
        }
        let whole = |from, to| number(&bytes[from..to]);
        let small = |from, to| u8::try_from(number(&bytes[from..to])?).map_err(|_| InvalidStamp);
        let (micros, digits) = fraction(&bytes[19..])?;
        let year = i32::try_from(whole(0, 4)?).map_err(|_| InvalidStamp)?;
        let month = Month::try_from(small(5, 7)?).map_err(|_| InvalidStamp)?;
        let date =
            Date::from_calendar_date(year, month, small(8, 10)?).map_err(|_| InvalidStamp)?;
        let time = Time::from_hms_micro(small(11, 13)?, small(14, 16)?, small(17, 19)?, micros);
        Ok(Self {
            at: Some(PrimitiveDateTime::new(
                date,
                time.map_err(|_| InvalidStamp)?,
            )),
            digits,
        })
    }

    /// The smallest stamp of this time: the lower bound of `at or later`, however the times are written.
    pub(crate) fn earliest(at: PrimitiveDateTime) -> Self {
        let mut stamp = Self::of_time(at);
        let mut micros = at.microsecond();
        while stamp.digits > 0 && micros.is_multiple_of(10) {
            micros /= 10;
            stamp.digits -= 1;
        }
        stamp
    }
}

fn number(digits: &[u8]) -> Result<u32, InvalidStamp> {
    digits.iter().try_fold(0_u32, |sum, digit| match digit {
        b'0'..=b'9' => Ok(sum * 10 + u32::from(digit - b'0')),
        _ => Err(InvalidStamp),
    })
}

fn fraction(rest: &[u8]) -> Result<(u32, u8), InvalidStamp> {
    match rest {
        [] => Ok((0, 0)),
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            let count = u8::try_from(digits.len()).map_err(|_| InvalidStamp)?;
            Ok((number(digits)? * 10_u32.pow(u32::from(6 - count)), count))
        }
        _ => Err(InvalidStamp),
    }
}

impl fmt::Display for Stamp {
    /// The text as it was stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.at else {
            return f.write_str(ZERO);
        };
        let (date, (hour, minute, second, micros)) = (at.date(), at.as_hms_micro());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )?;
        match self.digits.min(6) {
            0 => Ok(()),
            digits => {
                let shown = micros / 10_u32.pow(u32::from(6 - digits));
                write!(f, ".{shown:0width$}", width = usize::from(digits))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn every_stored_form_is_kept_to_the_digit() {
        for text in [
            "2026-09-18 04:33:00",
            "2026-09-18 04:33:00.000000",
            "2026-09-18 04:33:00.5",
            "2026-09-18 23:59:59.000001",
            "0001-01-01 00:00:00.12",
            "0000-00-00 00:00:00",
        ] {
            assert_eq!(Stamp::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn stamps_order_as_their_texts_do() {
        let texts = [
            "0000-00-00 00:00:00",
            "0001-01-01 00:00:00",
            "2026-09-18 04:33:00",
            "2026-09-18 04:33:00.0",
            "2026-09-18 04:33:00.000000",
            "2026-09-18 04:33:00.000001",
            "2026-09-18 04:33:00.05",
            "2026-09-18 04:33:00.49",
            "2026-09-18 04:33:00.5",
            "2026-09-18 04:33:00.500",
            "2026-09-18 04:33:01",
        ];
        let stamps: Vec<Stamp> = texts
            .iter()
            .map(|text| Stamp::parse(text).unwrap())
            .collect();
        assert!(texts.is_sorted() && stamps.is_sorted());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-09-18",
            "2026-09-18T04:33:00",
            "2026-13-18 04:33:00",
            "2026-02-30 04:33:00",
            "2026-09-18 04:33:00.",
            "2026-09-18 04:33:00.1234567",
            "2026-09-18 04:33:00Z",
            "2026-09-18 04:33:+1",
            "0000-00-00 00:00:00.0",
            "2026-00-10 00:00:00",
            "é026-09-18 04:33:00",
        ] {
            assert_eq!(Stamp::parse(text), Err(InvalidStamp), "{text}");
        }
    }

    #[test]
    fn the_earliest_stamp_of_a_time_is_below_all_its_spellings() {
        let half = Stamp::earliest(datetime!(2026-09-18 04:33:00.5));
        assert_eq!(half.to_string(), "2026-09-18 04:33:00.5");
        assert!(half <= Stamp::parse("2026-09-18 04:33:00.500000").unwrap());
        assert_eq!(
            Stamp::earliest(datetime!(2026-09-18 04:33:00)).to_string(),
            "2026-09-18 04:33:00"
        );
    }
}

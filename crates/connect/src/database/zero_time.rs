//! The day 0000-00-00 of MariaDB and MySQL, which is no day: the driver, as Python's, gives it as NULL. The server orders it
//! above NULL and below every time there is, so whoever puts rows in order has to tell the two apart.

use sea_orm::QueryResult;

/// Whether a date or time at this place of a row, which reads as NULL, is stored as `0000-00-00 00:00:00`. Never on other
/// databases.
#[must_use]
pub fn is_zero_time(row: &QueryResult, at: usize) -> bool {
    #[cfg(feature = "mysql")]
    if let Some(row) = row.try_as_mysql_row() {
        // Its bytes are there; NULL has none.
        return sqlx::Row::try_get_unchecked::<&[u8], _>(row, at).is_ok_and(|b| b == [0]);
    }
    let _ = (row, at);
    false
}

//! Running the statements in one cell.

use cells::{CellError, CellLabel, ErrorClass};
use connect::{DbSession, classify};
use sea_orm::{ConnectionTrait, DbErr};

use crate::query::ScopedQuery;
use crate::server::Row;

use super::collation::{CellText, cell_text};
use super::dialect::{Dialect, TextOrder};
use super::projection::Projection;
use super::range::Range;
use super::select;

/// Reads at most `limit` rows of the range, in order.
///
/// Cancel safety: nothing is changed; a dropped future ends the statement in the database.
pub(crate) async fn fetch_page(
    session: &DbSession,
    cell: &CellLabel,
    query: &ScopedQuery,
    range: &Range,
    text: &CellText,
    limit: u64,
) -> Result<Vec<Row>, CellError> {
    let dialect = dialect(session, text);
    let projection = Projection::of(dialect, query.order());
    let mut rows = Vec::new();
    for segment in select::segments_of(query, range) {
        let left = limit.saturating_sub(rows.len() as u64);
        if left == 0 {
            break;
        }
        let statement = select::page(dialect, query, range, segment, left);
        let answer = session.query_all_raw(statement).await.map_err(classify)?;
        for row in &answer {
            let row = projection.row(query.order(), &text.rule, cell, row);
            rows.push(row.map_err(classify)?);
        }
    }
    check_order(&rows)?;
    Ok(rows)
}

fn dialect(session: &DbSession, text: &CellText) -> Dialect {
    Dialect {
        backend: session.get_database_backend(),
        text: text.rule.text_order(),
        own_bytes: text.own_bytes,
    }
}

/// Merging takes for granted that each cell orders as all others do. A database that does not (a collation that the
/// weights of its rows contradict, a server that ignores the one asked for) would lose rows without a word (W-20), so it
/// fails by itself instead.
fn check_order(rows: &[Row]) -> Result<(), CellError> {
    match rows.is_sorted_by(|one, next| one.rank < next.rank) {
        true => Ok(()),
        false => Err(CellError::new(
            ErrorClass::Decode,
            "the rows are not in the order that was asked for",
        )),
    }
}

/// Reads the rows of a query that names one server; more than one only while it is being moved between cells.
pub(crate) async fn fetch_one(
    session: &DbSession,
    cell: &CellLabel,
    query: &ScopedQuery,
    text: TextOrder,
) -> Result<Option<Row>, CellError> {
    let text = cell_text(session, query.order(), text).await?;
    let dialect = dialect(session, &text);
    let projection = Projection::of(dialect, query.order());
    let answer = session
        .query_one_raw(select::unordered(dialect, query))
        .await
        .map_err(classify)?;
    answer
        .map(|row| {
            projection
                .row(query.order(), &text.rule, cell, &row)
                .map_err(classify)
        })
        .transpose()
}

/// Counts a query's rows by project and state.
pub(crate) async fn fetch_count(
    session: &DbSession,
    query: &ScopedQuery,
) -> Result<Vec<(Option<String>, Option<String>, u64)>, CellError> {
    let statement = select::count(session.get_database_backend(), query);
    let answer = session.query_all_raw(statement).await.map_err(classify)?;
    let read = |row: &sea_orm::QueryResult| {
        let servers: i64 = row.try_get_by_index(2)?;
        let servers = u64::try_from(servers).map_err(|_| DbErr::Type("a negative count".into()))?;
        Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?, servers))
    };
    answer
        .iter()
        .map(|row| read(row).map_err(classify))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tests::rows;

    #[test]
    fn a_database_with_an_order_of_its_own_fails_instead_of_losing_rows() {
        assert!(check_order(&rows(&[])).is_ok());
        assert!(check_order(&rows(&[1, 2, 7])).is_ok());
        for bad in [[1, 3, 2], [1, 1, 2]] {
            let error = check_order(&rows(&bad)).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Decode);
        }
    }
}

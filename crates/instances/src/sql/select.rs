//! The statements that read one cell's part of a page.
//!
//! Rows whose first key is NULL are a segment of their own, read by a statement of its own: before the others when
//! ascending, after them when descending. So each statement compares and orders its first key without a thought for NULL,
//! and an index on it serves on every database; a lone `k <= ? OR k IS NULL` would be sorted by hand.

use sea_orm::{DbBackend, EntityName, Statement};

use crate::entity::Entity;
use crate::order::{Direction, SortBy, SortValue};
use crate::query::ScopedQuery;

use super::dialect::{Compared, Dialect};
use super::projection::Projection;
use super::range::Range;
use super::writer::Sql;

/// The segments to read one after the other until enough rows have come. Their answers, put together, are in order.
pub(crate) fn segments_of(query: &ScopedQuery, range: &Range) -> Vec<Segment> {
    segments(query.order().keys(), range)
}

/// The statement that reads at most `limit` rows of one segment, in order.
pub(crate) fn page(
    dialect: Dialect,
    query: &ScopedQuery,
    range: &Range,
    segment: Segment,
    limit: u64,
) -> Statement {
    let mut sql = select(dialect, query);
    segment.narrow(&mut sql, query.order().keys(), range);
    let keys = segment.ordered(query.order().keys());
    let by_age = segment == Segment::Values && sql.walks_by_age(query);
    order_by(&mut sql, keys, segment == Segment::Values, by_age);
    sql.push(" LIMIT ").push(&limit.to_string());
    sql.finish()
}

/// All rows of a query in no order: one server by its UUID.
pub(crate) fn unordered(dialect: Dialect, query: &ScopedQuery) -> Statement {
    select(dialect, query).finish()
}

/// How many rows there are, by project and state.
pub(crate) fn count(backend: DbBackend, query: &ScopedQuery) -> Statement {
    let mut sql = Sql::new(backend);
    sql.push("SELECT project_id, vm_state, COUNT(*) AS servers FROM ");
    sql.push(Entity.table_name()).narrow(query);
    sql.push(" GROUP BY project_id, vm_state");
    sql.finish()
}

fn select(dialect: Dialect, query: &ScopedQuery) -> Sql {
    let mut sql = Sql::new(dialect);
    sql.push("SELECT ");
    for (at, item) in Projection::of(dialect, query.order())
        .items()
        .iter()
        .enumerate()
    {
        sql.push(if at == 0 { "" } else { ", " }).push(item);
    }
    sql.push(" FROM ").push(Entity.table_name()).narrow(query);
    sql
}

/// `first_is_there`: the first key is NULL nowhere, and saying where NULLs would go keeps PostgreSQL from its index.
/// `by_age`: the index to walk begins with `deleted`, which is the same in all rows.
fn order_by(sql: &mut Sql, keys: &[SortBy], first_is_there: bool, by_age: bool) {
    for (at, by) in keys.iter().enumerate() {
        let direction = match by.direction {
            Direction::Asc => " ASC",
            Direction::Desc => " DESC",
        };
        sql.push(if at == 0 { " ORDER BY " } else { ", " });
        if at == 0 && by_age {
            sql.push("deleted").push(direction).push(", ");
        }
        sql.key(by.key).push(direction);
        if at > 0 || !first_is_there {
            sql.nulls(by.key, by.direction);
        }
        if by.key.unique() {
            // Nothing is left to order within one cell, and an index that ends here serves.
            break;
        }
    }
}

/// Rows that are alike in whether their first key is NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The first key cannot be NULL.
    Whole,
    Values,
    Nulls,
}

/// The segments that can hold rows after the range's start, in the order's order.
fn segments(keys: &[SortBy], range: &Range) -> Vec<Segment> {
    let Some(first) = keys.first().filter(|by| by.key.nullable()) else {
        return vec![Segment::Whole];
    };
    let in_nulls = |end: &Option<Vec<SortValue>>| {
        let value = end.as_ref().and_then(|position| position.first());
        value.map(|value| *value == SortValue::Null)
    };
    let mut all = match first.direction {
        Direction::Asc => vec![Segment::Nulls, Segment::Values],
        Direction::Desc => vec![Segment::Values, Segment::Nulls],
    };
    let at = |nulls| {
        if nulls {
            Segment::Nulls
        } else {
            Segment::Values
        }
    };
    if let Some(nulls) = in_nulls(&range.upto) {
        let last = all.iter().position(|segment| *segment == at(nulls));
        all.truncate(last.map_or(all.len(), |last| last + 1));
    }
    if let Some(nulls) = in_nulls(&range.after) {
        let start = all.iter().position(|segment| *segment == at(nulls));
        all.drain(..start.unwrap_or(all.len()));
    }
    all
}

impl Segment {
    fn narrow(self, sql: &mut Sql, keys: &[SortBy], range: &Range) {
        let Some((first, rest)) = keys.split_first() else {
            return;
        };
        match self {
            Self::Whole => {}
            Self::Values => {
                sql.push(" AND ")
                    .push(first.key.as_str())
                    .push(" IS NOT NULL");
            }
            Self::Nulls => {
                sql.push(" AND ").push(first.key.as_str()).push(" IS NULL");
            }
        }
        if let Some((value, others)) = range.after.as_ref().and_then(|after| after.split_first()) {
            match (self, *value == SortValue::Null) {
                (Self::Nulls, true) => {
                    sql.push(" AND ").after(rest, others);
                }
                (Self::Values | Self::Whole, false) => {
                    bounded_after(sql, *first, rest, value, others);
                }
                // The position is in the other segment, which comes first: all of this one stands after it.
                _ => {}
            }
        }
        if let Some((value, others)) = range.upto.as_ref().and_then(|upto| upto.split_first()) {
            match (self, *value == SortValue::Null) {
                (Self::Nulls, true) => {
                    sql.push(" AND ").upto(rest, others);
                }
                (Self::Values | Self::Whole, false) => {
                    let position: Vec<SortValue> = [value.clone()]
                        .into_iter()
                        .chain(others.iter().cloned())
                        .collect();
                    sql.push(" AND ").upto(keys, &position);
                }
                // All of this segment stands before the position.
                _ => {}
            }
        }
    }

    /// The keys that are left to order by: a key that is NULL throughout is none.
    fn ordered(self, keys: &[SortBy]) -> &[SortBy] {
        match self {
            Self::Nulls => keys.get(1..).unwrap_or_default(),
            Self::Whole | Self::Values => keys,
        }
    }
}

/// `k0 <= v0 AND (k0 < v0 OR …)`: the first part alone bounds the walk along an index, the second is exact.
fn bounded_after(
    sql: &mut Sql,
    first: SortBy,
    rest: &[SortBy],
    value: &SortValue,
    others: &[SortValue],
) {
    let (bound, beyond) = match first.direction {
        Direction::Asc => (Compared::AtLeast, Compared::More),
        Direction::Desc => (Compared::AtMost, Compared::Less),
    };
    if rest.is_empty() {
        sql.push(" AND ").compares(first.key, beyond, value);
        return;
    }
    sql.push(" AND ").compares(first.key, bound, value);
    sql.push(" AND (").compares(first.key, beyond, value);
    sql.push(" OR ").after(rest, others).push(")");
}

//! The part of `WHERE` that says where in the order: after one position, and up to another.
//!
//! A position is the sort values of a row, so it holds also when the row is gone, has changed, or lives in a cell that is
//! down; and no row before it is read again, as with an offset. Directions may be mixed, and any value but those of `id`
//! and `uuid` may be NULL, which is smaller than every value (W-20).

use crate::order::{Direction, SortBy, SortValue};

use super::dialect::Compared;
use super::writer::Sql;

/// A stretch of the order. Each end is a position; none is the end of the order itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Range {
    /// Only what stands after this.
    pub(crate) after: Option<Vec<SortValue>>,
    /// Only what stands at this or before.
    pub(crate) upto: Option<Vec<SortValue>>,
}

/// How the last key of a position compares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Beyond,
    BeyondOrAt,
}

impl Sql {
    /// Adds the condition that a row stands after the position.
    pub(super) fn after(&mut self, keys: &[SortBy], position: &[SortValue]) -> &mut Self {
        self.beyond(keys, position, Edge::Beyond)
    }

    /// Adds the condition that a row stands at the position or before it: the mirror image of *after*.
    pub(super) fn upto(&mut self, keys: &[SortBy], position: &[SortValue]) -> &mut Self {
        let mirrored: Vec<SortBy> = keys
            .iter()
            .map(|by| SortBy {
                key: by.key,
                direction: by.direction.reversed(),
            })
            .collect();
        self.beyond(&mirrored, position, Edge::BeyondOrAt)
    }

    /// `k0 beyond v0 OR (k0 = v0 AND (k1 beyond v1 OR (…)))`.
    fn beyond(&mut self, keys: &[SortBy], position: &[SortValue], edge: Edge) -> &mut Self {
        let (Some((by, keys)), Some((value, position))) =
            (keys.split_first(), position.split_first())
        else {
            // Equal in every key: the row of the position itself.
            return self.push(if edge == Edge::BeyondOrAt {
                "1 = 1"
            } else {
                "1 = 0"
            });
        };
        self.push("(").strictly_beyond(*by, value);
        if !keys.is_empty() || edge == Edge::BeyondOrAt {
            self.push(" OR (").equal(*by, value);
            if !keys.is_empty() {
                self.push(" AND ").beyond(keys, position, edge);
            }
            self.push(")");
        }
        self.push(")")
    }

    pub(super) fn strictly_beyond(&mut self, by: SortBy, value: &SortValue) -> &mut Self {
        match (by.direction, value) {
            (Direction::Asc, SortValue::Null) => self.push(by.key.as_str()).push(" IS NOT NULL"),
            (Direction::Asc, _) => self.compares(by.key, Compared::More, value),
            (Direction::Desc, SortValue::Null) => self.push("1 = 0"),
            (Direction::Desc, _) if by.key.nullable() => {
                self.push("(").compares(by.key, Compared::Less, value);
                self.push(" OR ").push(by.key.as_str()).push(" IS NULL)")
            }
            (Direction::Desc, _) => self.compares(by.key, Compared::Less, value),
        }
    }

    pub(super) fn equal(&mut self, by: SortBy, value: &SortValue) -> &mut Self {
        match value {
            SortValue::Null => self.push(by.key.as_str()).push(" IS NULL"),
            _ => self.compares(by.key, Compared::Equal, value),
        }
    }
}

//! Where a list goes on, and what is missing of it so far: cursors that outlive cells.
//!
//! A marker names a row, whose cell may be down when the next page is wanted. A cursor carries the row's sort values
//! instead, so the list goes on without it. It also remembers the **gaps**: for each cell that did not answer, the stretch
//! of the order for which its rows are missing, so that they can be fetched later and nothing else with them.

mod codec;
mod token;

use cells::CellId;
use ring::digest;

use crate::order::{SortOrder, SortValue};
use crate::query::ScopedQuery;
use crate::sql::{Range, TextRule};

pub use token::CursorKey;

/// Where a list goes on, and what is missing of it. Give it to the caller as text made with a [`CursorKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor {
    pub(crate) query: Fingerprint,
    pub(crate) next: Next,
    /// By what the list so far orders text, once a cell has said.
    pub(crate) rule: Option<TextRule>,
    pub(crate) gaps: Vec<Gap>,
    /// How many rows of the last pages were whose, which says how many to ask each cell for next. Not part of the text:
    /// a list that goes on without it costs a statement more.
    pub(crate) parts: Vec<(CellId, u32)>,
}

/// Where the next page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// At the beginning: nothing was listed yet.
    Start,
    /// After this position.
    After(Vec<SortValue>),
    /// Nowhere: the list is at its end.
    End,
}

/// A stretch of the order for which a cell's rows are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) cell: CellId,
    pub(crate) range: Range,
}

/// Identifies a query: filter, order and whose servers, but not the size of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) [u8; 16]);

impl Fingerprint {
    pub(crate) fn of(query: &ScopedQuery) -> Self {
        // Debug quotes every text, so two queries never print alike.
        let hash = digest::digest(&digest::SHA256, format!("{query:?}").as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&hash.as_ref()[..16]);
        Self(short)
    }
}

/// Why a cursor cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// Not signed with this key, or not a cursor at all.
    #[error("not a cursor of this service")]
    Foreign,
    /// Made by a version that wrote cursors otherwise.
    #[error("a cursor of another version")]
    Version,
    /// Signed longer ago than cursors are good for; the list must be begun again.
    #[error("the cursor is too old")]
    Expired,
    /// Made for another filter, another order, or somebody else's servers.
    #[error("a cursor of another query")]
    OtherQuery,
    /// A marker was given as well.
    #[error("a cursor and a marker exclude each other")]
    WithMarker,
}

impl PageCursor {
    /// Whether the list goes on.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.next != Next::End
    }

    /// Whether rows are missing so far.
    #[must_use]
    pub fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// The cells whose rows are missing, each once.
    #[must_use]
    pub fn missing(&self) -> Vec<CellId> {
        let mut cells: Vec<CellId> = self.gaps.iter().map(|gap| gap.cell).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    pub(crate) fn check(&self, query: &ScopedQuery) -> Result<(), CursorError> {
        match self.query == Fingerprint::of(query) {
            true => Ok(()),
            false => Err(CursorError::OtherQuery),
        }
    }

    /// Adds a gap; where it begins at the end of one of the same cell, they become one.
    pub(crate) fn add_gap(&mut self, gap: Gap) {
        let touching = self.gaps.iter_mut().find(|held| {
            held.cell == gap.cell && held.range.upto.is_some() && held.range.upto == gap.range.after
        });
        match touching {
            Some(held) => held.range.upto = gap.range.upto,
            None => self.gaps.push(gap),
        }
    }
}

/// What is left of these stretches once everything up to `position` is there. They are in order and do not overlap.
pub(crate) fn remaining(order: &SortOrder, ranges: &[Range], position: &[SortValue]) -> Vec<Range> {
    let rank = |values: &[SortValue]| order.rank(values.to_vec());
    let here = rank(position);
    ranges
        .iter()
        .filter(|range| range.upto.as_ref().is_none_or(|upto| rank(upto) > here))
        .map(|range| {
            let begun = range.after.as_ref().is_none_or(|after| rank(after) < here);
            match begun {
                true => Range {
                    after: Some(position.to_vec()),
                    upto: range.upto.clone(),
                },
                false => range.clone(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: i64) -> Vec<SortValue> {
        vec![SortValue::Int(id), SortValue::Text(format!("{id}"))]
    }

    fn stretch(after: Option<i64>, upto: Option<i64>) -> Range {
        Range {
            after: after.map(at),
            upto: upto.map(at),
        }
    }

    fn cursor() -> PageCursor {
        PageCursor {
            query: Fingerprint([0; 16]),
            next: Next::Start,
            rule: None,
            gaps: Vec::new(),
            parts: Vec::new(),
        }
    }

    #[test]
    fn gaps_of_one_cell_that_touch_become_one() {
        let mut cursor = cursor();
        let cells = [1, 2].map(|n| CellId::new(uuid::Uuid::from_u128(n)));
        let gap = |cell, range| Gap { cell, range };
        cursor.add_gap(gap(cells[0], stretch(None, Some(5))));
        cursor.add_gap(gap(cells[1], stretch(Some(5), Some(9))));
        cursor.add_gap(gap(cells[0], stretch(Some(5), Some(9))));
        cursor.add_gap(gap(cells[0], stretch(Some(12), None)));
        let mine: Vec<_> = cursor
            .gaps
            .iter()
            .filter(|gap| gap.cell == cells[0])
            .collect();
        assert_eq!(mine.len(), 2);
        assert_eq!(mine[0].range, stretch(None, Some(9)));
        assert_eq!(cursor.missing(), cells);
    }

    #[test]
    fn what_is_there_is_taken_off_the_front() {
        let order = SortOrder::of(&["id".parse().unwrap()]);
        let ranges = [
            stretch(None, Some(3)),
            stretch(Some(5), Some(9)),
            stretch(Some(20), None),
        ];
        assert_eq!(
            remaining(&order, &ranges, &at(7)),
            [stretch(Some(7), Some(9)), stretch(Some(20), None)]
        );
        assert_eq!(remaining(&order, &ranges, &at(3)), ranges[1..]);
        assert_eq!(
            remaining(&order, &ranges, &at(30)),
            [stretch(Some(30), None)]
        );
    }
}

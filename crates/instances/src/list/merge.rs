//! Merging the cells' ordered rows into one ordered page, in memory.
//!
//! A row is taken only when every cell that could still hold an earlier one has shown its next. A server that comes from
//! two cells (it is being moved) is taken once, from where it stands first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};

use uuid::Uuid;

use crate::order::{Rank, SortValue};
use crate::server::{Row, Server};

use super::batch::Part;

/// A page that is being filled.
pub(crate) struct Merge {
    limit: usize,
    streams: Vec<Stream>,
    heads: BinaryHeap<Reverse<Head>>,
    page: Vec<Server>,
    seen: HashSet<Uuid>,
    last: Option<Rank>,
}

/// One cell's rows that are not in the page yet; the first of them is among the heads.
#[derive(Default)]
struct Stream {
    head: Option<Server>,
    rows: VecDeque<Row>,
    /// Whether the cell may hold more than it gave.
    more: bool,
    /// The position of the last row it gave.
    last: Option<Rank>,
    taken: usize,
}

/// A cell's next row.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    rank: Rank,
    stream: usize,
}

impl Merge {
    /// A page of `limit` rows from this many cells, all of which may hold rows.
    pub(crate) fn new(cells: usize, limit: usize) -> Self {
        let streams = (0..cells).map(|_| Stream {
            more: true,
            ..Stream::default()
        });
        Self {
            limit,
            streams: streams.collect(),
            heads: BinaryHeap::with_capacity(cells),
            page: Vec::new(),
            seen: HashSet::new(),
            last: None,
        }
    }

    /// Takes a cell's next rows, which stand after all that it gave; fewer than it was asked for are its last.
    pub(crate) fn feed(&mut self, cell: usize, rows: Vec<Row>, asked: usize) {
        if let Some(stream) = self.streams.get_mut(cell) {
            stream.more = rows.len() >= asked;
            if let Some(row) = rows.last() {
                stream.last = Some(row.rank.clone());
            }
            stream.rows.extend(rows);
        }
        self.show_next(cell);
    }

    /// Nothing more will come from this cell. What it gave stays.
    pub(crate) fn give_up(&mut self, cell: usize) {
        if let Some(stream) = self.streams.get_mut(cell) {
            stream.more = false;
        }
    }

    fn show_next(&mut self, cell: usize) {
        if let Some(stream) = self.streams.get_mut(cell)
            && stream.head.is_none()
            && let Some(row) = stream.rows.pop_front()
        {
            stream.head = Some(row.server);
            self.heads.push(Reverse(Head {
                rank: row.rank,
                stream: cell,
            }));
        }
    }

    /// Fills the page as far as it can be; then the cells that must give more before it goes on. None: the page is done.
    pub(crate) fn advance(&mut self) -> Vec<usize> {
        loop {
            if self.is_full() {
                return Vec::new();
            }
            let dry = self.dry();
            if !dry.is_empty() {
                return dry;
            }
            let Some(Reverse(head)) = self.heads.pop() else {
                return Vec::new();
            };
            if let Some(stream) = self.streams.get_mut(head.stream)
                && let Some(server) = stream.head.take()
                && self.seen.insert(server.uuid)
            {
                stream.taken += 1;
                self.page.push(server);
                self.last = Some(head.rank);
            }
            self.show_next(head.stream);
        }
    }

    fn dry(&self) -> Vec<usize> {
        let streams = self.streams.iter().enumerate();
        let dry = streams.filter(|(_, stream)| stream.more && stream.head.is_none());
        dry.map(|(at, _)| at).collect()
    }

    /// Whether the page has all the rows it may have.
    pub(crate) fn is_full(&self) -> bool {
        self.page.len() >= self.limit
    }

    /// How many rows the page still lacks.
    pub(crate) fn lacks(&self) -> usize {
        self.limit - self.page.len()
    }

    /// How many rows of the page are this cell's.
    pub(crate) fn taken(&self, cell: usize) -> usize {
        self.streams.get(cell).map_or(0, |stream| stream.taken)
    }

    /// How many rows of a cell that may have more are at hand, not yet in the page.
    pub(crate) fn at_hand(&self, cell: usize) -> Option<usize> {
        let stream = self.streams.get(cell).filter(|stream| stream.more)?;
        Some(stream.rows.len() + usize::from(stream.head.is_some()))
    }

    /// How many of the page's rows are this cell's, among those of all cells that rows may still come from.
    pub(crate) fn part(&self, cell: usize) -> Part {
        let goes_on = |stream: &&Stream| stream.more || stream.head.is_some();
        let of: usize = self.streams.iter().filter(goes_on).map(|s| s.taken).sum();
        let count = |rows| u32::try_from(rows).unwrap_or(u32::MAX);
        Part {
            taken: count(self.taken(cell)),
            of: count(of),
        }
    }

    /// Where the cell's rows ended so far: its next ones stand after this.
    pub(crate) fn last_of(&self, cell: usize) -> Option<&Rank> {
        self.streams.get(cell)?.last.as_ref()
    }

    /// The page, and the position of its last row.
    pub(crate) fn finish(self) -> (Vec<Server>, Option<Vec<SortValue>>) {
        (self.page, self.last.as_ref().map(Rank::values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::tests::rows;

    fn ids(merge: Merge) -> Vec<u128> {
        merge
            .finish()
            .0
            .iter()
            .map(|server| server.uuid.as_u128())
            .collect()
    }

    #[test]
    fn a_cell_that_ran_dry_is_waited_for_before_others_go_on() {
        let mut merge = Merge::new(2, 10);
        assert_eq!(merge.advance(), [0, 1]);
        merge.feed(0, rows(&[1, 2]), 2);
        merge.feed(1, rows(&[5, 6, 7]), 3);
        assert_eq!(merge.advance(), [0], "3 may still come from the first");
        assert_eq!(merge.lacks(), 8);
        merge.feed(0, rows(&[3]), 2);
        assert_eq!(merge.advance(), [1]);
        merge.feed(1, rows(&[]), 3);
        assert_eq!(merge.advance(), Vec::<usize>::new());
        assert!(!merge.is_full());
        assert_eq!(ids(merge), [1, 2, 3, 5, 6, 7]);
    }

    #[test]
    fn a_full_page_asks_nobody_for_more() {
        let mut merge = Merge::new(2, 3);
        merge.feed(0, rows(&[1, 4]), 2);
        merge.feed(1, rows(&[2, 3]), 2);
        assert_eq!(merge.advance(), Vec::<usize>::new());
        assert!(merge.is_full());
        assert_eq!((merge.taken(0), merge.taken(1)), (1, 2));
        assert_eq!(ids(merge), [1, 2, 3]);
    }

    #[test]
    fn a_cell_may_give_more_before_it_is_dry() {
        let mut merge = Merge::new(3, 10);
        merge.feed(0, rows(&[1, 3]), 2);
        merge.feed(1, rows(&[2, 5, 6]), 3);
        merge.feed(2, rows(&[4]), 2);
        assert_eq!(merge.advance(), [0]);
        assert_eq!((merge.at_hand(1), merge.at_hand(2)), (Some(2), None));
        assert_eq!(merge.part(1), Part { taken: 1, of: 3 });
        merge.feed(1, rows(&[8]), 3);
        merge.feed(0, rows(&[7]), 2);
        assert_eq!(merge.advance(), Vec::<usize>::new());
        assert_eq!(ids(merge), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn what_a_cell_gave_before_it_failed_stays() {
        let mut merge = Merge::new(2, 10);
        merge.feed(0, rows(&[1, 3]), 2);
        merge.feed(1, rows(&[2]), 2);
        assert_eq!(merge.advance(), [0]);
        merge.give_up(0);
        assert_eq!(merge.advance(), Vec::<usize>::new());
        let values = merge.last_of(0).map(Rank::values).unwrap();
        assert_eq!(
            values[0],
            SortValue::Int(3),
            "what is missing stands after this"
        );
        assert_eq!(ids(merge), [1, 2, 3]);
    }

    #[test]
    fn a_server_in_two_cells_is_taken_once_and_the_page_is_filled_all_the_same() {
        let mut merge = Merge::new(2, 3);
        merge.feed(0, rows(&[1, 2]), 2);
        merge.feed(1, rows(&[1, 2]), 2);
        assert_eq!(merge.advance(), [0]);
        merge.feed(0, rows(&[]), 1);
        assert_eq!(merge.advance(), [1], "the page lacks one still");
        merge.feed(1, rows(&[8]), 1);
        assert_eq!(merge.advance(), Vec::<usize>::new());
        assert_eq!(ids(merge), [1, 2, 8]);
    }
}

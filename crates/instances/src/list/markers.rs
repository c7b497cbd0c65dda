//! Where pages ended, for callers that page on by marker: the server that a page ended with needs no look-up.
//!
//! A marker is a server's id, and where it stands must be looked up: in the API database for its cell, and in the cell for
//! its row. Nearly always it is the last server of a page given a moment ago, whose place was known then. Remembered,
//! that place costs nothing, and the list goes on as by a cursor: nothing is lost and nothing is there twice where the
//! server has changed since, is gone, or lives in a cell that is down.
//!
//! Not a cache of servers or of who may see them: an entry serves only contexts that are confined as the one was that got
//! the page, and only the same filter and order (W-35).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::cursor::{Fingerprint, Next, PageCursor};
use crate::sql::TextOrder;

/// How many page ends are remembered, of all who use them: the oldest is forgotten first.
const KEPT: usize = 1_024;

/// For how long: somebody who reads a list takes no longer between two pages.
const AGE: Duration = Duration::from_secs(600);

/// Where pages ended. A service keeps one for all of its requests; clones are the same one.
///
/// At most 1,024 ends are kept, for ten minutes each: a few hundred bytes apiece.
#[derive(Clone, Default)]
pub struct Markers(Arc<Mutex<VecDeque<Kept>>>);

struct Kept {
    marker: Uuid,
    text: TextOrder,
    cursor: PageCursor,
    since: Instant,
}

impl Markers {
    /// None remembered yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A page of this list ended with this server. What the page lacked is not kept: a marker knows nothing of gaps.
    pub(super) fn keep(&self, marker: Uuid, text: TextOrder, cursor: &PageCursor) {
        if !matches!(cursor.next, Next::After(_)) {
            return;
        }
        let cursor = PageCursor {
            query: cursor.query,
            next: cursor.next.clone(),
            rule: cursor.rule.clone(),
            gaps: Vec::new(),
            parts: cursor.parts.clone(),
        };
        let since = Instant::now();
        let mut kept = self.kept();
        kept.retain(|held| held.since + AGE > since && !held.is(marker, text, cursor.query));
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept {
            marker,
            text,
            cursor,
            since,
        });
    }

    /// Where the list goes on after this server, if a page of the same list ended with it.
    pub(super) fn find(
        &self,
        marker: Uuid,
        text: TextOrder,
        query: Fingerprint,
    ) -> Option<PageCursor> {
        self.find_at(Instant::now(), marker, text, query)
    }

    fn find_at(
        &self,
        now: Instant,
        marker: Uuid,
        text: TextOrder,
        query: Fingerprint,
    ) -> Option<PageCursor> {
        let kept = self.kept();
        let held = kept.iter().rev().find(|h| h.is(marker, text, query))?;
        (now < held.since + AGE).then(|| held.cursor.clone())
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is(&self, marker: Uuid, text: TextOrder, query: Fingerprint) -> bool {
        self.marker == marker && self.text == text && self.cursor.query == query
    }
}

impl fmt::Debug for Markers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Markers")
            .field("kept", &self.kept().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::SortValue;

    fn after(list: u8, id: i64) -> PageCursor {
        PageCursor {
            query: Fingerprint([list; 16]),
            next: Next::After(vec![SortValue::Int(id)]),
            rule: None,
            gaps: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn id(number: usize) -> Uuid {
        Uuid::from_u128(number as u128)
    }

    #[test]
    fn a_page_s_end_serves_the_same_list_and_no_other() {
        let markers = Markers::new();
        let columns = TextOrder::Columns;
        markers.keep(id(7), columns, &after(1, 7));
        markers.keep(id(7), columns, &after(2, 70));
        let found = |list| markers.find(id(7), columns, Fingerprint([list; 16]));
        assert_eq!(found(1), Some(after(1, 7)));
        assert_eq!(found(2), Some(after(2, 70)));
        assert_eq!(found(3), None);
        let query = Fingerprint([1; 16]);
        assert_eq!(markers.find(id(8), columns, query), None);
        assert_eq!(markers.find(id(7), TextOrder::Bytes, query), None);
        markers.keep(id(7), columns, &after(1, 8));
        assert_eq!(found(1), Some(after(1, 8)), "the newest counts");
    }

    #[test]
    fn the_oldest_ends_are_forgotten_and_a_list_s_own_end_is_none() {
        let markers = Markers::new();
        let columns = TextOrder::Columns;
        for number in 0..=KEPT {
            markers.keep(id(number), columns, &after(1, 0));
        }
        let query = Fingerprint([1; 16]);
        assert_eq!(markers.find(id(0), columns, query), None);
        assert!(markers.find(id(1), columns, query).is_some());
        let end = PageCursor {
            next: Next::End,
            ..after(1, 0)
        };
        markers.keep(id(KEPT + 1), columns, &end);
        assert_eq!(markers.find(id(KEPT + 1), columns, query), None);
        let later = Instant::now() + AGE;
        assert_eq!(markers.find_at(later, id(1), columns, query), None);
    }
}

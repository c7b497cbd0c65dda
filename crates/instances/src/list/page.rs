//! One page of a list, with every cell's outcome.

use std::time::Duration;

use cells::CellLabel;
use scatter::{CellReport, Counts, OutcomeKind};
use time::PrimitiveDateTime;
use uuid::Uuid;

use crate::cursor::PageCursor;
use crate::server::Server;

/// What a cell that does not answer means for a list. There is no default: it is the caller's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownCells {
    /// The others' servers are the page, which says that it is partial (Nova's
    /// `list_records_by_skipping_down_cells = True`).
    Skip,
    /// There is no page (Nova's `False`).
    Fail,
    /// As `Skip`, and on a list's first page the servers of the missing cells are named from `instance_mappings`
    /// (microversion 2.69), as far as the page has room and the filter asks for nothing else than is known there.
    Stub,
}

/// One page of a list.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page {
    /// The servers, in order.
    pub servers: Vec<Server>,
    /// Servers of cells that did not answer, in no order; empty unless asked for with [`DownCells::Stub`].
    pub stubs: Vec<ServerStub>,
    /// What became of each cell, in the order asked: an answered one has the number of its servers in this page. A cell
    /// that answered at first and failed when asked for more counts as failed, though what it gave is in the page.
    pub cells: Vec<CellReport<usize>>,
    /// Wall-clock time of the whole call.
    pub elapsed: Duration,
    /// The last server's id where the page is full: the next page's marker.
    pub next_marker: Option<Uuid>,
    /// Where the list goes on, and what is missing of it so far.
    pub cursor: PageCursor,
}

/// A server of a cell that did not answer, as `instance_mappings` knows it; its status is `UNKNOWN`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStub {
    /// Its id.
    pub uuid: Uuid,
    /// Who owns it.
    pub project_id: String,
    /// Who made it; rows from before Nova 19 may lack it.
    pub user_id: Option<String>,
    /// When it was asked for (UTC).
    pub created_at: Option<PrimitiveDateTime>,
    /// The cell that has its row.
    pub cell: CellLabel,
}

impl Page {
    /// Whether some cell did not answer.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let counts = self.counts();
        counts.answered < counts.asked
    }

    /// How many cells had which outcome.
    #[must_use]
    pub fn counts(&self) -> Counts {
        counts(&self.cells)
    }
}

pub(crate) fn counts<T>(cells: &[CellReport<T>]) -> Counts {
    let of = |kind| {
        cells
            .iter()
            .filter(|cell| cell.outcome.kind() == kind)
            .count()
    };
    Counts {
        asked: cells.len(),
        answered: of(OutcomeKind::Answered),
        failed: of(OutcomeKind::Failed),
        timed_out: of(OutcomeKind::TimedOut),
        rejected: of(OutcomeKind::Rejected),
        skipped: of(OutcomeKind::Skipped),
    }
}

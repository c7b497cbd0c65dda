//! Who looks on at a call: a span for it, one for each cell inside it, one for each time that the cell's work is called; and
//! the service's figures. Nobody, most of the time, which costs next to nothing.
//!
//! The spans are of level `DEBUG`: `scatter` (`cells`, `answered`, `critical`: the cell that was waited for longest), `cell`
//! (`cell`) and `attempt` (`number`, from 1). Works on threads of the pool are in theirs too.

use std::borrow::Cow;

use cells::CellLabel;
use tracing::field::{Empty, display};
use tracing::{Span, debug_span};

use crate::report::{CellReport, ScatterReport};
use crate::stats::ScatterStats;

/// Who looks on at one call.
pub(crate) struct Onlookers<'s> {
    span: Span,
    stats: Option<Cow<'s, ScatterStats>>,
}

impl<'s> Onlookers<'s> {
    pub(crate) fn new(cells: usize, stats: Option<&'s ScatterStats>) -> Self {
        let span = debug_span!("scatter", cells, answered = Empty, critical = Empty);
        let stats = stats.map(Cow::Borrowed);
        Self { span, stats }
    }

    /// The same, for longer than the call is being prepared.
    pub(crate) fn kept(self) -> Onlookers<'static> {
        Onlookers {
            span: self.span,
            stats: self.stats.map(|stats| Cow::Owned(stats.into_owned())),
        }
    }

    /// The call's span.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Whether somebody looks at the span.
    pub(crate) fn want_to_know(&self) -> bool {
        !self.span.is_disabled()
    }

    /// The call's report is there.
    pub(crate) fn see<T>(&self, report: &ScatterReport<T>) {
        if self.want_to_know() {
            let critical = report.critical().and_then(|at| report.label(at));
            self.see_end(report.counts().answered, critical);
        }
        if let Some(stats) = &self.stats {
            stats.note(report);
        }
    }

    /// One cell's report of a call whose reports are taken as they come.
    pub(crate) fn see_cell<T>(&self, cell: &CellReport<T>) {
        if let Some(stats) = &self.stats {
            stats.note_one(cell);
        }
    }

    /// So many have answered, and this is whom the call waited for.
    pub(crate) fn see_end(&self, answered: usize, critical: Option<&CellLabel>) {
        self.span.record("answered", answered);
        if let Some(label) = critical {
            self.span.record("critical", display(label));
        }
    }
}

/// A cell's own, in the call's span or the current one.
pub(crate) fn cell_span(call: &Span, cell: &CellLabel) -> Span {
    debug_span!(parent: call, "cell", %cell)
}

/// One call of a cell's work, in the current span.
pub(crate) fn attempt_span(number: u32) -> Span {
    debug_span!("attempt", number)
}

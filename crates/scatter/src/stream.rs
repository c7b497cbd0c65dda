//! A scatter whose reports are taken as they come. Rows of different cells in one order are the merge's business.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cells::{CellConnector, CellError, CellLabel};

use crate::executor::AsyncExecutor;
use crate::flight::Flight;
use crate::onlookers::Onlookers;
use crate::report::{CellReport, Counts, ScatterReport};
use crate::task::CellTask;

/// The reports of a scatter in the order in which they come: every cell's exactly once, the late ones' at the end of the
/// budget. Dropped before its end, it aborts what is under way.
#[must_use = "nothing is asked before the first report is waited for"]
pub struct ScatterStream<'e, E: AsyncExecutor, C: CellConnector, W, T: Send + 'static> {
    flight: Option<Flight<'e, E, C, W, T>>,
    budget: Pin<Box<E::Timer>>,
    /// Those of the cells that were late.
    rest: std::vec::IntoIter<CellReport<T>>,
    counts: Counts,
    onlookers: Onlookers<'static>,
    /// The cell that was waited for longest so far, and how long.
    critical: Option<(Duration, CellLabel)>,
}

impl<'e, E, C, W, F, T, X> ScatterStream<'e, E, C, W, T>
where
    E: AsyncExecutor,
    C: CellConnector,
    W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<T, X>> + Send + 'static,
    T: Send + 'static,
    X: Into<CellError> + 'static,
{
    pub(crate) fn new(flight: Flight<'e, E, C, W, T>, onlookers: Onlookers<'static>) -> Self {
        let counts = Counts {
            asked: flight.ledger().len(),
            ..Counts::default()
        };
        Self {
            budget: Box::pin(flight.budget()),
            flight: Some(flight),
            rest: Vec::new().into_iter(),
            counts,
            onlookers,
            critical: None,
        }
    }

    /// The next report; none after the last.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call goes on where it was.
    pub async fn next(&mut self) -> Option<CellReport<T>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<CellReport<T>>> {
        if let Some(flight) = &mut self.flight {
            let settled = flight.poll_settled(self.budget.as_mut(), cx).is_ready();
            if let Some(report) = flight.ledger().take_arrived() {
                return Poll::Ready(Some(self.count(report)));
            }
            if !settled {
                return Poll::Pending;
            }
            if let Some(flight) = self.flight.take() {
                self.rest = flight.land().into_cells().into_iter();
            }
        }
        let report = self.rest.next();
        if report.is_none() {
            let critical = self.critical.as_ref().map(|(_, label)| label);
            self.onlookers.see_end(self.counts.answered, critical);
        }
        Poll::Ready(report.map(|report| self.count(report)))
    }

    fn count(&mut self, report: CellReport<T>) -> CellReport<T> {
        self.counts.count(report.outcome.kind());
        self.onlookers.see_cell(&report);
        let longest = self.critical.as_ref().map(|(elapsed, _)| *elapsed);
        if self.onlookers.want_to_know() && longest.is_none_or(|longest| longest < report.elapsed) {
            self.critical = Some((report.elapsed, report.cell.clone()));
        }
        report
    }

    /// How many of the reports given so far had which outcome. The equation holds when the last was given.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Waits for the remaining reports and gives them as one.
    ///
    /// # Cancel safety
    /// Dropping the future aborts every cell's task.
    pub async fn into_rest(mut self) -> ScatterReport<T> {
        let mut cells = Vec::new();
        while let Some(report) = self.next().await {
            cells.push(report);
        }
        let elapsed = cells.iter().map(|cell| cell.elapsed).max();
        ScatterReport::new(cells, elapsed.unwrap_or_default())
    }
}

//! The reader's side of a merge.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::IntoIter;

use cells::{CellConnector, CellError, CellLabel};
use futures_util::future::BoxFuture;

use super::policy::{CellRows, MergePolicy, MissingCells};
use super::queue::{Found, Queue};
use super::sink::{RowSink, out_of_order};
use super::tournament::Tournament;
use crate::executor::AsyncExecutor;
use crate::flight::Flight;
use crate::onlookers::Onlookers;
use crate::outcome::{Outcome, OutcomeKind, SkipReason, Stage};
use crate::report::{CellReport, ScatterReport};
use crate::require::Incomplete;
use crate::scatter::Scatter;
use crate::task::CellTask;

type Work<C> = Box<dyn Fn(CellTask<C>) -> BoxFuture<'static, Result<(), CellError>> + Send + Sync>;

/// One row of an ordered stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedRow<K, R> {
    /// Which cell it is of, counted in the order in which the cells were asked for.
    pub at: usize,
    /// What it was sorted by.
    pub key: K,
    /// The row.
    pub row: R,
}

/// The rows of many cells in one order, under way. Dropped, it ends every cell's work.
#[must_use = "nothing is asked before the first row is waited for"]
pub struct Merged<'e, E: AsyncExecutor, C: CellConnector, K, R> {
    flight: Option<Flight<'e, E, C, Work<C>, ()>>,
    budget: Pin<Box<E::Timer>>,
    onlookers: Onlookers<'static>,
    /// The report, where the flight has ended.
    landed: Option<ScatterReport<()>>,
    lanes: Vec<Lane<K, R>>,
    bounds: Vec<Bound<K>>,
    tournament: Tournament,
    missing: MissingCells,
    /// Nothing more is given out.
    over: bool,
}

struct Lane<K, R> {
    queue: Arc<Queue<K, R>>,
    /// The row of a [`Bound::Row`].
    row: Option<R>,
    /// What follows it, and what the batch in hand took.
    in_hand: IntoIter<(K, R)>,
    batch: (usize, usize),
    given: usize,
}

/// What is known of a lane's next row.
enum Bound<K> {
    /// Nothing.
    Unknown,
    /// It is not before this key.
    NotBefore(K),
    /// It has this key.
    Row(K),
    /// There is none.
    Ended,
}

impl<'a, C: CellConnector> Scatter<'a, C> {
    /// Runs async work that sends sorted rows in every cell, and gives them out in one order; see [`Merged`].
    pub fn merge<'e, E, K, R, W, F, X>(
        self,
        executor: &'e E,
        policy: MergePolicy,
        work: W,
    ) -> Merged<'e, E, C, K, R>
    where
        E: AsyncExecutor,
        K: Ord + Clone + Send + 'static,
        R: Send + 'static,
        W: Fn(CellTask<C>, RowSink<K, R>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<CellError> + 'static,
    {
        let missing = policy.missing;
        let queues: Vec<Arc<Queue<K, R>>> = self
            .choices
            .iter()
            .map(|_| Arc::new(Queue::new()))
            .collect();
        let lanes = queues.iter().map(Lane::new).collect();
        let bounds: Vec<Bound<K>> = queues.iter().map(|_| Bound::Unknown).collect();
        let call: Work<C> = Box::new(move |task| {
            let queue = Arc::clone(&queues[task.at()]);
            let sink = RowSink::new(Arc::clone(&queue), task.watch(), task.at(), policy.clone());
            let rows = work(task, sink);
            Box::pin(async move {
                rows.await.map_err(Into::into)?;
                match queue.is_whole() {
                    true => Ok(()),
                    false => Err(out_of_order()),
                }
            })
        });
        let (flight, onlookers) = self.take_off(executor, call, true);
        Merged {
            budget: Box::pin(flight.budget()),
            flight: Some(flight),
            onlookers: onlookers.kept(),
            landed: None,
            tournament: Tournament::new(bounds.len(), |a, b| precedes(&bounds, a, b)),
            lanes,
            bounds,
            missing,
            over: false,
        }
    }
}

impl<E, C, K, R> Merged<'_, E, C, K, R>
where
    E: AsyncExecutor,
    C: CellConnector,
    K: Ord + Clone + Send + 'static,
    R: Send + 'static,
{
    /// The next row; none where there are no more, or no more are certain within the budget. The report tells which.
    ///
    /// # Errors
    /// [`Incomplete`] where a cell is missing and the policy says that this ends the stream.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call goes on where it was.
    pub async fn next(&mut self) -> Result<Option<MergedRow<K, R>>, Incomplete> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<MergedRow<K, R>>, Incomplete>> {
        loop {
            let Some(at) = self.tournament.winner().filter(|_| !self.over) else {
                return Poll::Ready(Ok(None));
            };
            match self.bounds[at] {
                Bound::Row(_) => return Poll::Ready(Ok(self.give(at))),
                Bound::Ended => {
                    self.over = true;
                    continue;
                }
                Bound::Unknown | Bound::NotBefore(_) => {}
            }
            if let Some(flight) = &mut self.flight
                && flight.poll_settled(self.budget.as_mut(), cx).is_ready()
            {
                self.land();
            }
            let (done, kind) = self.outcome(at);
            match self.lanes[at].queue.take() {
                Found::Batch(rows, bytes) => self.take_in_hand(at, rows, bytes),
                Found::Floor(key) => self.bound(at, Bound::NotBefore(key)),
                Found::Nothing if !done => return Poll::Pending,
                // Its rows were there in time; the reader was not.
                Found::Nothing if kind == Ended::ForTheReader => self.over = true,
                Found::Nothing => {
                    if kind == Ended::Missing && self.missing == MissingCells::Fail {
                        self.over = true;
                        return Poll::Ready(Err(self.incomplete()));
                    }
                    self.bound(at, Bound::Ended);
                }
            }
        }
    }

    /// What a cell of these rows is called.
    #[must_use]
    pub fn label(&self, at: usize) -> Option<&CellLabel> {
        match (&self.flight, &self.landed) {
            (Some(flight), _) => Some(flight.ledger().label(at)),
            (None, Some(report)) => report.label(at),
            (None, None) => None,
        }
    }

    /// Ends the stream where it is: unfinished cells are told to stop. A cell that was asked for no more than it sent has
    /// answered; one that had not come to its first row was not needed, and is skipped. A service's figures get this report.
    pub fn finish(mut self) -> ScatterReport<CellRows> {
        let early = self.flight.is_some();
        self.land();
        let given: Vec<usize> = self.lanes.iter().map(|lane| lane.given).collect();
        let known: Vec<bool> = self
            .bounds
            .iter()
            .map(|bound| !matches!(bound, Bound::Unknown))
            .collect();
        let Some(report) = self.landed.take() else {
            return ScatterReport::new(Vec::new(), std::time::Duration::ZERO);
        };
        let elapsed = report.elapsed();
        let cells = report.into_cells().into_iter().enumerate();
        let rows = |(at, cell): (usize, CellReport<()>)| {
            let rows = CellRows {
                rows: given[at],
                complete: matches!(self.bounds[at], Bound::Ended),
            };
            cell.map_outcome(|outcome| match outcome {
                Outcome::TimedOut(_) if early && known[at] => Outcome::Answered(rows),
                Outcome::TimedOut(_) if early => Outcome::Skipped(SkipReason::NotNeeded),
                other => other.map(|()| rows),
            })
        };
        let report = ScatterReport::new(cells.map(rows).collect(), elapsed);
        self.onlookers.see(&report);
        report
    }

    fn give(&mut self, at: usize) -> Option<MergedRow<K, R>> {
        let lane = &mut self.lanes[at];
        lane.given += 1;
        let row = lane.row.take()?;
        let next = match lane.in_hand.next() {
            Some((key, row)) => {
                lane.row = Some(row);
                Bound::Row(key)
            }
            None => {
                let (rows, bytes) = std::mem::take(&mut lane.batch);
                lane.queue.free(rows, bytes);
                Bound::Unknown
            }
        };
        let Bound::Row(key) = std::mem::replace(&mut self.bounds[at], next) else {
            return None;
        };
        if matches!(self.bounds[at], Bound::Unknown) {
            self.bounds[at] = Bound::NotBefore(key.clone());
        }
        let bounds = &self.bounds;
        self.tournament.replay(|a, b| precedes(bounds, a, b));
        Some(MergedRow { at, key, row })
    }

    fn take_in_hand(&mut self, at: usize, rows: Vec<(K, R)>, bytes: usize) {
        let lane = &mut self.lanes[at];
        lane.batch = (rows.len(), bytes);
        lane.in_hand = rows.into_iter();
        if let Some((key, row)) = lane.in_hand.next() {
            lane.row = Some(row);
            self.bound(at, Bound::Row(key));
        }
    }

    fn bound(&mut self, at: usize, bound: Bound<K>) {
        self.bounds[at] = bound;
        let bounds = &self.bounds;
        self.tournament.replay(|a, b| precedes(bounds, a, b));
    }

    /// Whether a cell sends nothing more, and how it ended. Asked before its queue is: what it sent is there by then.
    fn outcome(&self, at: usize) -> (bool, Ended) {
        let ended = |outcome: Option<(OutcomeKind, Option<Stage>)>| match outcome {
            None => (false, Ended::Well),
            Some((OutcomeKind::Answered, _)) => (true, Ended::Well),
            Some((_, Some(Stage::Reader))) => (true, Ended::ForTheReader),
            Some(_) => (true, Ended::Missing),
        };
        match (&self.flight, &self.landed) {
            (Some(flight), _) => ended(flight.ledger().outcome_of(at)),
            (None, Some(report)) => ended(report.outcome_of(at)),
            (None, None) => (true, Ended::Missing),
        }
    }

    fn land(&mut self) {
        if let Some(flight) = self.flight.take() {
            self.landed = Some(flight.land());
        }
    }

    /// The error of a stream that a missing cell ends.
    fn incomplete(&mut self) -> Incomplete {
        self.land();
        let none = ScatterReport::new(Vec::new(), std::time::Duration::ZERO);
        self.landed.as_ref().unwrap_or(&none).incomplete()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    /// The budget ended while it waited for the reader.
    ForTheReader,
    Missing,
}

impl<K, R> Lane<K, R> {
    fn new(queue: &Arc<Queue<K, R>>) -> Self {
        Self {
            queue: Arc::clone(queue),
            row: None,
            in_hand: Vec::new().into_iter(),
            batch: (0, 0),
            given: 0,
        }
    }
}

/// Whether lane `a` must be looked at before lane `b`. Equal keys stand in the order of the cells, also where one of
/// them is a key that a lane will not go below: its next row may have it.
fn precedes<K: Ord>(bounds: &[Bound<K>], a: usize, b: usize) -> bool {
    use Bound::{Ended, NotBefore, Row, Unknown};
    match (&bounds[a], &bounds[b]) {
        (Row(one) | NotBefore(one), Row(other) | NotBefore(other)) => {
            one.cmp(other).then(a.cmp(&b)).is_lt()
        }
        (Unknown, Unknown) => a < b,
        (Unknown, _) => true,
        (_, Unknown) => false,
        (Ended, _) => false,
        (_, Ended) => true,
    }
}

//! One piece of blocking work in many cells at once: the driver for threads. It blocks its caller until the report is
//! there, at the end of the budget at the latest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;

use cells::{CellConnector, CellError};

use crate::executor::{AbandonJob, BlockingExecutor, Refusal};
use crate::ledger::Ledger;
use crate::outcome::{CellFailure, Outcome, Stage};
use crate::report::ScatterReport;
use crate::scatter::{Scatter, panicked, untargeted};
use crate::task::CellTask;

/// Wakes the thread that waits for the report.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<C: CellConnector> Scatter<'_, C> {
    /// Runs blocking work in every cell and gives the report when all have an outcome or the budget ends.
    ///
    /// Works that outlive the budget cannot be stopped; they see [`CellTask::is_cancelled`] and are abandoned.
    pub fn run_blocking<E, W, T, X>(self, executor: &E, work: W) -> ScatterReport<T>
    where
        E: BlockingExecutor + Clone + 'static,
        W: Fn(CellTask<C>) -> Result<T, X> + Send + Sync + 'static,
        T: Send + 'static,
        X: Into<CellError>,
    {
        let now = executor.now();
        let deadline = self.policy.deadline(self.request, now);
        let limit = self.policy.in_flight.max(1);
        let ledger: Arc<Ledger<T>> = Arc::new(Ledger::new(self.choices, now, limit));
        let work = Arc::new(work);
        let request = self.request.with_deadline(deadline);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut handles = Vec::new();
        let mut waiting = ledger.to_ask();
        loop {
            ledger.register(&waker);
            let left = deadline.remaining_at(executor.now());
            if ledger.is_settled() || left.is_zero() {
                break;
            }
            while ledger.under_way() < limit {
                let Some((at, id)) = waiting.next() else {
                    break;
                };
                ledger.hand_out();
                let (book, clock) = (Arc::clone(&ledger), executor.clone());
                let (cells, request, work) =
                    (self.cells.clone(), request.clone(), Arc::clone(&work));
                let job = Box::new(move || {
                    if !book.begin(at, clock.now()) {
                        return;
                    }
                    let label = book.label(at);
                    let outcome = match cells.target(&request, id) {
                        Err(error) => untargeted(label, error),
                        Ok(targeted) => {
                            book.enter(at, Stage::Running);
                            let task = CellTask::new(targeted, deadline, book.closed_flag());
                            match catch_unwind(AssertUnwindSafe(|| work(task))) {
                                Ok(Ok(value)) => Outcome::Answered(value),
                                Ok(Err(error)) => {
                                    Outcome::Failed(CellFailure::record(label, &error.into()))
                                }
                                Err(panic) => panicked(label, &*panic),
                            }
                        }
                    };
                    book.finish(at, outcome, clock.now());
                });
                match executor.submit(id, job) {
                    Ok(handle) => handles.push(handle),
                    Err(refusal) => {
                        let outcome = match refusal {
                            Refusal::Rejected(why) => Outcome::Rejected(why),
                            Refusal::Skipped(why) => Outcome::Skipped(why),
                        };
                        ledger.finish(at, outcome, executor.now());
                    }
                }
            }
            if !ledger.is_settled() {
                std::thread::park_timeout(deadline.remaining_at(executor.now()));
            }
        }
        let report = ledger.close(executor.now());
        handles.iter().for_each(AbandonJob::abandon);
        report
    }
}

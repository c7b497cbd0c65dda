//! Ask every cell at once, and account for each within the budget.
//!
//! A **scatter** runs one piece of work in many cells; the **gather** is its [`ScatterReport`], in which every cell asked
//! for stands exactly once: `asked == answered + failed + timed_out + rejected + skipped`. Answers come out only through a
//! method that says what missing cells mean. The **budget** is wall-clock time for the whole call: queueing, targeting and
//! the work itself take from it, and at its end the report is there.
//!
//! Async work runs on an [`AsyncExecutor`] ([`TokioExecutor`], feature `tokio`), blocking work on a [`BlockingExecutor`]
//! ([`ThreadExecutor`], feature `thread`). What the work does is not known here.

mod failure_log;
mod hash;
mod outcome;
mod report;
mod require;

mod explain;
mod onlookers;
mod stats;

mod sync;

mod policy;
mod task;

mod isolation;
mod ledger;
mod line;
mod seat;
mod slot;

mod executor;

mod blocking;
mod flight;
mod party;
mod scatter;
mod stream;

mod merge;

mod operation;

#[doc = include_str!("fidelity.md")]
pub mod fidelity {}

#[cfg(all(feature = "thread", feature = "tokio"))]
pub use executor::bridged::{BridgedExecutor, BridgedTask};
#[cfg(feature = "thread")]
pub use executor::thread::{PoolStats, Submitted, ThreadExecutor, ThreadPolicy};
#[cfg(feature = "tokio")]
pub use executor::tokio::TokioExecutor;
pub use executor::{
    AbortTask, Accepted, AsyncExecutor, BlockingExecutor, Clock, Job, Pace, Refusal, Work, Works,
};
pub use explain::{ExplainedCell, Explanation, WhenMissing};
pub use isolation::{
    BreakerPolicy, BulkheadPolicy, Effect, Isolation, IsolationPolicy, PermitClass, Probe,
    RetryPolicy,
};
#[cfg(feature = "tokio")]
pub use isolation::{Prober, ProberPolicy};
pub use merge::{
    CellRows, MergePolicy, MergeSorted, Merged, MergedRow, MissingCells, RowSink, merge_sorted,
};
pub use operation::{
    Digest, InvalidRegistry, InvalidValue, Limits, Meter, Operation, OperationSpec, Operations,
    Refused, Registry, RegistryBuilder,
};
pub use outcome::{
    CellFailure, Outcome, OutcomeKind, Progress, Rejection, SkipReason, Stage, TimedOut,
};
pub use policy::ScatterPolicy;
pub use report::{Answers, CellReport, Counts, Missing, ScatterReport};
pub use require::{Incomplete, Need};
pub use scatter::Scatter;
pub use stats::{CellStats, Histogram, ScatterStats};
pub use stream::ScatterStream;
pub use task::{CellTask, TaskStages};

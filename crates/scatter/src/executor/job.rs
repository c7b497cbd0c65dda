//! A piece of blocking work, and what a worker keeps from one piece to the next. It says nothing of where the work waits.
//!
//! The works of one scatter are parts of one batch: no part has memory of its own, and a worker that comes to a second part
//! of the same batch has its own copies of what all parts share, so that no two processors write to the same counts.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use cells::CellId;
use smallvec::SmallVec;

/// A piece of blocking work. Dropped without being run where it will never run; what it held is freed then.
pub struct Job {
    batch: Arc<dyn Batch>,
    at: usize,
    /// Whether nobody else has taken charge of it.
    ours: bool,
}

/// Works that share everything but their number. Each number is run or discarded, once for each time that it is submitted.
pub(crate) trait Batch: Send + Sync {
    /// Runs the work of this number.
    fn run(&self, at: usize, desk: &mut Desk);
    /// The work of this number will never run.
    fn discard(&self, at: usize);
}

/// One work by itself.
struct Alone(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Alone {
    fn take(&self) -> Option<Box<dyn FnOnce() + Send>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Batch for Alone {
    fn run(&self, _at: usize, _desk: &mut Desk) {
        if let Some(work) = self.take() {
            work();
        }
    }

    fn discard(&self, _at: usize) {
        drop(self.take());
    }
}

impl Job {
    /// A job that calls this once.
    pub fn new(work: impl FnOnce() + Send + 'static) -> Self {
        Self::part(Arc::new(Alone(Mutex::new(Some(Box::new(work))))), 0)
    }

    /// One work of a batch.
    pub(crate) fn part(batch: Arc<dyn Batch>, at: usize) -> Self {
        Self {
            batch,
            at,
            ours: true,
        }
    }

    /// The batch, and the number in it. Whoever has them runs the work or discards it.
    pub(crate) fn into_parts(mut self) -> (Arc<dyn Batch>, usize) {
        self.ours = false;
        (Arc::clone(&self.batch), self.at)
    }

    /// Runs it.
    pub fn run(self) {
        let (batch, at) = self.into_parts();
        batch.run(at, &mut Desk::default());
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.ours {
            self.batch.discard(self.at);
        }
    }
}

/// Works that are submitted together. For executors that have no use for them together, an iterator over them one by one;
/// those that nobody takes out will never run.
pub struct Works {
    /// None once somebody else has taken charge of what is left.
    batch: Option<Arc<dyn Batch>>,
    left: smallvec::IntoIter<[CellJob; 1]>,
}

/// One of several [`Works`].
#[derive(Debug)]
pub struct Work {
    /// What its caller knows it by.
    pub number: usize,
    /// The cell that it uses.
    pub cell: CellId,
    /// What is to be run.
    pub job: Job,
}

/// A work's cell, and its number in its batch.
pub(crate) type CellJob = (CellId, usize);

/// Works of one batch.
pub(crate) type Jobs = SmallVec<[CellJob; 1]>;

impl Works {
    /// A single work, of number 0.
    #[must_use]
    pub fn one(cell: CellId, job: Job) -> Self {
        let (batch, at) = job.into_parts();
        Self::new(batch, SmallVec::from_buf([(cell, at)]))
    }

    /// Works of a batch: the cell and the number of each.
    pub(crate) fn new(batch: Arc<dyn Batch>, works: Jobs) -> Self {
        Self {
            batch: Some(batch),
            left: works.into_iter(),
        }
    }

    /// The batch, and what is left of its works. Whoever has them runs each or discards it.
    #[cfg(feature = "thread")]
    pub(crate) fn into_parts(mut self) -> Option<(Arc<dyn Batch>, Jobs)> {
        Some((self.batch.take()?, self.left.by_ref().collect()))
    }
}

impl Iterator for Works {
    type Item = Work;

    fn next(&mut self) -> Option<Work> {
        let (cell, number) = self.left.next()?;
        let job = Job::part(Arc::clone(self.batch.as_ref()?), number);
        Some(Work { number, cell, job })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for Works {}

impl Drop for Works {
    fn drop(&mut self) {
        if let Some(batch) = &self.batch {
            for (_, at) in self.left.by_ref() {
                batch.discard(at);
            }
        }
    }
}

impl std::fmt::Debug for Works {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Works({})", self.len())
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

/// What one worker keeps between the jobs of one batch that it runs in a row.
#[derive(Default)]
pub(crate) struct Desk {
    /// When the job before ended, which is when the next begins.
    pub(crate) last: Option<Instant>,
    /// Whether a job was run here before.
    pub(crate) used: bool,
    /// The worker's own copies of what the batch shares; the batch knows its own.
    pub(crate) own: Option<Box<dyn Any + Send>>,
}

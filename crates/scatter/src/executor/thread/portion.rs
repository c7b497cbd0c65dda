//! Jobs of one batch that were submitted together, and how far each has come. One worker works through a portion without
//! anybody's lock; others help themselves from it when they have nothing else, so that a job that hangs keeps none behind it.
//!
//! Every step of a job is one atomic step of its mark, so two who want the same job never both have it.

use std::sync::Arc;

use crate::executor::job::{CellJob, Jobs};
use crate::sync::{AtomicU8, AtomicUsize, Ordering};

/// Identifies one job in the pool.
pub(crate) type Ticket = u64;

/// The longest portion: as many marks as fit into a cache line beside their count.
pub(crate) const LONGEST: usize = 32;

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Mark {
    /// It may be begun.
    Ready,
    /// It runs, and somebody waits for it.
    Running,
    /// It runs, nobody waits for it, and its worker is still the pool's.
    Stuck,
    /// It runs, nobody waits for it, and another worker has its worker's place.
    Replaced,
    /// It has ended, or will never begin.
    Gone,
}

impl Mark {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Ready,
            1 => Self::Running,
            2 => Self::Stuck,
            3 => Self::Replaced,
            _ => Self::Gone,
        }
    }
}

/// A portion's jobs, and how far each has come: the portion without its batch. What counts a cell's jobs keeps it, and nothing
/// of the works themselves.
pub(crate) struct Marks {
    /// The first job's ticket.
    first: Ticket,
    /// The first job that nobody has come for.
    next: AtomicUsize,
    marks: [AtomicU8; LONGEST],
    jobs: Jobs,
}

impl Marks {
    /// Jobs that are all ready, [`LONGEST`] at the most.
    pub(crate) fn new(first: Ticket, jobs: Jobs) -> Self {
        let mark = |at| match at < jobs.len() {
            true => Mark::Ready,
            false => Mark::Gone,
        };
        Self {
            first,
            next: AtomicUsize::new(0),
            marks: std::array::from_fn(|at| AtomicU8::new(mark(at) as u8)),
            jobs,
        }
    }

    pub(crate) fn jobs(&self) -> &[CellJob] {
        &self.jobs
    }

    pub(crate) fn ticket(&self, at: usize) -> Ticket {
        self.first + at as Ticket
    }

    pub(crate) fn mark(&self, at: usize) -> Mark {
        Mark::of(self.marks[at].load(Ordering::SeqCst))
    }

    /// Takes one step, if the job is still where it should be.
    pub(crate) fn step(&self, at: usize, from: Mark, to: Mark) -> bool {
        self.marks[at]
            .compare_exchange(from as u8, to as u8, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// The job has returned. Gives how it stood.
    pub(crate) fn end(&self, at: usize) -> Mark {
        Mark::of(self.marks[at].swap(Mark::Gone as u8, Ordering::SeqCst))
    }

    /// Begins the next job that may be; none where all have been.
    pub(crate) fn claim(&self) -> Option<usize> {
        if self.jobs.len() == 1 {
            return self.claim_alone();
        }
        while self.next.load(Ordering::Relaxed) < self.jobs.len() {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            if at < self.jobs.len() && self.step(at, Mark::Ready, Mark::Running) {
                return Some(at);
            }
        }
        None
    }

    /// Nobody else is given a portion of one job, but who counts what is left looks at it.
    fn claim_alone(&self) -> Option<usize> {
        let ours = self.step(0, Mark::Ready, Mark::Running);
        self.next.store(1, Ordering::Relaxed);
        ours.then_some(0)
    }

    /// How many jobs somebody has come for.
    pub(crate) fn come(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    /// Whether all jobs have ended.
    pub(crate) fn is_over(&self) -> bool {
        (0..self.jobs.len()).all(|at| self.mark(at) == Mark::Gone)
    }

    /// How many jobs may still be begun.
    pub(crate) fn unstarted(&self) -> usize {
        let next = self.next.load(Ordering::Relaxed);
        (next..self.jobs.len())
            .filter(|at| self.mark(*at) == Mark::Ready)
            .count()
    }
}

/// Jobs of one batch.
#[derive(Clone)]
pub(crate) struct Portion<B> {
    pub(crate) batch: B,
    pub(crate) marks: Arc<Marks>,
}

impl<B> Portion<B> {
    /// Whether these are the same jobs.
    pub(crate) fn is(&self, marks: &Arc<Marks>) -> bool {
        Arc::ptr_eq(&self.marks, marks)
    }
}

#[cfg(test)]
impl Marks {
    /// The same marks in memory of their own.
    pub(crate) fn copy(&self) -> Self {
        let marks = Self::new(self.first, self.jobs.clone());
        marks
            .next
            .store(self.next.load(Ordering::SeqCst), Ordering::SeqCst);
        for (to, from) in marks.marks.iter().zip(&self.marks) {
            to.store(from.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        marks
    }

    /// What tells these marks from others; of portions with up to eight jobs.
    pub(crate) fn key(&self) -> [u64; 3] {
        let marks = self.marks.iter().take(8);
        let packed = marks.fold(0, |all, mark| {
            all << 8 | u64::from(mark.load(Ordering::SeqCst))
        });
        [self.first, self.next.load(Ordering::SeqCst) as u64, packed]
    }
}

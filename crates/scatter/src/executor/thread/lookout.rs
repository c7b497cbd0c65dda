//! How a worker that has nothing to do looks for work before it goes to sleep.
//!
//! One of them, where what was taken last has ended, is patient: the next call of a caller in a loop comes soon, and a sleeper
//! costs it more than the call. It watches a letter box, in which whoever brings work puts what that worker would take; so it
//! needs nothing of the pool's to begin. Others look for a moment at a count that moves with every submission: at work for
//! longer, they would burn the processors that the others' work needs.

use std::sync::PoisonError;

use crate::sync::{Apart, AtomicUsize, LOOKS, Mutex, MutexGuard, Ordering, PATIENCE, spin_loop};

pub(super) struct Lookout<P> {
    submissions: Apart<AtomicUsize>,
    letters: Apart<Letters<P>>,
}

struct Letters<P> {
    /// Whether there is one.
    there: AtomicUsize,
    letter: Mutex<Option<P>>,
}

impl<P> Lookout<P> {
    pub(super) fn new() -> Self {
        Self {
            submissions: Apart(AtomicUsize::new(0)),
            letters: Apart(Letters {
                there: AtomicUsize::new(0),
                letter: Mutex::new(None),
            }),
        }
    }

    /// Work was submitted.
    pub(super) fn submitted(&self) {
        self.submissions.0.fetch_add(1, Ordering::Release);
    }

    pub(super) fn submissions(&self) -> usize {
        self.submissions.0.load(Ordering::Acquire)
    }

    /// Looks for a submission later than those.
    pub(super) fn look(&self, submissions: usize) {
        soon(LOOKS, || self.submissions() != submissions);
    }

    /// Whether one may begin to watch: whoever was handed something before has taken it out.
    pub(super) fn is_free(&self) -> bool {
        self.letters.0.there.load(Ordering::Acquire) == 0
    }

    /// For the one who watches. The pool's lock is held, and says that there is such a worker.
    pub(super) fn put(&self, work: P) {
        let before = self.letter().replace(work);
        debug_assert!(before.is_none(), "somebody else's");
        self.letters.0.there.store(1, Ordering::Release);
    }

    /// Looks for something that was put here.
    pub(super) fn watch(&self) -> Option<P> {
        let there = || self.letters.0.there.load(Ordering::Acquire) > 0;
        soon(PATIENCE, there).then(|| self.take())?
    }

    /// What was put here.
    pub(super) fn take(&self) -> Option<P> {
        let letter = self.letter().take();
        self.letters.0.there.store(0, Ordering::Release);
        letter
    }

    fn letter(&self) -> MutexGuard<'_, Option<P>> {
        let letter = self.letters.0.letter.lock();
        letter.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it happens within so many looks.
fn soon(looks: u32, happened: impl Fn() -> bool) -> bool {
    (0..looks).any(|_| {
        spin_loop();
        happened()
    })
}

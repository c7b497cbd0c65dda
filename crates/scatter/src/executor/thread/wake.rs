//! Who is to come for work: a few workers at a time, each of which has more come before it begins.
//!
//! A scatter's many works are there in one moment. To wake as many workers for them would cost works that are over at once
//! far more than they do; to wake one would leave works that block waiting for each other. So a caller who waits for all of
//! them submits patiently, which gets them one worker, awake if possible, and hurries when they have not ended in a moment.
//! The pool's lock is held by whoever asks here.

use super::portion::{Portion, Ticket};
use super::state::PoolState;

/// Workers to be woken and started, once the lock is released.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wake {
    pub(crate) calls: usize,
    pub(crate) starts: usize,
}

/// So many on the way at once, that with those whom they call all are there soon.
pub(super) const AT_ONCE: usize = 2;

impl<B: Clone> PoolState<B> {
    /// All with earlier tickets than this is hurried from now on.
    pub(crate) fn hurry(&mut self, next: Ticket) {
        self.hurried = self.hurried.max(next);
    }

    /// Whether more jobs than so many are to be run now, if there were workers enough. All that nobody hurries needs one
    /// worker, as long as none works through any of it, or is about to be back.
    fn runnable_beyond(&self, so_many: usize) -> bool {
        let hurried = |portion: &&Portion<B>| portion.marks.ticket(0) < self.hurried;
        let under_way = self.open.iter().any(|(portion, _)| !hurried(&portion));
        let ready = self.ready.iter();
        let comes = || so_many > 0 || under_way || self.returns_soon();
        let ready = ready.filter(|portion| hurried(portion) || !comes());
        let open = self.open.iter().map(|(portion, _)| portion);
        let mut runnable = 0;
        ready.chain(open.filter(hurried)).any(|portion| {
            runnable += portion.marks.unstarted();
            runnable > so_many
        })
    }

    /// Who is to come for what waits; counts them as told, and as there. So that a few are on the way: each of them has more
    /// come before it begins, so all are there within some wake-ups, and works that are over in less than that wake nobody.
    pub(crate) fn wake_some(&mut self) -> Wake {
        let mut wake = Wake::default();
        while self.coming() < self.sizes.at_once {
            if self.call_idle() {
                wake.calls += 1;
            } else if self.grow() {
                wake.starts += 1;
            } else {
                break;
            }
        }
        wake
    }

    /// Workers that will come for work by themselves, or have been told to.
    pub(super) fn coming(&self) -> usize {
        self.workers.saturating_sub(self.busy + self.idle) + self.called
    }

    /// Whether an idle worker should be woken for what waits; counts it as told.
    fn call_idle(&mut self) -> bool {
        let wanted = self.called < self.idle && self.runnable_beyond(self.coming());
        self.called += usize::from(wanted);
        wanted
    }

    /// Whether one more worker should be started for what waits; counts it as there.
    pub(super) fn grow(&mut self) -> bool {
        let wanted = !self.closed
            && self.workers < self.sizes.workers
            && self.runnable_beyond(self.workers.saturating_sub(self.busy));
        self.workers += usize::from(wanted);
        wanted
    }
}

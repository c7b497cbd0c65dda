//! A world's copies: what two of its threads share, two of the copy's share, too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Thread, Work, World};
use crate::executor::thread::lane::Lane;
use crate::executor::thread::portion::{Marks, Portion};
use crate::executor::thread::state::PoolState;

/// Makes copies that share what the originals share.
#[derive(Default)]
struct Copies {
    marks: HashMap<*const Marks, Arc<Marks>>,
}

impl Copies {
    fn marks(&mut self, marks: &Arc<Marks>) -> Arc<Marks> {
        let copy = || Arc::new(marks.copy());
        Arc::clone(self.marks.entry(Arc::as_ptr(marks)).or_insert_with(copy))
    }

    fn portion(&mut self, portion: &Work) -> Work {
        Portion {
            batch: (),
            marks: self.marks(&portion.marks),
        }
    }

    fn lane(&mut self, lane: &Lane<()>) -> Lane<()> {
        Lane {
            held: lane
                .held
                .iter()
                .map(|(marks, at)| (self.marks(marks), *at))
                .collect(),
            waiting: lane.waiting.clone(),
        }
    }

    fn thread(&mut self, thread: &Thread) -> Thread {
        match thread {
            Thread::Free => Thread::Free,
            Thread::Looks => Thread::Looks,
            Thread::Watches => Thread::Watches,
            Thread::Asleep => Thread::Asleep,
            Thread::In(work) => Thread::In(self.portion(work)),
            Thread::At(work, at) => Thread::At(self.portion(work), *at),
            Thread::Ended(work, at, was) => Thread::Ended(self.portion(work), *at, *was),
        }
    }
}

impl Clone for World {
    fn clone(&self) -> Self {
        let (mut copies, pool) = (Copies::default(), &self.pool);
        let (lanes, open) = (pool.lanes.iter(), pool.open.iter());
        let queues = AtomicUsize::new(pool.queues.load(Ordering::SeqCst));
        Self {
            pool: PoolState {
                lanes: lanes.map(|(id, lane)| (*id, copies.lane(lane))).collect(),
                ready: pool.ready.iter().map(|one| copies.portion(one)).collect(),
                open: open
                    .map(|(one, seen)| (copies.portion(one), *seen))
                    .collect(),
                taken: pool.taken.iter().map(|one| copies.marks(one)).collect(),
                last: pool.last.as_ref().map(|last| copies.marks(last)),
                spent: pool.spent.iter().map(|one| copies.portion(one)).collect(),
                queues: Arc::new(queues),
                ..*pool
            },
            threads: self.threads.iter().map(|one| copies.thread(one)).collect(),
            hatch: self.hatch.clone(),
            unknown: self.unknown.as_ref().map(|work| copies.portion(work)),
            next: self.next,
            wanted: self.wanted.clone(),
            left: self.left,
        }
    }
}

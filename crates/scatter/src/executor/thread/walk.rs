//! A walk through every state that a small pool can get into, whatever the order of events: submissions to two cells,
//! alone and together, patient and not, callers that hurry, workers that take, begin, end, sleep and wake, callers that give
//! up, threads that do not start. Each step that the pool takes without its lock is an event of its own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cells::CellId;
use uuid::Uuid;

use super::lane::Lane;
use super::policy::ThreadPolicy;
use super::portion::{Mark, Marks, Portion, Ticket};
use super::state::{After, GivenUp, PoolState};
use super::wake::Pace;

/// A pool, what its threads are doing, and how much may still be submitted.
struct World {
    pool: PoolState<()>,
    threads: Vec<Thread>,
    /// Jobs whose callers still wait.
    wanted: Vec<(CellId, Ticket)>,
    left: usize,
}

type Work = Portion<()>;

enum Thread {
    Free,
    /// Looks out for a moment.
    Looks,
    /// Waits for a moment to be handed something.
    Watches,
    Asleep,
    /// Has a portion, and is between two jobs of it.
    In(Work),
    At(Work, usize),
    /// The job's mark says that it has ended; it was this.
    Ended(Work, usize, Mark),
}

fn cell(n: u128) -> CellId {
    CellId::new(Uuid::from_u128(n))
}

/// Makes copies that share what the originals share.
#[derive(Default)]
struct Copies {
    marks: HashMap<Ticket, Arc<Marks>>,
}

impl Copies {
    fn marks(&mut self, marks: &Arc<Marks>) -> Arc<Marks> {
        let copy = || Arc::new(marks.copy());
        Arc::clone(self.marks.entry(marks.ticket(0)).or_insert_with(copy))
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
                last: pool.last.as_ref().map(|last| copies.marks(last)),
                spent: pool.spent.iter().map(|one| copies.portion(one)).collect(),
                queues: Arc::new(queues),
                ..*pool
            },
            threads: self.threads.iter().map(|one| copies.thread(one)).collect(),
            wanted: self.wanted.clone(),
            left: self.left,
        }
    }
}

impl World {
    fn new(policy: &ThreadPolicy, jobs: usize) -> Self {
        let mut pool = PoolState::new(policy, Arc::default());
        // So that the one who is called has to call the next.
        pool.sizes.at_once = 1;
        pool.start_first();
        Self {
            pool,
            threads: vec![Thread::Free],
            wanted: Vec::new(),
            left: jobs,
        }
    }

    /// What tells this world from others; which thread does what is all the same.
    fn key(&self) -> Vec<u64> {
        let pool = &self.pool;
        let counts = [
            pool.waiting,
            pool.workers,
            pool.busy,
            pool.idle,
            pool.called,
            pool.abandoned,
            pool.replaced,
            self.left,
        ];
        let mut key: Vec<u64> = counts.iter().map(|count| *count as u64).collect();
        key.extend([pool.next, pool.hurried]);
        key.extend(pool.last.iter().flat_map(|last| last.key()));
        key.push(u64::MAX);
        key.extend(pool.ready.iter().flat_map(|portion| portion.marks.key()));
        key.push(u64::MAX);
        for (portion, seen) in &pool.open {
            key.extend(portion.marks.key());
            key.push(*seen as u64);
        }
        for id in [cell(1), cell(2)] {
            key.push(u64::MAX);
            if let Some(lane) = pool.lanes.get(&id) {
                key.extend(lane.held.iter().map(|(marks, at)| marks.ticket(*at)));
                key.push(u64::MAX);
                key.extend(lane.waiting.iter().map(|(ticket, ..)| *ticket));
            }
        }
        let mut threads: Vec<[u64; 7]> = self.threads.iter().map(Thread::key).collect();
        threads.sort_unstable();
        key.extend(threads.into_iter().flatten());
        let mut wanted: Vec<u64> = self.wanted.iter().map(|(_, ticket)| *ticket).collect();
        wanted.sort_unstable();
        key.extend(wanted);
        key
    }

    /// All worlds one event away.
    fn next(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        let [one, other] = [cell(1), cell(2)];
        for (cells, pace) in [
            (&[one][..], Pace::Hurried),
            (&[other], Pace::Hurried),
            (&[other], Pace::Patient),
            (&[one, other], Pace::Patient),
        ] {
            worlds.extend((self.left >= cells.len()).then(|| self.submit(cells, pace)));
        }
        if self.pool.hurried < self.pool.next {
            let mut world = self.clone();
            world.pool.hurry();
            world.call();
            worlds.push(world);
        }
        for at in 0..self.threads.len() {
            let mut world = self.clone();
            world.step(at);
            worlds.push(world);
        }
        for at in 0..self.wanted.len() {
            worlds.extend(self.give_up(at));
        }
        worlds
    }

    fn submit(&self, cells: &[CellId], pace: Pace) -> Self {
        let mut world = self.clone();
        world.left -= cells.len();
        let mut results = Vec::new();
        let jobs: Vec<_> = cells.iter().map(|id| (*id, 0)).collect();
        world.pool.submit(&(), &jobs, &mut results);
        for (id, result) in cells.iter().zip(results) {
            world.wanted.extend(result.ok().map(|ticket| (*id, ticket)));
        }
        if pace == Pace::Hurried {
            world.pool.hurry();
        }
        world.call();
        world
    }

    /// What follows wherever work may have come.
    fn call(&mut self) {
        if let Some(work) = self.pool.hand_over() {
            let watches = |one: &&mut Thread| matches!(one, Thread::Watches);
            let thread = self.threads.iter_mut().find(watches);
            *thread.expect("somebody watches") = Thread::In(work);
        }
        let wake = self.pool.wake_some();
        for _ in 0..wake.calls {
            let asleep = |one: &&mut Thread| matches!(one, Thread::Asleep);
            if let Some(thread) = self.threads.iter_mut().find(asleep) {
                *thread = Thread::Free;
                self.pool.end_idle();
            }
        }
        self.threads.extend((0..wake.starts).map(|_| Thread::Free));
    }

    fn step(&mut self, at: usize) {
        let after = match std::mem::replace(&mut self.threads[at], Thread::Free) {
            Thread::Free => match self.take() {
                Some(thread) => thread,
                None if self.pool.watch() => Thread::Watches,
                None => Thread::Looks,
            },
            thread @ (Thread::Looks | Thread::Watches) => {
                if matches!(thread, Thread::Watches) {
                    assert!(self.pool.stop_watching(), "it was handed something");
                }
                self.take().unwrap_or_else(|| {
                    self.pool.begin_idle();
                    Thread::Asleep
                })
            }
            // A wake-up out of nothing.
            Thread::Asleep => {
                self.pool.end_idle();
                Thread::Free
            }
            Thread::In(work) => match work.marks.claim() {
                Some(job) => Thread::At(work, job),
                None => {
                    self.pool.put_back(&work.marks);
                    Thread::Free
                }
            },
            Thread::At(work, job) => {
                let ticket = work.marks.ticket(job);
                self.wanted.retain(|(_, wanted)| *wanted != ticket);
                let was = work.marks.end(job);
                Thread::Ended(work, job, was)
            }
            Thread::Ended(work, job, was) => {
                let queues = self.pool.queues.load(Ordering::SeqCst) > 0;
                let stays = !(was != Mark::Running || queues)
                    || self.pool.returned(work.marks.jobs()[job].0, was) == After::Stay
                    || self.pool.stay_or_leave(&work.marks).is_ok();
                if stays {
                    self.threads[at] = Thread::In(work);
                } else {
                    self.threads.remove(at);
                }
                if was != Mark::Running || queues {
                    self.call();
                }
                return;
            }
        };
        self.threads[at] = after;
    }

    /// Whoever takes work has others come for the rest.
    fn take(&mut self) -> Option<Thread> {
        let work = self.pool.take()?;
        self.call();
        Some(Thread::In(work))
    }

    /// Giving up, with a replacement that starts, and one that does not.
    fn give_up(&self, at: usize) -> Vec<Self> {
        let mut world = self.clone();
        let (id, ticket) = world.wanted.remove(at);
        let replace = matches!(world.pool.abandon(id, ticket), GivenUp::Replace);
        world.call();
        if !replace {
            return vec![world];
        }
        let mut fails = world.clone();
        fails.pool.not_replaced(id, ticket);
        world.threads.push(Thread::Free);
        vec![world, fails]
    }

    fn count(&self, what: impl Fn(&Thread) -> bool) -> usize {
        self.threads.iter().filter(|one| what(one)).count()
    }

    fn check(&self, policy: &ThreadPolicy) {
        let (pool, stats) = (&self.pool, self.pool.stats());
        let asleep = self.count(|one| matches!(one, Thread::Asleep));
        let engaged =
            self.count(|one| matches!(one, Thread::In(_) | Thread::At(..) | Thread::Ended(..)));
        assert_eq!(pool.threads(), self.threads.len());
        assert_eq!(pool.busy + pool.replaced, engaged);
        assert_eq!(stats.idle, asleep);
        assert_eq!(
            pool.coming() - pool.called,
            self.count(|one| matches!(one, Thread::Free | Thread::Looks | Thread::Watches))
        );
        let watch = self.count(|one| matches!(one, Thread::Watches));
        assert_eq!(watch, usize::from(pool.watched));
        assert!(stats.workers <= policy.workers);
        assert!(pool.replaced <= policy.max_abandoned);
        let unstarted = |portion: &Work| portion.marks.unstarted();
        let queued: usize = pool.lanes.values().map(|lane| lane.waiting.len()).sum();
        let ready: usize = pool.ready.iter().map(unstarted).sum();
        assert_eq!(pool.waiting, queued + ready);
        let queues = pool.lanes.values().filter(|lane| !lane.waiting.is_empty());
        assert_eq!(pool.queues.load(Ordering::SeqCst), queues.count());
        // Work that could run has somebody who comes for it and has others come, or everybody is at work. What nobody hurries
        // is left to the one who has come for it.
        let hurried = |one: &&Work| one.marks.ticket(0) < pool.hurried;
        let open = pool.open.iter().map(|(one, _)| one).filter(hurried);
        let open: usize = open.map(unstarted).sum();
        let come = self.count(|one| !matches!(one, Thread::Asleep | Thread::At(..)));
        assert!(
            ready + open == 0 || come + pool.called > 0 || asleep == pool.called,
            "work that nobody comes for"
        );
        for id in [cell(1), cell(2)] {
            let here = |one: &Thread| matches!(one, Thread::At(work, at) if work.marks.jobs()[*at].0 == id);
            assert!(self.count(here) <= policy.per_cell);
        }
    }

    /// Lets everything come to its end: all work returns, nobody gives up any more.
    fn settle(&self, policy: &ThreadPolicy) {
        let mut world = self.clone();
        for _ in 0..400 {
            let awake = |one: &Thread| !matches!(one, Thread::Asleep);
            match world.threads.iter().position(awake) {
                Some(at) => world.step(at),
                None => break,
            }
        }
        world.check(policy);
        let stats = world.pool.stats();
        assert_eq!((stats.waiting, stats.running, stats.abandoned), (0, 0, 0));
        assert_eq!(stats.workers, world.threads.len());
        assert!(stats.workers >= 1, "a pool without workers");
        assert!(
            world.pool.ready.is_empty()
                && world.pool.open.is_empty()
                && world.pool.spent.is_empty()
        );
        let marks = world.pool.lanes.values().flat_map(|lane| &lane.held);
        for (marks, at) in marks {
            assert_eq!(marks.mark(*at), Mark::Gone);
        }
    }
}

impl Thread {
    fn key(&self) -> [u64; 7] {
        let key = |kind, work: &Work, at: usize, was| {
            let [first, next, marks] = work.marks.key();
            [
                kind,
                first,
                next,
                marks,
                work.marks.jobs().len() as u64,
                at as u64,
                was,
            ]
        };
        match self {
            Self::Free => [0; 7],
            Self::Looks => [1; 7],
            Self::Watches => [2; 7],
            Self::Asleep => [3; 7],
            Self::In(work) => key(4, work, 0, 0),
            Self::At(work, at) => key(5, work, *at, 0),
            Self::Ended(work, at, was) => key(6, work, *at, *was as u64),
        }
    }
}

fn walk(policy: &ThreadPolicy, jobs: usize) -> usize {
    let mut seen = HashSet::new();
    let mut open = vec![World::new(policy, jobs)];
    while let Some(world) = open.pop() {
        if !seen.insert(world.key()) {
            continue;
        }
        world.check(policy);
        world.settle(policy);
        open.extend(world.next());
    }
    seen.len()
}

#[test]
fn every_reachable_state_keeps_its_counts_and_can_come_to_rest() {
    let policy = |workers, per_cell, max_abandoned| ThreadPolicy {
        workers,
        queue: 2,
        per_cell,
        per_cell_queue: 1,
        max_abandoned,
    };
    let mut states = 0;
    for (workers, per_cell, cap, jobs) in [
        (1, 1, 1, 3),
        (2, 1, 1, 3),
        (2, 2, 1, 2),
        (2, 1, 0, 3),
        (1, 2, 2, 3),
        (3, 2, 0, 3),
    ] {
        states += walk(&policy(workers, per_cell, cap), jobs);
    }
    assert!(states > 1_000, "only {states} states");
}

//! A walk through every state that a small pool can get into, whatever the order of events: submissions to two cells,
//! alone and together, patient and not, callers that hurry, workers that take, begin, end, sleep and wake, callers that give
//! up, threads that do not start; and what comes through the hatch, and is heard of at any time. Each step that the pool takes
//! without its lock is an event of its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cells::CellId;
use uuid::Uuid;

use super::hatch::Unknown;
use super::policy::ThreadPolicy;
use super::portion::{Mark, Marks, Portion, Ticket};
use super::state::{After, GivenUp, PoolState};
use crate::executor::Pace;

mod copies;

/// A pool, what its threads are doing, and how much may still be submitted.
struct World {
    pool: PoolState<()>,
    threads: Vec<Thread>,
    /// The hatch: whether it is open, and if so, but for which cells; and works that came through it, of which the pool has
    /// not heard.
    hatch: Option<Vec<CellId>>,
    unknown: Option<Work>,
    /// The next ticket.
    next: Ticket,
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

impl World {
    fn new(policy: &ThreadPolicy, jobs: usize) -> Self {
        let mut pool = PoolState::new(policy, Arc::default());
        // So that the one who is called has to call the next.
        pool.sizes.at_once = 1;
        pool.start_first();
        Self {
            pool,
            threads: vec![Thread::Free],
            hatch: None,
            unknown: None,
            next: 0,
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
        key.extend([self.next, pool.hurried]);
        if let Some(engaged) = &self.hatch {
            key.push(engaged.len() as u64);
            key.extend(engaged.iter().map(|id| u64::from(*id == cell(1))));
        }
        key.push(u64::MAX);
        key.extend(self.unknown.iter().flat_map(|work| work.marks.key()));
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
            if self.left >= cells.len() {
                worlds.push(self.submit(cells, pace));
                worlds.extend((pace == Pace::Patient).then(|| self.offer(cells)).flatten());
            }
        }
        if self.pool.hurried < self.next {
            let mut world = self.told();
            world.pool.hurry(world.next);
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

    /// The same world, with the pool's lock taken: it has heard of all that came through the hatch, and that is shut.
    fn told(&self) -> Self {
        let mut world = self.clone();
        world.hear();
        world
    }

    fn hear(&mut self) {
        self.hatch = None;
        if let Some(Portion { batch, marks }) = self.unknown.take() {
            let batch = (marks.jobs().len() > 1).then_some(batch);
            self.pool.adopt(Unknown { marks, batch });
        }
    }

    /// Jobs whose callers wait from now on.
    fn portion(&mut self, cells: &[CellId]) -> Work {
        self.left -= cells.len();
        let (first, jobs) = (self.next, cells.iter().map(|id| (*id, 0)).collect());
        self.wanted.extend(cells.iter().copied().zip(first..));
        self.next += cells.len() as Ticket;
        Portion {
            batch: (),
            marks: Arc::new(Marks::new(first, jobs)),
        }
    }

    fn submit(&self, cells: &[CellId], pace: Pace) -> Self {
        let mut world = self.told();
        let portion = world.portion(cells);
        let mut refused = Vec::new();
        let refuse = |at, _| refused.push(portion.marks.ticket(at));
        world.pool.submit(&portion, refuse);
        world.wanted.retain(|(_, ticket)| !refused.contains(ticket));
        if pace == Pace::Hurried {
            world.pool.hurry(world.next);
        }
        world.call();
        world
    }

    /// The same through the hatch, where it is open, to the one who watches.
    fn offer(&self, cells: &[CellId]) -> Option<Self> {
        let engaged = self.hatch.as_ref()?;
        if self.unknown.is_some() || cells.iter().any(|id| engaged.contains(id)) {
            return None;
        }
        let mut world = self.clone();
        let portion = world.portion(cells);
        let watches = |one: &&mut Thread| matches!(one, Thread::Watches);
        *world.threads.iter_mut().find(watches)? = Thread::In(portion.clone());
        world.unknown = Some(portion);
        Some(world)
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
        if let Thread::In(work) = &self.threads[at]
            && self.unknown.as_ref().is_some_and(|one| one.is(&work.marks))
            && work.marks.unstarted() == 0
        {
            // It is through, and nobody has asked: it watches again.
            self.unknown = None;
            self.threads[at] = Thread::Watches;
            return;
        }
        let free = !matches!(
            self.threads[at],
            Thread::In(_) | Thread::At(..) | Thread::Ended(..)
        );
        if free {
            self.hear();
        }
        let after = match std::mem::replace(&mut self.threads[at], Thread::Free) {
            Thread::Free => match self.take() {
                Some(thread) => thread,
                None if self.pool.watch() => {
                    self.hatch = self.pool.engaged();
                    Thread::Watches
                }
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
                    self.hear();
                    self.pool.forget(&work.marks);
                    self.pool.put_back();
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
                if was != Mark::Running || queues {
                    self.hear();
                }
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
        let mut world = self.told();
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
        self.told().check_told(policy);
    }

    fn check_told(&self, policy: &ThreadPolicy) {
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
        world.hear();
        world.check_told(policy);
        let stats = world.pool.stats();
        assert_eq!((stats.waiting, stats.running, stats.abandoned), (0, 0, 0));
        assert_eq!(stats.workers, world.threads.len());
        assert!(stats.workers >= 1, "a pool without workers");
        assert!(world.pool.taken.is_empty());
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

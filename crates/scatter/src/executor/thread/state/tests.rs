//! A walk through every state that a small pool can get into, whatever the order of events: submissions to two cells,
//! workers that take, return, sleep and wake, callers that give up, threads that do not start.

use std::collections::HashSet;

use cells::CellId;
use uuid::Uuid;

use super::super::policy::ThreadPolicy;
use super::{After, GivenUp, PoolState, Ticket};

/// A pool, what its threads are doing, and how much may still be submitted.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    pool: PoolState<()>,
    /// Threads by what they do; sorted, so that equal worlds are equal.
    threads: Vec<Thread>,
    /// Jobs whose callers still wait.
    wanted: Vec<(CellId, Ticket)>,
    left: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Thread {
    Free,
    Asleep,
    At(CellId, Ticket),
}

fn cell(n: u128) -> CellId {
    CellId::new(Uuid::from_u128(n))
}

impl World {
    fn new(policy: &ThreadPolicy, jobs: usize) -> Self {
        let mut pool = PoolState::new(policy);
        pool.start_first();
        Self {
            pool,
            threads: vec![Thread::Free],
            wanted: Vec::new(),
            left: jobs,
        }
    }

    /// All worlds one event away.
    fn next(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        for id in [cell(1), cell(2)] {
            worlds.extend((self.left > 0).then(|| self.submit(id)));
        }
        for at in 0..self.threads.len() {
            worlds.push(self.step(at));
        }
        for at in 0..self.wanted.len() {
            worlds.extend(self.give_up(at));
        }
        for world in &mut worlds {
            world.threads.sort_unstable();
            world.wanted.sort_unstable();
        }
        worlds
    }

    fn submit(&self, id: CellId) -> Self {
        let mut world = self.clone();
        world.left -= 1;
        if let Ok(ticket) = world.pool.submit(id, ()) {
            world.wanted.push((id, ticket));
        }
        while world.pool.call_idle() {
            world.wake_one();
        }
        while world.pool.grow() {
            world.threads.push(Thread::Free);
        }
        world
    }

    fn wake_one(&mut self) {
        if let Some(thread) = self.threads.iter_mut().find(|one| **one == Thread::Asleep) {
            *thread = Thread::Free;
            self.pool.end_idle();
        }
    }

    fn step(&self, at: usize) -> Self {
        let mut world = self.clone();
        match world.threads[at] {
            Thread::Free => match world.pool.take() {
                Some((id, ticket, ())) => world.threads[at] = Thread::At(id, ticket),
                None => {
                    world.threads[at] = Thread::Asleep;
                    world.pool.begin_idle();
                }
            },
            // A wake-up out of nothing.
            Thread::Asleep => {
                world.threads[at] = Thread::Free;
                world.pool.end_idle();
            }
            Thread::At(id, ticket) => {
                let after = world.pool.returned(id, ticket);
                world.wanted.retain(|job| *job != (id, ticket));
                world.threads[at] = Thread::Free;
                if after == After::Leave && !world.pool.grow() {
                    world.threads.remove(at);
                    if world.pool.call_idle() {
                        world.wake_one();
                    }
                }
            }
        }
        world
    }

    /// Giving up, with a replacement that starts, and one that does not.
    fn give_up(&self, at: usize) -> Vec<Self> {
        let mut world = self.clone();
        let (id, ticket) = world.wanted.remove(at);
        match world.pool.abandon(id, ticket) {
            GivenUp::Replace => {
                let mut fails = world.clone();
                fails.pool.not_replaced(id, ticket);
                world.threads.push(Thread::Free);
                vec![world, fails]
            }
            _ => vec![world],
        }
    }

    fn check(&self, policy: &ThreadPolicy) {
        let stats = self.pool.stats();
        let at = |thread: &&Thread| matches!(thread, Thread::At(..));
        let busy = self.threads.iter().filter(at).count();
        let asleep = self
            .threads
            .iter()
            .filter(|one| **one == Thread::Asleep)
            .count();
        assert_eq!(self.pool.threads(), self.threads.len());
        assert_eq!(stats.running + stats.abandoned, busy);
        assert_eq!(stats.idle, asleep);
        assert!(stats.workers <= policy.workers);
        assert!(self.pool.replaced <= policy.max_abandoned);
        // Work that could run has somebody who comes for it: a free thread, or one at work that is the pool's own.
        let runnable = self.pool.runnable > 0;
        let comes =
            self.threads.contains(&Thread::Free) || stats.workers > asleep || self.pool.called > 0;
        assert!(!runnable || comes, "work that nobody comes for");
        for id in [cell(1), cell(2)] {
            let here = |one: &&Thread| matches!(one, Thread::At(held, _) if *held == id);
            assert!(self.threads.iter().filter(here).count() <= policy.per_cell);
        }
    }

    /// Lets everything come to its end: all work returns, nobody gives up any more.
    fn settle(&self, policy: &ThreadPolicy) {
        let mut world = self.clone();
        for _ in 0..200 {
            match world.threads.iter().position(|one| *one != Thread::Asleep) {
                Some(at) => world = world.step(at),
                None => break,
            }
        }
        world.check(policy);
        let stats = world.pool.stats();
        assert_eq!((stats.waiting, stats.running, stats.abandoned), (0, 0, 0));
        assert_eq!(stats.workers, world.threads.len());
        assert!(stats.workers >= 1, "a pool without workers");
        let lanes = world.pool.lanes.0.values();
        assert!(
            lanes
                .clone()
                .all(|lane| lane.held.is_empty() && lane.waiting.is_empty())
        );
        assert!(lanes.clone().all(|lane| !lane.in_turn) && world.pool.turn.is_empty());
    }
}

fn walk(policy: &ThreadPolicy, jobs: usize) -> usize {
    let mut seen = HashSet::new();
    let mut open = vec![World::new(policy, jobs)];
    while let Some(world) = open.pop() {
        if !seen.insert(world.clone()) {
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
        (1, 1, 1, 4),
        (2, 1, 1, 4),
        (2, 2, 1, 3),
        (2, 1, 0, 4),
        (1, 2, 2, 4),
    ] {
        states += walk(&policy(workers, per_cell, cap), jobs);
    }
    assert!(states > 1_000, "only {states} states");
}

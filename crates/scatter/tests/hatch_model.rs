//! The hatch under a checker of schedules (shuttle): what is put into it comes out once, and either the one who watches takes
//! it back or the pool hears of it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../src/executor/thread/hatch.rs"]
mod hatch;
#[path = "../src/executor/job.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "what the pool uses is not part of the model"
)]
mod job;
#[path = "../src/executor/thread/lookout.rs"]
#[expect(dead_code, reason = "nobody looks but the one who watches")]
mod lookout;
#[path = "../src/executor/thread/portion.rs"]
#[expect(dead_code, reason = "only what tells portions apart is used")]
mod portion;

#[path = "model/sync.rs"]
mod sync;

/// The names that the hatch takes from the crate.
mod executor {
    pub(crate) use crate::job;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Plain, Ordering::SeqCst};

use cells::CellId;
use hatch::Hatch;
use portion::{Marks, Portion};
use shuttle::sync::{Mutex, MutexGuard};
use shuttle::thread;

fn cell(n: u128) -> CellId {
    CellId::new(uuid::Uuid::from_u128(n + 1))
}

/// A portion of this number: of one job, or of two where it is odd.
fn portion(n: usize) -> Portion<usize> {
    let cells = [n as u128, 100 + n as u128];
    let jobs = cells.iter().take(1 + n % 2).map(|of| (cell(*of), n));
    let marks = Marks::new(n as u64, jobs.collect());
    Portion {
        batch: n,
        marks: Arc::new(marks),
    }
}

/// A pool that knows of nothing but its hatch: whether somebody watches, and what it has heard of.
#[derive(Default)]
struct Known {
    watched: bool,
    adopted: Vec<usize>,
    closed: bool,
}

type Pool = Mutex<Known>;

fn lock<'p>(pool: &'p Pool, hatch: &Hatch<usize>) -> MutexGuard<'p, Known> {
    let mut known = pool.lock().unwrap();
    if let Some(unknown) = hatch.shut() {
        let [(_, n), ..] = unknown.marks.jobs() else {
            panic!("a portion without jobs");
        };
        // None once whoever is through with it has taken it out.
        assert!(unknown.batch.is_none_or(|batch| batch == *n && n % 2 == 1));
        known.adopted.push(*n);
        known.watched = false;
    }
    known
}

/// Watches until the pool is closed; gives what it was at work on.
fn work(pool: &Pool, hatch: &Hatch<usize>) -> Vec<usize> {
    let mut ran = Vec::new();
    let mut through = None::<Portion<usize>>;
    loop {
        let watches_again = |Portion { batch, marks }: Portion<usize>| {
            assert!(hatch.batch(&marks).is_none_or(|other| other == batch));
            hatch.reopen(&marks)
        };
        if !through.take().is_some_and(watches_again) {
            let mut known = lock(pool, hatch);
            if known.closed {
                return ran;
            }
            assert!(hatch.is_free() && !known.watched, "nobody else watches");
            known.watched = true;
            hatch.open(vec![cell(7)]);
        }
        through = hatch.watch().or_else(|| {
            let mut known = lock(pool, hatch);
            match std::mem::take(&mut known.watched) {
                true => None,
                false => Some(hatch.take().unwrap()),
            }
        });
        ran.extend(through.iter().map(|portion| portion.batch));
    }
}

#[test]
fn what_is_put_into_the_hatch_comes_out_once_and_nobody_loses_count_of_it() {
    // Over all schedules: what the pool never heard of, and what it adopted.
    static QUIET: Plain = Plain::new(0);
    static TOLD: Plain = Plain::new(0);
    let run = || {
        let (pool, hatch) = (Arc::new(Pool::default()), Arc::new(Hatch::new()));
        let worker = {
            let (pool, hatch) = (Arc::clone(&pool), Arc::clone(&hatch));
            thread::spawn(move || work(&pool, &hatch))
        };
        let offer = |from: usize| {
            let hatch = Arc::clone(&hatch);
            thread::spawn(move || {
                let each = (from..from + 3).filter(|n| hatch.offer(&portion(*n)));
                each.collect::<Vec<_>>()
            })
        };
        let callers = [offer(0), offer(3)];
        assert!(!hatch.offer(&portion(7)), "it is not open for that cell");
        // Somebody brings work with the pool's lock.
        let mut known = lock(&pool, &hatch);
        let handed = std::mem::take(&mut known.watched);
        if handed {
            hatch.hand(portion(8));
        }
        drop(known);
        let offered = callers.map(|caller| caller.join().unwrap());
        let mut offered = offered.concat();
        offered.extend(handed.then_some(8));
        lock(&pool, &hatch).closed = true;
        let mut ran = worker.join().unwrap();
        ran.sort_unstable();
        offered.sort_unstable();
        assert_eq!(ran, offered);
        let known = pool.lock().unwrap();
        assert!(!known.watched && hatch.is_free());
        TOLD.fetch_add(known.adopted.len(), SeqCst);
        let told = known.adopted.len() + usize::from(handed);
        QUIET.fetch_add(ran.len() - told, SeqCst);
    };
    shuttle::check_random(run, 3_000);
    shuttle::check_pct(run, 3_000, 3);
    let counts = (QUIET.load(SeqCst), TOLD.load(SeqCst));
    assert!(counts.0 > 100 && counts.1 > 100, "{counts:?}");
}

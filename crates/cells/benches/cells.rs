//! Figures of the cells: targeting a warm cell on one thread and on two, memory of a cached idle cell, first loads, loads
//! of what has not changed, and look-ups of up to 10,000 cells in turn. Each beside the same thing written by hand, in
//! the same run.
//!
//! Times are processor time of the calling thread (Linux, `schedstat`, to a few milliseconds), so that a busy machine
//! makes them worse by its caches and not by its queue. Rows go to the file named in `NOVA_BENCH_OUT`, one JSON object per
//! line. No figure fails anything here.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::Future;
use std::hint::black_box;
use std::io::Write as _;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use context::{Deadline, Identity, RequestContext, Roles};
use nova_cells::{
    CellConnector, CellError, CellId, CellMapping, Cells, RawCellMapping, RevisionKey,
    StaticSource, UrlDefaults,
};

const REPETITIONS: usize = 7;
const ROUND: u32 = 1_500_000;
const REPETITIONS_OF_GROWTH: usize = 5;

/// Opens handles that cost nothing, so that what is measured is the cache.
struct Free;

impl CellConnector for Free {
    type Database = u64;
    type Messaging = u64;

    fn open_database(&self, _: &CellMapping) -> Result<u64, CellError> {
        Ok(1)
    }

    fn open_messaging(&self, _: &CellMapping) -> Result<u64, CellError> {
        Ok(2)
    }
}

/// What somebody would write by hand: a map behind an atomic pointer, and a reference count for who uses an entry.
struct ByHand(ArcSwap<HashMap<CellId, ByHandLegs>>);

type ByHandLegs = Arc<(CellMapping, u64, Option<u64>)>;

/// What it gives: as a `CellContext`, the request and the legs.
type Bound = (RequestContext, ByHandLegs);

impl ByHand {
    fn target(&self, request: &RequestContext, cell: CellId) -> Option<Bound> {
        let legs = Arc::clone(self.0.load().get(&cell)?);
        Some((request.clone(), legs))
    }
}

fn main() -> std::io::Result<()> {
    let mut rows = Rows::default();
    // First, while nothing was given back yet that it could be given.
    memory(&mut rows);
    targeting(&mut rows);
    growth(&mut rows);
    rows.finish()
}

fn targeting(rows: &mut Rows) {
    let cells = cloud(100);
    let ids: Vec<CellId> = cells.snapshot().mappings().map(CellMapping::id).collect();
    let by_hand = by_hand(&cells);
    let one = ids[42];
    let ours = |request: &RequestContext| drop(black_box(cells.target(request, black_box(one))));
    let peers = |request: &RequestContext| drop(black_box(by_hand.target(request, black_box(one))));

    let (our_one, peer_one) = in_turn(|| per_call(1, &ours), || per_call(1, &peers));
    rows.add(
        "cells.target.warm.1-thread",
        our_one,
        "ns",
        "arc-swap + HashMap by hand",
        our_one / peer_one,
    );
    let (our_two, peer_two) = in_turn(|| per_call(2, &ours), || per_call(2, &peers));
    // Calls per second of two threads, as a multiple of one thread's.
    let (our_gain, peer_gain) = (2.0 * our_one / our_two, 2.0 * peer_one / peer_two);
    rows.add(
        "cells.target.warm.2-threads",
        our_two,
        "ns",
        "arc-swap + HashMap by hand",
        our_two / peer_two,
    );
    rows.add(
        "cells.target.warm.2-threads.throughput",
        our_gain,
        "x one thread",
        "by hand",
        our_gain / peer_gain,
    );
}

fn memory(rows: &mut Rows) {
    const CELLS: u32 = 10_000;
    // One after the other in one cloud: what a first one gave back, a second one would be given.
    let before = resident_bytes();
    let cells = cloud(CELLS);
    let mappings_only = resident_bytes() - before;
    let request = request();
    for mapping in cells.snapshot().mappings() {
        drop(black_box(cells.target(&request, mapping.id())));
    }
    let opened = resident_bytes() - before;
    let per_cell = |bytes: f64| bytes / f64::from(CELLS);
    rows.add(
        "cells.memory.mapping",
        per_cell(mappings_only),
        "bytes",
        "target 16384",
        per_cell(mappings_only) / 16384.0,
    );
    rows.add(
        "cells.memory.cached-idle",
        per_cell(opened),
        "bytes",
        "target 16384",
        per_cell(opened) / 16384.0,
    );
}

fn growth(rows: &mut Rows) {
    let mut small: Option<[f64; 4]> = None;
    for count in [10, 100, 1_000, 10_000] {
        // Few cells are loaded more often, so that each figure covers the same number of rows.
        let times = 10_000 / count;
        let first = median((0..REPETITIONS_OF_GROWTH).map(|_| {
            let fresh: Vec<Cells<Free>> = (0..times).map(|_| not_loaded(count)).collect();
            timed(times, |n| load(&fresh[n]))
        }));
        let cells = cloud(count);
        let again = median((0..REPETITIONS_OF_GROWTH).map(|_| timed(times, |_| load(&cells))));
        let request = request();
        let ids: Vec<CellId> = cells.snapshot().mappings().map(CellMapping::id).collect();
        for id in &ids {
            drop(black_box(cells.target(&request, *id)));
        }
        let by_hand = by_hand(&cells);
        let every = |target: &dyn Fn(CellId)| timed(500_000, |n| target(ids[n % ids.len()]));
        let (ours, peers) = in_turn(
            || every(&|id| drop(black_box(cells.target(&request, id)))),
            || every(&|id| drop(black_box(by_hand.target(&request, id)))),
        );
        let per_cell = [first, again].map(|time| time / f64::from(count));
        let figures = [per_cell[0], per_cell[1], ours, peers];
        let smallest = *small.get_or_insert(figures);
        let grown = |at: usize| figures[at] / smallest[at];
        let per = "per cell, with 10 cells";
        rows.add(
            &format!("cells.load.first.{count}"),
            first / 1e6,
            "ms",
            per,
            grown(0),
        );
        rows.add(
            &format!("cells.load.again.{count}"),
            again / 1e6,
            "ms",
            per,
            grown(1),
        );
        rows.add(
            &format!("cells.lookup.{count}"),
            ours,
            "ns",
            "with 10 cells",
            grown(2),
        );
        let name = format!("cells.lookup.by-hand.{count}");
        rows.add(&name, peers, "ns", "with 10 cells", grown(3));
    }
}

/// Nanoseconds of processor time for each of so many.
fn timed(times: u32, mut each: impl FnMut(usize)) -> f64 {
    let began = processor_time();
    for n in 0..times {
        each(n as usize);
    }
    (processor_time() - began) / f64::from(times)
}

fn load(cells: &Cells<Free>) {
    let deadline = Deadline::after(Duration::from_secs(60));
    drop(black_box(now(cells.refresh(deadline))));
}

fn by_hand(cells: &Cells<Free>) -> ByHand {
    let legs = cells.snapshot();
    let legs = legs
        .mappings()
        .map(|m| (m.id(), Arc::new((m.clone(), 1, Some(2)))));
    ByHand(ArcSwap::from_pointee(legs.collect()))
}

fn cloud(count: u32) -> Cells<Free> {
    let cells = not_loaded(count);
    load(&cells);
    cells
}

fn not_loaded(count: u32) -> Cells<Free> {
    let rows = (1..=count).map(|n| RawCellMapping {
        uuid: format!(
            "{:08x}-0000-4000-8000-{n:012x}",
            n.wrapping_mul(0x9E37_79B9)
        ),
        name: Some(format!("cell{n}")),
        database_connection: Some(
            format!(
                "mysql+pymysql://nova:s3cret%40{n}@db{n}.example.org/nova_cell{n}?charset=utf8"
            )
            .into(),
        ),
        transport_url: Some(format!("rabbit://nova:s3cret@mq{n}.example.org:5672/cell{n}").into()),
        disabled: false,
    });
    let source = StaticSource::new(rows.collect());
    let key = RevisionKey::from_bytes(b"bench");
    let mut options = nova_cells::CellsOptions::new(key);
    options.defaults = UrlDefaults::default();
    options.policy.capacity = 100_000;
    Cells::with_options(source, Free, options)
}

fn request() -> RequestContext {
    RequestContext::for_background("bench", Identity::default(), Roles::admin())
}

/// Nanoseconds per call where so many threads call at once, each with a request of its own.
fn per_call(threads: usize, call: &(impl Fn(&RequestContext) + Sync)) -> f64 {
    let start = Barrier::new(threads);
    let times: Vec<f64> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let request = request();
                    call(&request);
                    start.wait();
                    let began = processor_time();
                    for _ in 0..ROUND {
                        call(&request);
                    }
                    (processor_time() - began) / f64::from(ROUND)
                })
            })
            .collect();
        running
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    times.iter().sum::<f64>() / times.len() as f64
}

/// Medians of two things measured in turn, so that a busy machine slows both.
fn in_turn(ours: impl Fn() -> f64, peers: impl Fn() -> f64) -> (f64, f64) {
    let pairs: Vec<(f64, f64)> = (0..REPETITIONS).map(|_| (ours(), peers())).collect();
    (
        median(pairs.iter().map(|pair| pair.0)),
        median(pairs.iter().map(|pair| pair.1)),
    )
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4096.0
}

/// Nanoseconds that this thread has had a processor.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = stat.split(' ').next().and_then(|time| time.parse().ok());
    first.unwrap_or(f64::NAN)
}

fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[derive(Default)]
struct Rows(String);

impl Rows {
    fn add(&mut self, name: &str, value: f64, unit: &str, peer: &str, ratio: f64) {
        let _infallible = writeln!(
            self.0,
            r#"{{"name":"{name}","value":{value:.3},"unit":"{unit}","peer":"{peer}","ratio":{ratio:.3}}}"#
        );
    }

    fn finish(self) -> std::io::Result<()> {
        std::io::stdout().lock().write_all(self.0.as_bytes())?;
        match std::env::var_os("NOVA_BENCH_OUT") {
            Some(path) => std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)?
                .write_all(self.0.as_bytes()),
            None => Ok(()),
        }
    }
}

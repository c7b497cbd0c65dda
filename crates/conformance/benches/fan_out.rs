//! P1, P2, P12: what a scatter of work that does nothing costs, beside what one would write by hand with a deadline.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on has no figure to give"
)]

mod peers;
#[path = "peers/processor.rs"]
mod processor;
#[path = "peers/service.rs"]
mod service;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cells::CellError;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use nova_conformance::fakes::{self, FakeCloud, HonestConnector};
use peers::{AMPLE, in_turns, load, row};
use processor::thread_seconds;
use scatter::{ThreadExecutor, ThreadPolicy, TokioExecutor};
use service::Service;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A scatter of no-op work.
async fn ours(service: &Service, executor: &TokioExecutor) {
    let report = service
        .scatter()
        .run(executor, |_| async { Ok::<u64, CellError>(1) })
        .await;
    assert!(!report.is_partial());
}

/// By hand: a task per cell that ends with the call, a deadline for all, results by cell. With a cloud, each task binds its
/// request to its cell too.
async fn by_hand(cells: usize, targets: Option<(&FakeCloud, &context::RequestContext)>) {
    let token = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for cell in 0..cells {
        let token = token.clone();
        let target = targets.map(|(cloud, request)| {
            (
                cloud.cells.clone(),
                request.clone(),
                FakeCloud::<HonestConnector>::id(cell),
            )
        });
        tasks.spawn(async move {
            let work = async move {
                if let Some((cells, request, id)) = target {
                    let _target = cells.target(&request, id).expect("it is there");
                }
                Ok::<u64, CellError>(1)
            };
            (cell, token.run_until_cancelled(work).await)
        });
    }
    let mut results: Vec<Option<u64>> = vec![None; cells];
    let gather = async {
        while let Some(Ok((cell, Some(Ok(value))))) = tasks.join_next().await {
            results[cell] = Some(value);
        }
    };
    let in_time = tokio::time::timeout(AMPLE, gather).await.is_ok();
    token.cancel();
    assert!(in_time && results.iter().all(Option::is_some));
}

fn async_fan_out(workers: usize) {
    let (mut builder, kind) = match workers {
        1 => (
            tokio::runtime::Builder::new_current_thread(),
            "current_thread, processor time",
        ),
        _ => (tokio::runtime::Builder::new_multi_thread(), "multi_thread"),
    };
    let runtime = builder
        .worker_threads(workers)
        .enable_time()
        .build()
        .expect("a runtime");
    let epoch = Instant::now();
    let now = move || match workers {
        1 => thread_seconds(),
        _ => epoch.elapsed().as_secs_f64(),
    };
    for cells in [1, 8, 64, 1000] {
        let calls = (40_000 / (cells + 8)).max(20);
        // From inside the runtime, as a service calls it.
        let measure = async move {
            let service = Service::of(cells);
            let executor = TokioExecutor::current().expect("inside a runtime");
            let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
            for _ in 0..9 {
                let began = now();
                for _ in 0..calls {
                    ours(&service, &executor).await;
                }
                let mine = now();
                for _ in 0..calls {
                    by_hand(cells, None).await;
                }
                let theirs = now();
                for _ in 0..calls {
                    by_hand(cells, Some((&service.cloud, &service.request))).await;
                }
                let times = [mine - began, theirs - mine, now() - theirs];
                for (round, time) in rounds.iter_mut().zip(times) {
                    round.push(time / calls as f64 * 1e6);
                }
            }
            rounds.map(peers::median)
        };
        let [ours, bare, targeting] = match workers {
            1 => runtime.block_on(measure),
            _ => runtime
                .block_on(async move { tokio::spawn(measure).await.expect("the measurement") }),
        };
        row(
            &format!("P1 scatter {cells} cells, {kind}"),
            ours,
            "us",
            Some(bare),
        );
        let name = format!("P1 scatter {cells} cells, {kind}, peer targets too");
        row(&name, ours, "us", Some(targeting));
    }
}

/// What a pool runs, whatever it is.
type HandJob = Box<dyn FnOnce() + Send>;

/// By hand: workers on a channel that no panic costs, results through another, a deadline for all, and a mark that keeps
/// what is still queued then from being run.
struct HandPool {
    jobs: Sender<HandJob>,
}

impl HandPool {
    fn new(workers: usize) -> Self {
        let (jobs, queue): (_, Receiver<HandJob>) = bounded(4096);
        for _ in 0..workers {
            let queue = queue.clone();
            std::thread::spawn(move || {
                while let Ok(job) = queue.recv() {
                    let _ = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        Self { jobs }
    }

    fn scatter(&self, cells: usize, work: impl Fn(usize) -> u64 + Send + Sync + 'static) {
        let (answer, answers) = unbounded();
        let call = Arc::new((work, AtomicBool::new(false)));
        for cell in 0..cells {
            let (call, answer) = (Arc::clone(&call), answer.clone());
            let job = move || {
                let (work, over) = &*call;
                if !over.load(Ordering::Relaxed) {
                    let _ = answer.send((cell, work(cell)));
                }
            };
            self.jobs.send(Box::new(job)).expect("the pool is there");
        }
        let deadline = Instant::now() + AMPLE;
        let mut results: Vec<Option<u64>> = vec![None; cells];
        for _ in 0..cells {
            let (cell, value) = answers.recv_deadline(deadline).expect("in time");
            results[cell] = Some(value);
        }
        call.1.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Option::is_some));
    }
}

/// Work that aims at its cell and does nothing.
fn targeting(service: &Service) -> impl Fn(usize) -> u64 + Send + Sync + 'static {
    let (cells, request) = (service.cloud.cells.clone(), service.request.clone());
    move |cell| {
        let id = FakeCloud::<HonestConnector>::id(cell);
        let _target = cells.target(&request, id).expect("it is there");
        1
    }
}

fn thread_fan_out(workers: usize) {
    let policy = ThreadPolicy {
        workers,
        ..ThreadPolicy::default()
    };
    let executor = ThreadExecutor::new("bench", policy).expect("threads");
    let by_hand = HandPool::new(workers);
    for cells in [1, 8, 64, 1000] {
        let service = Service::of(cells);
        let calls = (40_000 / (cells + 8)).max(20);
        let ours = || {
            peers::seconds(calls, || {
                let scatter = service.scatter();
                let report = scatter.run_blocking(&executor, |_| Ok::<u64, CellError>(1));
                assert!(!report.is_partial());
            })
        };
        let bare = || peers::seconds(calls, || by_hand.scatter(cells, |_| 1));
        let aims = || peers::seconds(calls, || by_hand.scatter(cells, targeting(&service)));
        let rows = [
            ("", in_turns(7, ours, bare)),
            (", peer targets too", in_turns(7, ours, aims)),
        ];
        for (note, (ours, peer)) in rows {
            row(
                &format!("P2 scatter {cells} cells, {workers} threads{note}"),
                ours * 1e6,
                "us",
                Some(peer * 1e6),
            );
        }
    }
}

fn growth() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let mut first = None;
    for cells in [10, 100, 1_000, 10_000] {
        let service = Service::of(cells);
        let each = runtime.block_on(async {
            let executor = TokioExecutor::current().expect("inside a runtime");
            let mut rounds = Vec::new();
            for _ in 0..7 {
                let calls = 40_000 / cells;
                let began = thread_seconds();
                for _ in 0..calls {
                    ours(&service, &executor).await;
                }
                rounds.push((thread_seconds() - began) / (calls * cells) as f64);
            }
            peers::median(rounds)
        });
        let base = *first.get_or_insert(each);
        row(
            &format!("P12 cost per cell, {cells} cells"),
            each * 1e9,
            "ns",
            Some(base * 1e9),
        );
    }
}

fn main() {
    load();
    async_fan_out(1);
    async_fan_out(2);
    thread_fan_out(2);
    // As many as there are by default: work that blocks needs them, and this does not.
    thread_fan_out(64);
    growth();
    load();
}

//! P7, P8: rows of many cells in one order, in memory and streamed from concurrent cells.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on has no figure to give"
)]

mod peers;

use std::time::Instant;

use cells::CellError;
use itertools::Itertools as _;
use nova_conformance::fakes::{FakeCloud, admin};
use nova_conformance::sim::Seeded;
use peers::{AMPLE, in_turns, load, row};
use scatter::{MergePolicy, RowSink, Scatter, TokioExecutor, merge_sorted};

/// A key and something to carry.
type Row = (u64, u64);

fn lanes(cells: usize, rows: usize) -> Vec<Vec<Row>> {
    let mut dice = Seeded::new(7);
    (0..cells)
        .map(|cell| {
            let mut lane: Vec<Row> = (0..rows / cells)
                .map(|_| (dice.next_u64() >> 20, cell as u64))
                .collect();
            lane.sort_unstable();
            lane
        })
        .collect()
}

fn in_memory() {
    for cells in [10, 70] {
        let lanes = lanes(cells, 100_000);
        let rows = lanes.iter().map(Vec::len).sum::<usize>();
        let ours = || {
            let lanes: Vec<_> = lanes.iter().map(|lane| lane.iter().copied()).collect();
            peers::seconds(1, || {
                let merged = merge_sorted(lanes.clone(), |a: &Row, b: &Row| a.0.cmp(&b.0));
                std::hint::black_box(merged.fold(0_u64, |sum, row| sum ^ row.0));
            })
        };
        let peer = || {
            let lanes: Vec<_> = lanes.iter().map(|lane| lane.iter().copied()).collect();
            peers::seconds(1, || {
                let merged = lanes
                    .clone()
                    .into_iter()
                    .kmerge_by(|a: &Row, b: &Row| a.0 < b.0);
                std::hint::black_box(merged.fold(0_u64, |sum, row| sum ^ row.0));
            })
        };
        let (ours, peer) = in_turns(15, ours, peer);
        let speed = |seconds: f64| rows as f64 / seconds / 1e6;
        row(
            &format!("P7 merge in memory, {cells} cells"),
            speed(ours),
            "Mrow/s",
            Some(speed(peer)),
        );
    }
}

/// By hand: a channel of batches per cell, heads in a heap.
async fn by_hand(lanes: &[Vec<Row>]) -> usize {
    let mut receivers = Vec::new();
    for lane in lanes {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Vec<Row>>(10);
        let lane = lane.clone();
        tokio::spawn(async move {
            for batch in lane.chunks(100) {
                if sender.send(batch.to_vec()).await.is_err() {
                    return;
                }
            }
        });
        receivers.push((receiver, Vec::new().into_iter()));
    }
    let mut heap = std::collections::BinaryHeap::new();
    let mut count = 0;
    for (at, lane) in receivers.iter_mut().enumerate() {
        if let Some(row) = pull(lane).await {
            heap.push(std::cmp::Reverse((row.0, at, row.1)));
        }
    }
    while let Some(std::cmp::Reverse((_, at, _))) = heap.pop() {
        count += 1;
        if let Some(row) = pull(&mut receivers[at]).await {
            heap.push(std::cmp::Reverse((row.0, at, row.1)));
        }
    }
    count
}

type Pulled = (
    tokio::sync::mpsc::Receiver<Vec<Row>>,
    std::vec::IntoIter<Row>,
);

async fn pull((receiver, batch): &mut Pulled) -> Option<Row> {
    if let Some(row) = batch.next() {
        return Some(row);
    }
    *batch = receiver.recv().await?.into_iter();
    batch.next()
}

fn streamed() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let measured = runtime.spawn(async {
        let data = std::sync::Arc::new(lanes(10, 200_000));
        let rows = data.iter().map(Vec::len).sum::<usize>();
        let cloud = FakeCloud::of(10);
        let executor = TokioExecutor::current().expect("inside a runtime");
        let request = admin();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            let shared = std::sync::Arc::clone(&data);
            let began = Instant::now();
            let scatter = Scatter::new(&request, &cloud.cells, cloud.all()).timeout(AMPLE);
            let mut merged = scatter.merge(
                &executor,
                MergePolicy::default(),
                move |task, mut sink: RowSink<u64, u64>| {
                    let data = std::sync::Arc::clone(&shared);
                    async move {
                        for batch in data[task.cell().database().number].chunks(100) {
                            sink.send(batch.to_vec()).await?;
                        }
                        Ok::<(), CellError>(())
                    }
                },
            );
            let mut count = 0;
            while let Some(row) = merged.next().await.expect("no cell is missing") {
                std::hint::black_box(row.key);
                count += 1;
            }
            assert_eq!(count, rows);
            drop(merged);
            one.push(rows as f64 / began.elapsed().as_secs_f64() / 1e6);
            let began = Instant::now();
            assert_eq!(by_hand(&data).await, rows);
            other.push(rows as f64 / began.elapsed().as_secs_f64() / 1e6);
        }
        (peers::median(one), peers::median(other))
    });
    let (ours, peer) = runtime.block_on(measured).expect("the measurement");
    row(
        "P8 merge streamed, 10 cells, batches of 100",
        ours,
        "Mrow/s",
        Some(peer),
    );
}

fn main() {
    load();
    in_memory();
    streamed();
    load();
}

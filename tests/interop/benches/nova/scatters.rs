//! P1 and P3: aiming at one cell, and asking all of them something that costs nothing.

use std::time::Instant;

use cells::CellError;
use conformance::fakes::{FakeCloud, HonestConnector, admin};
use nova_interop::{Oracle, Peers};
use scatter::{ThreadExecutor, ThreadPolicy, TokioExecutor};
use serde_json::json;

use crate::peers::{median, row, seconds};
use crate::service::Service;
use crate::{asked, number};

/// Rounds of each figure: ours and Nova's in turns.
const ROUNDS: usize = 5;

pub(crate) async fn measure(peers: &Peers) {
    let mut nova = Oracle::start(peers);
    targeting(&mut nova);
    let executor = TokioExecutor::current().expect("a runtime");
    let threads = ThreadExecutor::new("bench", ThreadPolicy::default()).expect("threads");
    for cells in [1, 8, 64, 1000] {
        let calls = (8_000 / (cells + 8)).max(8);
        let service = Service::of(cells);
        let (mut on_tasks, mut on_threads, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let began = Instant::now();
            for _ in 0..calls {
                let report = service
                    .scatter()
                    .run(&executor, |_| async { Ok::<u64, CellError>(1) })
                    .await;
                assert!(!report.is_partial());
            }
            on_tasks.push(began.elapsed().as_secs_f64() / calls as f64);
            on_threads.push(tokio::task::block_in_place(|| {
                blocking(&service, &threads, calls)
            }));
            // Fewer: it takes longer.
            let calls = (calls / 20).max(4);
            let question = json!({"ask": "timings.scattered", "cells": cells, "calls": calls});
            theirs.push(number(&asked(&mut nova, question)));
        }
        let theirs = median(theirs) * 1e6;
        for (how, ours) in [("async", on_tasks), ("threads", on_threads)] {
            row(
                &format!("P1 scatter over {cells}, {how}; peer Nova"),
                median(ours) * 1e6,
                "us",
                Some(theirs),
            );
        }
    }
}

/// Seconds of one scatter of work that blocks.
fn blocking(service: &Service, threads: &ThreadExecutor, calls: usize) -> f64 {
    seconds(calls, || {
        let report = service
            .scatter()
            .run_blocking(threads, |_| Ok::<u64, CellError>(1));
        assert!(!report.is_partial());
    })
}

fn targeting(nova: &mut Oracle) {
    const CALLS: u32 = 100_000;
    let (cloud, request) = (FakeCloud::of(1), admin());
    let id = FakeCloud::<HonestConnector>::id(0);
    let (mut ours, mut set, mut copied) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..CALLS {
            let _target =
                std::hint::black_box(cloud.cells.target(&request, id)).expect("it is there");
        }
        ours.push(began.elapsed().as_secs_f64() / f64::from(CALLS) * 1e9);
        let theirs = asked(nova, json!({"ask": "timings.targeted", "calls": 2000}));
        set.push(number(&theirs[0]) * 1e9);
        copied.push(number(&theirs[1]) * 1e9);
    }
    let ours = median(ours);
    for (how, theirs) in [("set_target_cell", set), ("target_cell", copied)] {
        row(
            &format!("P3 target a warm cell; peer Nova's {how}"),
            ours,
            "ns",
            Some(median(theirs)),
        );
    }
}

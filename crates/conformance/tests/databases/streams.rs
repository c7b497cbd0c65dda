//! Long reads on real servers: every row, bounded memory, and an end on the server when nobody reads on.

use std::time::Instant;

use cells::ErrorClass;
use connect::classify;
use futures_util::StreamExt;
use sea_orm::{Statement, StreamTrait};

use crate::{DATABASE, SLACK, Server, connections_fall_to, fill, open, rows, say, within};

/// How many rows are read, if not 200,000: 1,000,000 take half a minute in a debug build on a busy machine.
const ROWS: &str = "NOVA_TEST_STREAMED_ROWS";

/// 200,000 rows of 100 bytes held together would be four times this.
const GROWTH: u64 = 8 * 1024 * 1024;

pub(crate) async fn suite(server: &impl Server) {
    let total: i64 = std::env::var(ROWS).map_or(200_000, |rows| rows.parse().unwrap());
    let db = open(&server.url(DATABASE), 1);
    fill(&db).await;
    let session = db.read_only(within(300_000));
    let backend = session.get_database_backend();
    let numbers = |count: i64| Statement::from_string(backend, server.numbers(count));

    let mut warm = session.stream_raw(numbers(1000)).await.unwrap();
    while let Some(row) = warm.next().await {
        row.unwrap();
    }
    let (before, begun) = (resident(), Instant::now());
    let (mut sum, mut most) = (0, 0);
    let mut stream = session.stream_raw(numbers(total)).await.unwrap();
    let mut count = 0;
    while let Some(row) = stream.next().await {
        sum += row.unwrap().try_get::<i64>("", "i").unwrap();
        count += 1;
        if count % 50_000 == 0 {
            most = most.max(resident().saturating_sub(before));
        }
    }
    assert_eq!((count, sum), (total, total * (total + 1) / 2));
    assert!(most < GROWTH, "{most} bytes more");
    say(&format!(
        "{total} rows in {:?}, {} KiB more",
        begun.elapsed(),
        most / 1024
    ));
    drop(stream);

    // Dropped early: gone from the server, and the one slot is free.
    let mut stream = session.stream_raw(numbers(total * 1000)).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(!server.running().await.is_empty());
    drop(stream);
    free_and_gone(server, &db).await;

    // Not read on, it ends with its budget all the same, although the server is stuck in sending.
    let short = db.read_only(within(2000));
    let mut stalled = short.stream_raw(numbers(total * 1000)).await.unwrap();
    stalled.next().await.unwrap().unwrap();
    free_and_gone(server, &db).await;
    let error = loop {
        if let Err(error) = stalled.next().await.unwrap() {
            break classify(error);
        }
    };
    assert_eq!(error.class(), ErrorClass::Timeout);

    db.close();
    connections_fall_to(0, server).await;
}

/// Waits for the one slot, then for the end on the server, which has begun by then.
async fn free_and_gone(server: &impl Server, db: &connect::CellDb) {
    let read = rows(&db.read_only(within(20_000)), "SELECT * FROM t").await;
    assert_eq!(read, Ok(3));
    let begun = Instant::now();
    while !server.running().await.is_empty() {
        assert!(begun.elapsed() < SLACK);
    }
}

/// The resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

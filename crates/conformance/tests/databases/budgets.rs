//! Budgets that reach the server: what nobody waits for is no longer running there, and nothing else is hit.

use std::time::{Duration, Instant};

use cells::ErrorClass;
use connect::{CellDb, classify};
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;

use crate::{DATABASE, SLACK, Server, class, connections_fall_to, fill, open, rows, within};

pub(crate) async fn suite(server: &impl Server) {
    let db = open(&server.url(DATABASE), 1);
    fill(&db).await;
    rows(&db.read_only(within(10_000)), "SELECT 1")
        .await
        .unwrap();

    let select = format!("SELECT {}", server.sleep(30));
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(
            class(&db.read_only(within(300)), &select).await,
            ErrorClass::Timeout
        );
        assert!(
            begun.elapsed() < Duration::from_millis(300) + SLACK,
            "{:?}",
            begun.elapsed()
        );
        usable_and_gone(server, &db).await;
    }

    let insert = format!(
        "INSERT INTO t SELECT 9 FROM t WHERE {} IS NOT NULL",
        server.sleep(30)
    );
    let begun = Instant::now();
    let error = db
        .within(within(300))
        .execute_unprepared(&insert)
        .await
        .unwrap_err();
    assert_eq!(classify(error).class(), ErrorClass::Timeout);
    assert!(
        begun.elapsed() < Duration::from_millis(300) + SLACK,
        "{:?}",
        begun.elapsed()
    );
    usable_and_gone(server, &db).await;

    // Long before the server's own limit would end it.
    let session = db.read_only(within(600_000));
    let dropped = select.clone();
    let running = tokio::spawn(async move { rows(&session, &dropped).await });
    while server.running().await.is_empty() {
        tokio::task::yield_now().await;
    }
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    usable_and_gone(server, &db).await;

    let lock = server.lock().await;
    let begun = Instant::now();
    assert_eq!(
        class(&db.read_only(within(300)), "SELECT * FROM t").await,
        ErrorClass::Timeout
    );
    assert!(
        begun.elapsed() < Duration::from_millis(300) + SLACK,
        "{:?}",
        begun.elapsed()
    );
    usable_and_gone(server, &db).await;
    drop(lock);
    assert_eq!(
        rows(&db.read_only(within(10_000)), "SELECT * FROM t").await,
        Ok(3)
    );

    // A pool whose connections are all in use is busy, not down.
    let session = db.read_only(within(600_000));
    let running = tokio::spawn(async move { rows(&session, &select).await });
    while server.running().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    assert_eq!(
        db.ping(within(10_000)).await.unwrap_err().class(),
        ErrorClass::Overloaded
    );
    assert_eq!(
        class(&db.read_only(within(100)), "SELECT 1").await,
        ErrorClass::Overloaded
    );
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    db.close();
    assert_eq!(
        classify(running.await.unwrap().unwrap_err()).class(),
        ErrorClass::Unreachable
    );
    connections_fall_to(0, server).await;
}

/// The one slot works at once, and the statement is gone from the server's list.
async fn usable_and_gone(server: &impl Server, db: &CellDb) {
    let begun = Instant::now();
    rows(&db.read_only(within(10_000)), "SELECT 1")
        .await
        .unwrap();
    let usable = begun.elapsed();
    assert!(usable < SLACK, "usable after {usable:?}");
    while !server.running().await.is_empty() {
        assert!(
            begun.elapsed() < usable + SLACK,
            "still running: {:?}",
            server.running().await
        );
    }
    let gone = begun.elapsed();
    say(&format!("usable after {usable:?}, gone after {gone:?}"));
}

/// Figures, seen with `--no-capture`.
#[expect(clippy::print_stdout, reason = "a test's own words")]
fn say(what: &str) {
    println!("{what}");
}

/// Statements that are dropped at all moments of their life, beside others that are not: none of those is ever hit.
pub(crate) async fn kills(server: &impl Server) {
    let db = open(&server.url(DATABASE), 8);
    fill(&db).await;
    let mut kept = JoinSet::new();
    for _ in 0..4 {
        let (db, sql) = (
            db.clone(),
            format!("SELECT i, {} FROM t WHERE i = 1", server.sleep(0)),
        );
        kept.spawn(async move {
            let mut done = 0;
            for _ in 0..400 {
                assert_eq!(rows(&db.read_only(within(60_000)), &sql).await, Ok(1));
                done += 1;
            }
            done
        });
    }
    let long = format!("SELECT {}", server.sleep(5));
    let mut killed = 0;
    for n in 0..200_u32 {
        let session = db.read_only(within(60_000));
        // From before the statement is sent until well after it has started.
        let patience = Duration::from_micros(u64::from(n % 40) * 100);
        let dropped = tokio::time::timeout(patience, rows(&session, &long)).await;
        assert!(dropped.is_err());
        killed += 1;
    }
    while let Some(done) = kept.join_next().await {
        assert_eq!(done.unwrap(), 400);
    }
    assert_eq!(killed, 200);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !server.running().await.is_empty() {
        assert!(
            Instant::now() < deadline,
            "still running: {:?}",
            server.running().await
        );
        tokio::task::yield_now().await;
    }
    assert!(
        server.connections().await <= 8 + 8,
        "{}",
        server.connections().await
    );
}

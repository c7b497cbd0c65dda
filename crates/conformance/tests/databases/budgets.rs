//! Budgets that reach the server: what nobody waits for is no longer running there, and nothing else is hit.

use std::time::{Duration, Instant};

use cells::ErrorClass;
use connect::{CellDb, classify};
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{DATABASE, SLACK, Server, class, connections_fall_to, fill, open, rows, say, within};

pub(crate) async fn suite(server: &impl Server) {
    let db = open(&server.url(DATABASE), 1);
    fill(&db).await;
    rows(&db.read_only(within(10_000)), "SELECT 1")
        .await
        .unwrap();

    let mut ended = Ends::default();
    let select = format!("SELECT {}", server.sleep(30));
    for _ in 0..5 {
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
        ended.look(server, &db).await;
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
    ended.look(server, &db).await;

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
    ended.look(server, &db).await;
    drop(lock);
    assert_eq!(
        rows(&db.read_only(within(10_000)), "SELECT * FROM t").await,
        Ok(3)
    );

    // The server ended them by the limit it was told, so the connection is there to be used.
    ended.check(Some(Duration::from_millis(10)));

    // Long before the server's own limit: only a side connection can end these.
    let mut dropped = Ends::default();
    for _ in 0..5 {
        let (session, sql) = (db.read_only(within(600_000)), select.clone());
        let running = tokio::spawn(async move { rows(&session, &sql).await });
        while server.running().await.is_empty() {
            tokio::task::yield_now().await;
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        assert!(db.holders().is_empty(), "the slot is free at once");
        dropped.look(server, &db).await;
    }
    // The slot was free at once; what follows includes a new login.
    dropped.check(None);

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

/// R2: how soon the one slot works again, and the statement is gone from the server's list, each from the end on.
#[derive(Default)]
struct Ends {
    usable: Vec<Duration>,
    gone: Vec<Duration>,
}

impl Ends {
    async fn look(&mut self, server: &impl Server, db: &CellDb) {
        let begun = Instant::now();
        let usable = async {
            let read = rows(&db.read_only(within(10_000)), "SELECT 1").await;
            assert_eq!(read, Ok(1));
            begun.elapsed()
        };
        let gone = async {
            while let Some(running) = server.running().await.pop().filter(|sql| sql != "SELECT 1") {
                assert!(begun.elapsed() < SLACK, "still running: {running}");
            }
            begun.elapsed()
        };
        let (usable, gone) = tokio::join!(usable, gone);
        assert!(usable < SLACK, "usable after {usable:?}");
        say(&format!("usable after {usable:?}, gone after {gone:?}"));
        self.usable.push(usable);
        self.gone.push(gone);
    }

    /// A machine that builds something else at the same time delays some of them, so the better ones count: what is slow by
    /// itself is slow each time.
    fn check(mut self, usable: Option<Duration>) {
        self.gone.sort();
        let gone = self.gone[self.gone.len() / 4];
        // The superuser's own login, to look, is in there.
        assert!(gone <= Duration::from_millis(100), "gone after {gone:?}");
        if let Some(limit) = usable {
            let best = self.usable.iter().min().unwrap();
            assert!(*best <= limit, "usable after {best:?}");
        }
    }
}

/// How many statements are dropped, if not 5,000: with both engines ten thousand.
const KILLS: &str = "NOVA_TEST_KILLS";

/// Statements that are dropped at all moments of their life, beside others that are not: none of those is ever hit.
pub(crate) async fn kills(server: &impl Server) {
    let db = open(&server.url(DATABASE), 8);
    fill(&db).await;
    let mut kept = JoinSet::new();
    let stop = CancellationToken::new();
    for _ in 0..4 {
        let (db, stop) = (db.clone(), stop.clone());
        let sql = format!("SELECT i, {} FROM t WHERE i = 1", server.sleep(0));
        kept.spawn(async move {
            let mut done = 0;
            while !stop.is_cancelled() {
                assert_eq!(rows(&db.read_only(within(60_000)), &sql).await, Ok(1));
                done += 1;
            }
            done
        });
    }
    let long = format!("SELECT {}", server.sleep(5));
    let mut killed = 0;
    let wanted: u32 = std::env::var(KILLS).map_or(5_000, |kills| kills.parse().unwrap());
    for n in 0..wanted {
        let session = db.read_only(within(60_000));
        // From before the statement is sent until well after it has started.
        let patience = Duration::from_micros(u64::from(n % 40) * 100);
        let dropped = tokio::time::timeout(patience, rows(&session, &long)).await;
        assert!(dropped.is_err());
        killed += 1;
    }
    stop.cancel();
    let beside: u32 = kept.join_all().await.into_iter().sum();
    assert!(beside >= 100, "{beside}");
    assert_eq!(killed, wanted);
    say(&format!(
        "{killed} dropped, none of {beside} beside them hit"
    ));
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
        server.connections().await <= 8 + 8 + 1,
        "{}",
        server.connections().await
    );
}

//! A server that hangs, dies and comes back.

use std::time::{Duration, Instant};

use cells::ErrorClass;
use connect::CellDb;

use crate::{DATABASE, SLACK, Server, class, fill, open, rows, say, within};

pub(crate) async fn suite(server: &mut impl Server) {
    let db = open(&server.url(DATABASE), 2);
    fill(&db).await;
    assert_eq!(
        rows(&db.read_only(within(10_000)), "SELECT * FROM t").await,
        Ok(3)
    );

    server.signal("STOP").unwrap();
    for _ in 0..3 {
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
    }
    assert_eq!(
        db.ping(within(300)).await.unwrap_err().class(),
        ErrorClass::Timeout
    );
    server.signal("CONT").unwrap();
    recovers(&db).await;

    server.signal("KILL").unwrap();
    let begun = Instant::now();
    while class_of_read(&db).await != Some(ErrorClass::Unreachable) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "a dead server is not noticed"
        );
    }
    assert_eq!(
        db.ping(within(10_000)).await.unwrap_err().class(),
        ErrorClass::Unreachable
    );
    server.restart().unwrap();
    recovers(&db).await;
}

async fn class_of_read(db: &CellDb) -> Option<ErrorClass> {
    let read = rows(&db.read_only(within(10_000)), "SELECT * FROM t").await;
    read.err().map(|error| connect::classify(error).class())
}

/// A healthy server is used again soon, without anybody acting.
async fn recovers(db: &CellDb) {
    let begun = Instant::now();
    while class_of_read(db).await.is_some() {
        tokio::task::yield_now().await;
    }
    let took = begun.elapsed();
    say(&format!("recovered after {took:?}"));
    assert!(took <= Duration::from_secs(2), "{took:?}");
    assert_eq!(
        rows(&db.read_only(within(10_000)), "SELECT * FROM t").await,
        Ok(3)
    );
    db.ping(within(10_000)).await.unwrap();
}

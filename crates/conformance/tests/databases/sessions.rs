//! Ordinary use: reading, writing, being refused, and the class of what goes wrong.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cells::{ErrorClass, SecretText};
use connect::classify;
use sea_orm::ConnectionTrait;

use crate::{DATABASE, Server, class, fill, open, rows, within};

pub(crate) async fn suite(server: &impl Server) {
    let url = server.url(DATABASE);
    let db = open(&url, 1);
    db.ping(within(10_000)).await.unwrap();
    fill(&db).await;
    let reader = db.read_only(within(60_000));
    assert_eq!(rows(&reader, "SELECT * FROM t").await, Ok(3));

    // The server refuses to write for a reader, in every way of trying, also by turning the protection off first.
    for sql in [
        "INSERT INTO t VALUES (7)",
        "DELETE FROM t",
        "DROP TABLE t",
        "CREATE TABLE u (i INTEGER)",
    ] {
        let error = reader.execute_unprepared(sql).await.unwrap_err();
        assert_eq!(classify(error).class(), ErrorClass::Forbidden, "{sql}");
    }
    let _maybe_refused = reader
        .execute_unprepared("SET SESSION TRANSACTION READ WRITE")
        .await;
    let _maybe_refused = reader.execute_unprepared("COMMIT").await;
    let error = reader
        .execute_unprepared("DELETE FROM t")
        .await
        .unwrap_err();
    assert_eq!(classify(error).class(), ErrorClass::Forbidden);
    assert_eq!(rows(&reader, "SELECT * FROM t").await, Ok(3));

    // A transaction or a lock that somebody left open does not reach the next user of the one connection.
    let writer = db.within(within(60_000));
    writer.execute_unprepared("BEGIN").await.unwrap();
    writer
        .execute_unprepared("INSERT INTO t VALUES (4)")
        .await
        .unwrap();
    assert_eq!(rows(&reader, "SELECT * FROM t").await, Ok(4));

    // Each failure by its class, and the connection is fine afterwards.
    assert_eq!(
        class(&reader, "SELECT * FROM nonesuch").await,
        ErrorClass::Schema
    );
    assert_eq!(
        class(&reader, "SELECT nonesuch FROM t").await,
        ErrorClass::Schema
    );
    assert_eq!(class(&reader, "SELEKT 1").await, ErrorClass::Statement);
    assert_eq!(rows(&reader, "SELECT * FROM t").await, Ok(4));
    crate::connections_fall_to(2, server).await;

    wrong_places(server, &url).await;
}

async fn wrong_places(server: &impl Server, url: &SecretText) {
    let nobody = server.url("nonesuch");
    let error = open(&nobody, 1).ping(within(10_000)).await.unwrap_err();
    // MariaDB does not say whether a database is there to those who have no right to it.
    assert!(
        matches!(
            error.class(),
            ErrorClass::Schema | ErrorClass::Authentication
        ),
        "{error}: {}",
        error.detail()
    );

    let wrong = SecretText::new(url.expose().replace("nova:p", "nova:wrong-canary"));
    let error = open(&wrong, 1).ping(within(10_000)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Authentication);
    assert!(
        !format!("{error} {error:?} {:?} {}", error.detail(), error.detail()).contains("canary")
    );

    // Refused is known at once, with a budget of any length.
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    let at = |port: u16| {
        let (head, tail) = url.expose().split_once("127.0.0.1:").unwrap();
        let rest = tail.split_once('/').unwrap().1;
        SecretText::new(format!("{head}127.0.0.1:{port}/{rest}"))
    };
    drop(unused);
    let begun = Instant::now();
    let refused = open(&at(port), 1);
    assert_eq!(
        class(&refused.read_only(within(60_000)), "SELECT 1").await,
        ErrorClass::Unreachable
    );
    assert_eq!(
        refused.ping(within(60_000)).await.unwrap_err().class(),
        ErrorClass::Unreachable
    );
    assert!(begun.elapsed() < crate::SLACK, "{:?}", begun.elapsed());

    // Somebody listens and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = open(&at(silent.local_addr().unwrap().port()), 1);
    let begun = Instant::now();
    assert_eq!(
        class(&silent.read_only(within(200)), "SELECT 1").await,
        ErrorClass::Timeout
    );
    assert!(
        begun.elapsed() < Duration::from_millis(200) + crate::SLACK,
        "{:?}",
        begun.elapsed()
    );
}

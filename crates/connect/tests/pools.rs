//! Long reads and full pools, on SQLite files: rows as they come, who holds what, and a limit over all cells.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cells::{
    Cells, ErrorClass, RawCellMapping, RevisionKey, SecretText, StaticSource, UrlDefaults,
};
use context::{Deadline, Identity, RequestContext, Roles};
use futures_util::StreamExt;
use nova_connect::{CellDb, ConnectorOptions, NovaConnector, RowStream, classify};
use sea_orm::{ConnectionTrait, DbBackend, Statement, StreamTrait};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};

/// As many rows as this, made as they are read.
fn numbers(count: u64) -> Statement {
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n"
    );
    Statement::from_string(DbBackend::Sqlite, sql)
}

const FOR_EVER: u64 = 10_000_000_000;

fn within(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

async fn file(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection
        .execute("CREATE TABLE t (i INTEGER)")
        .await
        .unwrap();
    connection.close().await.unwrap();
    path
}

fn open(path: &Path, options: &ConnectorOptions) -> CellDb {
    let url = SecretText::new(format!("sqlite:///{}", path.display()));
    CellDb::open(&cells::DatabaseLocation::from_url(&url).unwrap(), options).unwrap()
}

fn one_connection() -> ConnectorOptions {
    ConnectorOptions {
        pool_size: 1,
        ..ConnectorOptions::default()
    }
}

/// A cell with one connection.
async fn cell(folder: &Path) -> CellDb {
    open(&file(folder, "cell.sqlite").await, &one_connection())
}

async fn is_usable(db: &CellDb) {
    db.read_only(within(10_000))
        .query_one_raw(numbers(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn every_row_comes_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let db = cell(folder.path()).await;
    let session = db.read_only(within(60_000));
    let mut rows = session.stream_raw(numbers(10_000)).await.unwrap();
    let mut next = 1;
    while let Some(row) = rows.next().await {
        assert_eq!(row.unwrap().try_get::<i64>("", "i").unwrap(), next);
        next += 1;
    }
    assert_eq!(next, 10_001);
    is_usable(&db).await;
}

#[tokio::test]
async fn an_error_in_the_middle_is_the_last_item_and_its_class_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let db = cell(folder.path()).await;
    let session = db.read_only(within(60_000));
    let nonsense = Statement::from_string(DbBackend::Sqlite, "SELECT nonesuch FROM t");
    let mut rows = session.stream_raw(nonsense).await.unwrap();
    let error = rows.next().await.unwrap().unwrap_err();
    assert_eq!(classify(error).class(), ErrorClass::Schema);
    assert!(rows.next().await.is_none());
    is_usable(&db).await;
}

async fn error_of(mut rows: RowStream) -> ErrorClass {
    loop {
        if let Err(error) = rows.next().await.unwrap() {
            return classify(error).class();
        }
    }
}

#[tokio::test]
async fn the_budget_covers_the_whole_stream() {
    let folder = tempfile::tempdir().unwrap();
    let db = cell(folder.path()).await;
    let begun = Instant::now();
    let rows = db
        .read_only(within(200))
        .stream_raw(numbers(FOR_EVER))
        .await;
    assert_eq!(error_of(rows.unwrap()).await, ErrorClass::Timeout);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    is_usable(&db).await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_holds_the_connection_no_longer_than_its_budget() {
    let folder = tempfile::tempdir().unwrap();
    let db = cell(folder.path()).await;
    let session = db.read_only(within(300));
    let mut rows = session.stream_raw(numbers(FOR_EVER)).await.unwrap();
    rows.next().await.unwrap().unwrap();
    assert_eq!(db.holders().len(), 1);
    // Nobody asks for the next row, and yet the one connection is free afterwards.
    is_usable(&db).await;
    assert!(session.deadline().remaining().is_zero());
    assert_eq!(error_of(rows).await, ErrorClass::Timeout);
}

#[tokio::test]
async fn a_dropped_stream_frees_its_connection_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let db = cell(folder.path()).await;
    let session = db.read_only(within(600_000));
    let mut rows = session.stream_raw(numbers(FOR_EVER)).await.unwrap();
    rows.next().await.unwrap().unwrap();
    drop(rows);
    let begun = Instant::now();
    is_usable(&db).await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_closed_cell_ends_its_streams_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let db = cell(folder.path()).await;
    let session = db.read_only(within(600_000));
    let mut rows = session.stream_raw(numbers(FOR_EVER)).await.unwrap();
    rows.next().await.unwrap().unwrap();
    db.close();
    assert_eq!(error_of(rows).await, ErrorClass::Unreachable);
}

#[tokio::test]
async fn a_full_pool_says_who_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let db = cell(folder.path()).await;
    assert!(db.holders().is_empty());
    let (session, line) = (db.read_only(within(600_000)), line!());
    let rows = session.stream_raw(numbers(FOR_EVER)).await.unwrap();
    let error = db.ping(within(1000)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Overloaded);
    let holders = db.holders();
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].location.line(), line);
    assert!(holders[0].location.file().ends_with("pools.rs"));
    assert!(!holders[0].writes);
    drop(rows);
    is_usable(&db).await;
    assert!(db.holders().is_empty());
}

/// Two cells of one connector whose connections together are limited.
async fn two_cells(folder: &Path, connections: usize) -> [CellDb; 2] {
    let ids = [
        "11111111-147b-44db-9ceb-1a392e756c36",
        "22222222-147b-44db-9ceb-1a392e756c36",
    ];
    let mut rows = Vec::new();
    for id in ids {
        let path = file(folder, id).await;
        rows.push(RawCellMapping {
            uuid: id.into(),
            name: Some(id.into()),
            database_connection: Some(SecretText::new(format!("sqlite:///{}", path.display()))),
            transport_url: Some(SecretText::new(format!("fake:///{id}"))),
            disabled: false,
        });
    }
    let connector = NovaConnector::new(ConnectorOptions {
        connections,
        ..ConnectorOptions::default()
    });
    let key = RevisionKey::ephemeral().unwrap();
    let cells = Cells::new(
        StaticSource::new(rows),
        connector,
        UrlDefaults::default(),
        key,
    );
    cells.refresh(within(60_000)).await.unwrap();
    let ctx = RequestContext::for_background("test", Identity::default(), Roles::admin());
    ids.map(|id| {
        let cell = cells.target(&ctx, id.parse().unwrap()).unwrap();
        cell.database().clone()
    })
}

#[tokio::test]
async fn idle_connections_of_one_cell_make_room_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = two_cells(folder.path(), 1).await;
    for _ in 0..3 {
        is_usable(&first).await;
        is_usable(&second).await;
    }
}

#[tokio::test]
async fn a_busy_cell_does_not_keep_another_out() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = two_cells(folder.path(), 1).await;
    let session = first.read_only(within(600_000));
    let rows = session.stream_raw(numbers(FOR_EVER)).await.unwrap();
    // The one connection is in use: the other cell is told that this is a matter of load, not that it is down.
    let error = second
        .read_only(within(200))
        .query_one_raw(numbers(1))
        .await
        .unwrap_err();
    assert_eq!(classify(error).class(), ErrorClass::Overloaded);
    let waiting = tokio::spawn(async move { is_usable(&second).await });
    drop(rows);
    waiting.await.unwrap();
    is_usable(&first).await;
}

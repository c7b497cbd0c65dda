//! SQLite files as cells: what a user of a session sees when the file is missing, locked, slow or only to be read.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::Path;
use std::time::{Duration, Instant};

use cells::{DatabaseLocation, ErrorClass, SecretText};
use context::Deadline;
use nova_connect::{CellDb, ConnectorOptions, DbSession, classify};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Executor};

/// A statement that runs for minutes if nobody ends it.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) SELECT MAX(i) AS i FROM n";

/// What a budget may be overrun by on a machine that builds something else at the same time. What must not be waited for
/// takes minutes here, so this still tells the two apart.
const SLACK: Duration = Duration::from_secs(3);

fn options(pool_size: usize) -> ConnectorOptions {
    ConnectorOptions {
        pool_size,
        ..ConnectorOptions::default()
    }
}

fn open(path: &Path, pool_size: usize) -> CellDb {
    let url = SecretText::new(format!("sqlite:///{}", path.display()));
    let location = DatabaseLocation::from_url(&url).unwrap();
    CellDb::open(&location, &options(pool_size)).unwrap()
}

fn within(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

async fn direct(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap()
}

/// A file with a table `t` of `rows` rows.
async fn file(folder: &Path, rows: usize) -> std::path::PathBuf {
    let path = folder.join("cell.sqlite");
    let mut connection = direct(&path).await;
    connection
        .execute("CREATE TABLE t (i INTEGER)")
        .await
        .unwrap();
    for i in 0..rows {
        let insert = format!("INSERT INTO t VALUES ({i})");
        connection
            .execute(sqlx::AssertSqlSafe(insert))
            .await
            .unwrap();
    }
    path
}

async fn all(session: &DbSession, sql: &str) -> Result<usize, DbErr> {
    let statement = Statement::from_string(DbBackend::Sqlite, sql);
    session
        .query_all_raw(statement)
        .await
        .map(|rows| rows.len())
}

async fn class(session: &DbSession, sql: &str) -> ErrorClass {
    classify(all(session, sql).await.unwrap_err()).class()
}

#[tokio::test]
async fn a_missing_file_is_unreachable_at_once_and_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.sqlite");
    let db = open(&path, 2);
    let begun = Instant::now();
    assert_eq!(
        class(&db.read_only(within(5000)), "SELECT 1").await,
        ErrorClass::Unreachable
    );
    assert_eq!(
        class(&db.within(within(5000)), "SELECT 1").await,
        ErrorClass::Unreachable
    );
    assert_eq!(
        db.ping(within(5000)).await.unwrap_err().class(),
        ErrorClass::Unreachable
    );
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    assert!(!path.exists());
}

#[tokio::test]
async fn what_is_no_database_or_lacks_a_table_is_a_matter_of_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.sqlite");
    std::fs::write(
        &path,
        "this is a text and no database, however long one looks at it".repeat(20),
    )
    .unwrap();
    let db = open(&path, 2);
    assert_eq!(
        class(&db.read_only(within(5000)), "SELECT * FROM t").await,
        ErrorClass::Schema
    );
    assert_eq!(
        db.ping(within(5000)).await.unwrap_err().class(),
        ErrorClass::Schema
    );

    let db = open(&file(folder.path(), 1).await, 2);
    let session = db.read_only(within(5000));
    assert_eq!(
        class(&session, "SELECT * FROM nonesuch").await,
        ErrorClass::Schema
    );
    assert_eq!(
        class(&session, "SELECT nonesuch FROM t").await,
        ErrorClass::Schema
    );
    assert_eq!(class(&session, "SELEKT").await, ErrorClass::Statement);
    assert_eq!(all(&session, "SELECT * FROM t").await, Ok(1));
}

#[tokio::test]
async fn the_database_itself_refuses_to_write_for_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 1).await;
    let db = open(&path, 1);
    let reader = db.read_only(within(5000));
    for sql in [
        "INSERT INTO t VALUES (7)",
        "DROP TABLE t",
        "PRAGMA query_only = 0",
        "UPDATE t SET i = 9",
        "PRAGMA user_version = 5",
    ] {
        let done = reader.execute_unprepared(sql).await;
        assert!(
            sql.contains("query_only") || done.is_err(),
            "{sql}: {done:?}"
        );
    }
    let error = classify(
        reader
            .execute_unprepared("DELETE FROM t")
            .await
            .unwrap_err(),
    );
    assert_eq!(error.class(), ErrorClass::Forbidden);
    assert_eq!(all(&reader, "SELECT * FROM t WHERE i = 0").await, Ok(1));

    db.within(within(5000))
        .execute_unprepared("INSERT INTO t VALUES (7)")
        .await
        .unwrap();
    assert_eq!(all(&reader, "SELECT * FROM t").await, Ok(2));
}

#[tokio::test]
async fn a_locked_database_ends_at_the_budget_and_the_only_slot_is_free_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 3).await;
    let db = open(&path, 1);
    assert_eq!(
        all(&db.read_only(within(5000)), "SELECT * FROM t").await,
        Ok(3)
    );

    let mut locker = direct(&path).await;
    locker.execute("BEGIN EXCLUSIVE").await.unwrap();
    for _ in 0..3 {
        let begun = Instant::now();
        let session = db.read_only(within(300));
        assert_eq!(
            class(&session, "SELECT * FROM t").await,
            ErrorClass::Timeout
        );
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(300) && took < Duration::from_millis(300) + SLACK,
            "{took:?}"
        );
    }
    assert_eq!(
        db.ping(within(3000)).await.unwrap_err().class(),
        ErrorClass::Overloaded
    );

    locker.execute("ROLLBACK").await.unwrap();
    let begun = Instant::now();
    assert_eq!(
        all(&db.read_only(within(5000)), "SELECT * FROM t").await,
        Ok(3)
    );
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    db.ping(within(5000)).await.unwrap();
}

#[tokio::test]
async fn a_lock_that_is_let_go_in_time_only_delays() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 3).await;
    let db = open(&path, 1);
    let mut locker = direct(&path).await;
    locker.execute("BEGIN EXCLUSIVE").await.unwrap();
    let session = db.read_only(within(20_000));
    let waiting = tokio::spawn(async move { all(&session, "SELECT * FROM t").await });
    // Long enough for the reader to have met the lock.
    assert_eq!(
        db.ping(within(3000)).await.unwrap_err().class(),
        ErrorClass::Overloaded
    );
    locker.execute("COMMIT").await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(3));
}

#[tokio::test]
async fn a_budget_ends_a_long_statement_and_frees_the_slot() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&file(folder.path(), 1).await, 1);
    let begun = Instant::now();
    assert_eq!(
        class(&db.read_only(within(200)), ENDLESS).await,
        ErrorClass::Timeout
    );
    assert!(
        begun.elapsed() < Duration::from_millis(200) + SLACK,
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        all(&db.read_only(within(5000)), "SELECT * FROM t").await,
        Ok(1)
    );
    open_files_fall_to(1, folder.path()).await;
}

#[tokio::test]
async fn a_dropped_future_ends_its_statement_and_frees_the_slot() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&file(folder.path(), 1).await, 1);
    let session = db.read_only(within(600_000));
    let running = tokio::spawn(async move { all(&session, ENDLESS).await });
    // The only slot is taken once the statement runs.
    while db.ping(within(5000)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let begun = Instant::now();
    assert_eq!(
        all(&db.read_only(within(5000)), "SELECT * FROM t").await,
        Ok(1)
    );
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    open_files_fall_to(1, folder.path()).await;
}

#[tokio::test]
async fn a_full_pool_is_told_from_a_cell_that_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 1).await;
    let db = open(&path, 1);
    let session = db.read_only(within(600_000));
    let running = tokio::spawn(async move { all(&session, ENDLESS).await });
    while db.ping(within(5000)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    assert_eq!(
        db.ping(within(5000)).await.unwrap_err().class(),
        ErrorClass::Overloaded
    );
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    assert_eq!(
        db.ping(within(5000)).await.unwrap_err().class(),
        ErrorClass::Unreachable
    );
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());

    let waiting = db.read_only(within(100));
    assert_eq!(class(&waiting, "SELECT 1").await, ErrorClass::Overloaded);
    running.abort();
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_noticed_by_connections_that_have_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 1).await;
    let db = open(&path, 4);
    assert_eq!(
        all(&db.read_only(within(5000)), "SELECT * FROM t").await,
        Ok(1)
    );
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    assert_eq!(
        class(&db.read_only(within(5000)), "SELECT * FROM t").await,
        ErrorClass::Unreachable
    );
}

#[tokio::test]
async fn a_transaction_left_open_does_not_reach_the_next_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 1).await;
    let db = open(&path, 1);
    let writer = db.within(within(5000));
    writer
        .execute_unprepared("BEGIN IMMEDIATE; INSERT INTO t VALUES (9)")
        .await
        .unwrap();
    writer
        .execute_unprepared("INSERT INTO t VALUES (10)")
        .await
        .unwrap();
    assert_eq!(
        all(&db.read_only(within(5000)), "SELECT * FROM t").await,
        Ok(2)
    );
}

#[tokio::test]
async fn closing_a_cell_ends_what_runs_there_and_refuses_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&file(folder.path(), 1).await, 1);
    let session = db.read_only(within(600_000));
    let running = tokio::spawn(async move { class(&session, ENDLESS).await });
    while db.ping(within(5000)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    db.close();
    assert_eq!(running.await.unwrap(), ErrorClass::Unreachable);
    assert_eq!(
        class(&db.read_only(within(5000)), "SELECT 1").await,
        ErrorClass::Unreachable
    );
    open_files_fall_to(0, folder.path()).await;
}

#[tokio::test]
async fn a_thousand_checkouts_leak_no_descriptor_and_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&file(folder.path(), 1).await, 4);
    for n in 0..250 {
        let sessions: [DbSession; 4] = std::array::from_fn(|_| db.read_only(within(20_000)));
        let [a, b, c, d] = &sessions;
        let sql = "SELECT * FROM t";
        let (a, b, c, d) = tokio::join!(all(a, sql), all(b, sql), all(c, sql), all(d, sql));
        assert_eq!([a, b, c, d], [Ok(1), Ok(1), Ok(1), Ok(1)], "round {n}");
        if n % 25 == 0 {
            // Some end badly: the connection is thrown away.
            assert_eq!(
                class(&db.read_only(within(5)), ENDLESS).await,
                ErrorClass::Timeout
            );
        }
    }
    open_files_fall_to(4, folder.path()).await;
    drop(db);
    open_files_fall_to(0, folder.path()).await;
}

/// How many descriptors of this process are open on files in a folder.
fn open_files(folder: &Path) -> usize {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .filter(|to| to.starts_with(folder))
        .count()
}

/// Waits until no more than `count` are: a worker that still runs a statement holds its file open.
async fn open_files_fall_to(count: usize, folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while open_files(folder) > count {
        assert!(
            Instant::now() < deadline,
            "{} files are open",
            open_files(folder)
        );
        tokio::task::yield_now().await;
    }
}

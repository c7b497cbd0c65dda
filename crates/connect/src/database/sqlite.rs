//! SQLite files: opened as they are, never created, interrupted when nobody waits any more.
//!
//! SQLite waits for locks by sleeping inside its own thread, where nothing can end it. So it is told not to wait at all,
//! and a statement that meets a lock is tried again from here until the budget ends: no thread is ever stuck.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cells::{ErrorClass, SqliteFile};
use context::Deadline;
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};
use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteError};
use sqlx::{ConnectOptions, Executor};

use super::driver::{Access, Driver, bound, columns_of};
use super::failure::Failure;
use super::stream::Batches;

/// One SQLite file.
pub(crate) struct Sqlite {
    path: PathBuf,
}

/// One connection to it.
pub(crate) struct Link {
    connection: SqliteConnection,
    watch: Arc<Watch>,
    /// Which file was opened; another may have the path by now.
    file: Option<FileId>,
    /// Whether the current statement last met another connection's lock.
    locked: bool,
    /// Whether its cache has the size that it is to have.
    is_sized: bool,
}

impl Sqlite {
    pub(crate) fn new(file: &SqliteFile) -> Self {
        Self {
            path: file.path().to_owned(),
        }
    }
}

/// Virtual machine instructions between two looks at the clock: tens of microseconds.
const INSTRUCTIONS: i32 = 1000;

/// Gives a connection a cache of 512 KiB, a quarter of SQLite's own: a process holds connections to many cells at once,
/// and the system's cache is behind them anyway.
const CACHE_SIZE: &str = "PRAGMA cache_size = -512";

impl Driver for Sqlite {
    type Link = Link;

    const BACKEND: DbBackend = DbBackend::Sqlite;

    async fn connect(&self, access: Access) -> Result<Link, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .read_only(access == Access::ReadOnly)
            .busy_timeout(Duration::ZERO)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        let watch = Arc::new(Watch::default());
        let seen = Arc::clone(&watch);
        connection
            .lock_handle()
            .await?
            .set_progress_handler(INSTRUCTIONS, move || seen.goes_on());
        Ok(Link {
            connection,
            watch,
            file: file_id(&self.path),
            locked: false,
            is_sized: false,
        })
    }

    fn known_good(&self, link: &Link, _idle: Duration) -> Option<bool> {
        // A file that was moved away and replaced stays readable through the old connection: stale rows, no error.
        Some(link.file.is_some() && link.file == file_id(&self.path))
    }

    async fn answers(&self, _link: &mut Link) -> bool {
        true
    }

    async fn arm(
        &self,
        link: &mut Link,
        _access: Access,
        deadline: Deadline,
    ) -> Result<(), sqlx::Error> {
        link.watch.until(deadline);
        link.locked = false;
        Ok(())
    }

    async fn disarm(&self, link: &mut Link) -> Result<(), sqlx::Error> {
        if !link.is_sized {
            // Not as soon as it is open: SQLite reads the file for this, which may be locked then. A statement that has
            // ended has read it; where it has not, or was refused, the next one is as good.
            link.is_sized = link.connection.execute(CACHE_SIZE).await.is_ok();
        }
        link.watch.rest();
        Ok(())
    }

    fn abandon(&self, link: Link) {
        link.watch.stop();
    }

    fn spent_on(&self, link: &Link) -> Failure {
        match link.locked {
            true => Failure::Locked,
            false => Failure::Budget,
        }
    }

    fn ended_by_budget(&self, error: &sqlx::Error) -> bool {
        primary_code(error) == Some(INTERRUPT)
    }

    async fn probe(&self, link: &mut Link) -> Result<(), sqlx::Error> {
        // Opening a file reads nothing of it; this reads its header, under its lock.
        let statement = Statement::from_string(DbBackend::Sqlite, "PRAGMA schema_version");
        self.query_one(link, &statement).await.map(drop)
    }

    async fn execute(
        &self,
        link: &mut Link,
        statement: &Statement,
    ) -> Result<ExecResult, sqlx::Error> {
        let mut pause = Pause::default();
        loop {
            let done = bound!(statement).execute(&mut link.connection).await;
            match done {
                Err(error) if is_locked(&error) => pause.wait(&mut link.locked).await,
                done => return done.map(Into::into),
            }
        }
    }

    async fn script(&self, link: &mut Link, sql: &str) -> Result<ExecResult, sqlx::Error> {
        // Several statements may have taken effect before one met a lock, so they cannot all be tried again: here SQLite
        // itself waits, for no longer than the caller.
        let left = link.watch.left().as_millis();
        let wait = format!("PRAGMA busy_timeout = {left}");
        link.connection.execute(sqlx::AssertSqlSafe(wait)).await?;
        let script = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut link.connection);
        let done = script.await.map(Into::into);
        link.connection.execute("PRAGMA busy_timeout = 0").await?;
        done
    }

    async fn query_one(
        &self,
        link: &mut Link,
        statement: &Statement,
    ) -> Result<Option<QueryResult>, sqlx::Error> {
        let mut pause = Pause::default();
        loop {
            let row = bound!(statement).fetch_optional(&mut link.connection).await;
            match row {
                Err(error) if is_locked(&error) => pause.wait(&mut link.locked).await,
                row => return row.map(|row| row.map(Into::into)),
            }
        }
    }

    async fn query_all(
        &self,
        link: &mut Link,
        statement: &Statement,
    ) -> Result<Vec<QueryResult>, sqlx::Error> {
        let mut pause = Pause::default();
        loop {
            let rows = bound!(statement).fetch_all(&mut link.connection).await;
            match rows {
                Err(error) if is_locked(&error) => pause.wait(&mut link.locked).await,
                rows => return rows.map(|rows| rows.into_iter().map(Into::into).collect()),
            }
        }
    }

    async fn columns(&self, link: &mut Link, sql: &str) -> Result<Vec<String>, sqlx::Error> {
        columns_of!(&mut link.connection, sql)
    }

    async fn each(
        &self,
        link: &mut Link,
        statement: &Statement,
        to: &Batches,
    ) -> Result<(), sqlx::Error> {
        let mut pause = Pause::default();
        loop {
            let rows = bound!(statement).fetch(&mut link.connection);
            match to.send_all(rows).await {
                // A lock is met before the first row or not at all: a read under way has its own.
                (0, Err(error)) if is_locked(&error) => pause.wait(&mut link.locked).await,
                (_, ended) => return ended,
            }
        }
    }
}

/// Until when the connection's thread may work: read by SQLite's progress handler, set from outside.
#[derive(Debug)]
struct Watch(AtomicU64);

/// No limit: nothing runs.
const REST: u64 = u64::MAX;

impl Default for Watch {
    fn default() -> Self {
        Self(AtomicU64::new(REST))
    }
}

impl Watch {
    /// The monotonic clock in nanoseconds, from the first use of this process.
    fn now() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        nanos(START.get_or_init(Instant::now).elapsed())
    }

    fn until(&self, deadline: Deadline) {
        let end = Self::now().saturating_add(nanos(deadline.remaining()));
        self.0.store(end, Ordering::Relaxed);
    }

    fn left(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed).saturating_sub(Self::now()))
    }

    fn rest(&self) {
        self.0.store(REST, Ordering::Relaxed);
    }

    fn stop(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        let until = self.0.load(Ordering::Relaxed);
        until == REST || Self::now() < until
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(REST - 1)
}

/// Growing pauses between two tries at a lock: 1 ms at first, so a short lock costs little, 25 ms at most.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    async fn wait(&mut self, locked: &mut bool) {
        *locked = true;
        let length = Duration::from_millis(1 << self.0.min(5)).min(Duration::from_millis(25));
        self.0 += 1;
        tokio::time::sleep(length).await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some(FileId {
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

// Primary result codes, https://www.sqlite.org/rescode.html
const ERROR: i32 = 1;
const PERM: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const AUTH: i32 = 23;
const NOTADB: i32 = 26;

fn code_of(error: &SqliteError) -> Option<i32> {
    // The lower byte of an extended code is the primary one.
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    code_of(error.as_database_error()?.try_downcast_ref()?)
}

fn is_locked(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

pub(crate) fn class_of(error: &SqliteError) -> ErrorClass {
    match code_of(error) {
        Some(CANTOPEN | IOERR) => ErrorClass::Unreachable,
        Some(NOTADB | CORRUPT) => ErrorClass::Schema,
        Some(BUSY | LOCKED | FULL) => ErrorClass::Overloaded,
        Some(INTERRUPT) => ErrorClass::Timeout,
        Some(READONLY | PERM | AUTH) => ErrorClass::Forbidden,
        // SQLite has one code for every error in a statement and tells them apart in words only.
        Some(ERROR) if error.message().starts_with("no such") => ErrorClass::Schema,
        _ => ErrorClass::Statement,
    }
}

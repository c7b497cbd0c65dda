//! Sessions on real MariaDB and PostgreSQL servers: one suite, run on each. A server that cannot be had fails the test.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod ad_hoc;
mod addresses;
mod budgets;
mod canaries;
mod cloud;
mod faults;
mod mariadb;
mod outages;
mod postgres;
mod rotations;
mod sessions;
mod stages;
mod streams;
mod tls;

use std::time::{Duration, Instant};

use cells::{DatabaseLocation, ErrorClass, SecretText};
use connect::{CellDb, ConnectorOptions, DbSession, classify};
use context::Deadline;
use nova_conformance::ServerError;
use nova_conformance::faults::Step;
use sea_orm::{ConnectionTrait, DbErr, Statement};

/// The database that the suite works in.
const DATABASE: &str = "nova_cell1";

/// What a budget may be overrun by on a machine that builds something else at the same time. What must not be waited for
/// takes half a minute here, so this still tells the two apart.
const SLACK: Duration = Duration::from_secs(3);

/// A server under test, and its own words for what the suite needs.
trait Server {
    fn url(&self, database: &str) -> SecretText;
    fn port(&self) -> u16;
    fn signal(&self, name: &str) -> Result<(), ServerError>;
    fn restart(&mut self) -> Result<(), ServerError>;

    /// An expression that takes this many seconds.
    fn sleep(&self, seconds: u32) -> String;

    /// A statement with that many rows: `i` from 1 on, and a text of 100 bytes.
    fn numbers(&self, count: i64) -> String;

    /// The moment in which the client has said who it is and waits for the server's answer.
    fn logging_in(&self) -> Vec<Step>;

    /// What the driver says to a connection that nobody used for a while.
    fn ping(&self) -> Vec<u8>;

    /// Statements that let a user of this name in, with this password, and let it do what the suite's user may.
    fn login(&self, user: &str, password: &str) -> Vec<String>;

    /// Runs a statement as the superuser.
    async fn superuser(&self, sql: &str);

    /// The statements of the suite's user that run now, as the superuser sees them over a connection of its own.
    async fn running(&self) -> Vec<String>;

    /// The connections of the suite's user.
    async fn connections(&self) -> usize;

    /// Statements of the superuser that make the tables `filler` and `kept`, each with a text `x`, on the server's small disk.
    fn on_small_disk(&self) -> Vec<String>;

    /// Locks table `t` against everybody until the returned connection is dropped.
    async fn lock(&self) -> Box<dyn Send>;
}

fn open(url: &SecretText, pool_size: usize) -> CellDb {
    let location = DatabaseLocation::from_url(url).unwrap();
    let options = ConnectorOptions {
        pool_size,
        ..ConnectorOptions::default()
    };
    CellDb::open(&location, &options).unwrap()
}

fn within(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

async fn rows(session: &DbSession, sql: &str) -> Result<usize, DbErr> {
    let statement = Statement::from_string(session.get_database_backend(), sql);
    session
        .query_all_raw(statement)
        .await
        .map(|rows| rows.len())
}

async fn class(session: &DbSession, sql: &str) -> ErrorClass {
    classify(rows(session, sql).await.unwrap_err()).class()
}

/// Waits until the suite's user has no more connections than these: closing is not waited for by those who close.
async fn connections_fall_to(count: usize, server: &impl Server) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.connections().await > count {
        assert!(
            Instant::now() < deadline,
            "{} connections",
            server.connections().await
        );
        tokio::task::yield_now().await;
    }
}

/// Makes table `t` with three rows.
async fn fill(db: &CellDb) {
    let writer = db.within(within(20_000));
    for sql in [
        "CREATE TABLE t (i INTEGER)",
        "INSERT INTO t VALUES (1), (2), (3)",
    ] {
        writer.execute_unprepared(sql).await.unwrap();
    }
}

/// Figures, seen with `--no-capture`.
#[expect(clippy::print_stdout, reason = "a test's own words")]
fn say(what: &str) {
    println!("{what}");
}

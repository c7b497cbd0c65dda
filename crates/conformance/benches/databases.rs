//! P4, P6, P11 and the cost of connecting, on private MariaDB and PostgreSQL servers and on SQLite. Peers are deadpool and
//! sqlx as one would use them by hand, in the same run.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on has no figure to give"
)]

mod peers;

use std::time::{Duration, Instant};

use cells::{
    CellError, Cells, DatabaseLocation, RawCellMapping, RevisionKey, SecretText, StaticSource,
    UrlDefaults,
};
use connect::{CellDb, Checkouts, ConnectorOptions, NovaConnector, classify};
use context::{Deadline, Identity, RequestContext, Roles};
use nova_conformance::{MariaDb, PASSWORD, Postgres, USER};
use peers::{AMPLE, load, median, row};
use scatter::{Scatter, ScatterReport, TokioExecutor};
use sea_orm::{ConnectionTrait, Statement};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};

const ONE: &str = "SELECT 1 AS i";

fn ample() -> Deadline {
    Deadline::after(AMPLE)
}

fn open(url: &SecretText) -> CellDb {
    let location = DatabaseLocation::from_url(url).expect("a URL");
    CellDb::open(&location, &ConnectorOptions::default()).expect("a driver")
}

async fn ask(db: &CellDb, sql: &str, deadline: Deadline) -> Result<usize, CellError> {
    let session = db.read_only(deadline);
    let statement = Statement::from_string(session.get_database_backend(), sql);
    let rows = session.query_all_raw(statement).await.map_err(classify)?;
    Ok(rows.len())
}

/// Microseconds of one call.
async fn micros<F: Future>(calls: u32, mut call: impl FnMut() -> F) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        call().await;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

/// deadpool's own pool over sqlx's own connection, with nothing else.
struct Plain(std::path::PathBuf);

impl deadpool::managed::Manager for Plain {
    type Type = SqliteConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<SqliteConnection, sqlx::Error> {
        SqliteConnectOptions::new()
            .filename(&self.0)
            .read_only(true)
            .connect()
            .await
    }

    async fn recycle(
        &self,
        _connection: &mut SqliteConnection,
        _metrics: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<sqlx::Error> {
        Ok(())
    }
}

/// What deadpool is asked for in P4: a pool of nothing.
struct Empty;

impl deadpool::managed::Manager for Empty {
    type Type = ();
    type Error = std::convert::Infallible;

    async fn create(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn recycle(
        &self,
        _nothing: &mut (),
        _metrics: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Self::Error> {
        Ok(())
    }
}

/// P4: a checkout and the return, of a database that is none.
async fn checkouts_alone() {
    let ours = Checkouts::new().expect("a pool");
    let pool: deadpool::managed::Pool<Empty> = deadpool::managed::Pool::builder(Empty)
        .max_size(8)
        .build()
        .expect("a pool");
    let deadline = ample();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let call = || async { ours.once(deadline).await.expect("a connection") };
        one.push(micros(100_000, call).await * 1e3);
        let peer = || async { drop(pool.get().await.expect("a connection")) };
        other.push(micros(100_000, peer).await * 1e3);
    }
    row(
        "P4 checkout and return alone; peer deadpool",
        median(one),
        "ns",
        Some(median(other)),
    );
}

/// P4 as far as it shows from outside: a checkout, the smallest statement, and the return.
async fn checkouts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cell.sqlite");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut made = options.connect().await.expect("a file");
    made.execute("CREATE TABLE t (i INTEGER)")
        .await
        .expect("a table");
    let db = open(&format!("sqlite:///{}", path.display()).into());
    let pool: deadpool::managed::Pool<Plain> =
        deadpool::managed::Pool::builder(Plain(path.clone()))
            .max_size(8)
            .build()
            .expect("a pool");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        ours.push(
            micros(2000, || async {
                ask(&db, ONE, ample()).await.expect("a row")
            })
            .await,
        );
        let peer = || async {
            let mut connection = pool.get().await.expect("a connection");
            sqlx::query(ONE)
                .fetch_all(&mut *connection)
                .await
                .expect("a row")
        };
        theirs.push(micros(2000, peer).await);
    }
    row(
        "P4 checkout, SELECT 1 and return, SQLite; peer deadpool and sqlx",
        median(ours),
        "us",
        Some(median(theirs)),
    );
}

/// The first statement on a new handle, and one on a connection that is there.
async fn connecting(name: &str, url: &SecretText, plain: impl AsyncFn() -> f64) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let db = open(url);
        ours.push(micros(1, || async { ask(&db, ONE, ample()).await.expect("a row") }).await);
        theirs.push(plain().await);
    }
    row(
        &format!("connect and first statement, {name}; peer sqlx"),
        median(ours),
        "us",
        Some(median(theirs)),
    );
}

/// Cells that are databases of one server.
async fn cloud(urls: Vec<SecretText>) -> Cells<NovaConnector> {
    let rows = urls.into_iter().enumerate().map(|(n, url)| RawCellMapping {
        uuid: format!("{n:08x}-147b-44db-9ceb-1a392e756c36"),
        name: Some(format!("cell{n}")),
        database_connection: Some(url),
        transport_url: Some(SecretText::new(format!("fake:///c{n}"))),
        disabled: false,
    });
    let source = StaticSource::new(rows.collect());
    let key = RevisionKey::ephemeral().expect("random bytes");
    let connector = NovaConnector::new(ConnectorOptions::default());
    let cells = Cells::new(source, connector, UrlDefaults::default(), key);
    cells.refresh(ample()).await.expect("mappings");
    cells
}

async fn scatter(
    cells: &Cells<NovaConnector>,
    sql: &'static str,
    budget: Duration,
) -> ScatterReport<usize> {
    let executor = TokioExecutor::current().expect("inside a runtime");
    let request = RequestContext::for_background("bench", Identity::default(), Roles::admin());
    let all = cells.select(&cells::Selection::All).expect("every cell");
    Scatter::new(&request, cells, all)
        .timeout(budget)
        .run(&executor, move |task| async move {
            ask(task.cell().database(), sql, task.deadline()).await
        })
        .await
}

/// P6 on real MariaDB: one table locked for 20 s, one port that refuses.
async fn sick_cells() {
    let names = ["nova_cell0", "nova_cell1", "nova_cell2", "nova_cell3"];
    let server = MariaDb::start(&names).await.expect("MariaDB");
    for name in names {
        let writer = open(&server.url(name));
        let writer = writer.within(ample());
        for sql in [
            "CREATE TABLE instances (i INTEGER)",
            "INSERT INTO instances SELECT seq FROM seq_1_to_1000",
        ] {
            writer.execute_unprepared(sql).await.expect("a table");
        }
    }
    let urls: Vec<SecretText> = names.iter().map(|name| server.url(name)).collect();
    let cells = cloud(urls.clone()).await;
    let read = "SELECT i FROM instances";
    assert!(!scatter(&cells, read, AMPLE).await.is_partial());
    let options = MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(server.port())
        .username("root");
    let mut superuser = options.connect().await.expect("the superuser");
    superuser
        .execute("LOCK TABLES nova_cell2.instances WRITE")
        .await
        .expect("a lock");
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let report = scatter(&cells, read, Duration::from_secs(2)).await;
        rounds.push(report.elapsed().as_secs_f64() * 1e3);
        let counts = report.counts();
        assert_eq!((counts.answered, counts.timed_out), (3, 1));
    }
    row(
        "P6 MariaDB, one of 4 cells' table locked, budget 2 s",
        median(rounds),
        "ms",
        Some(2_000.0),
    );
    superuser.execute("UNLOCK TABLES").await.expect("no lock");

    let mut urls = urls;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = unused.local_addr().expect("a port").port();
    drop(unused);
    let other = urls[2]
        .expose()
        .replace(&format!(":{}/", server.port()), &format!(":{port}/"));
    urls[2] = SecretText::new(other);
    let cells = cloud(urls).await;
    assert!(scatter(&cells, read, AMPLE).await.is_partial());
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let report = scatter(&cells, read, Duration::from_secs(2)).await;
        rounds.push(report.elapsed().as_secs_f64() * 1e3);
        let counts = report.counts();
        assert_eq!((counts.answered, counts.failed), (3, 1));
    }
    row(
        "P6 MariaDB, one of 4 cells' port refuses",
        median(rounds),
        "ms",
        Some(100.0),
    );
}

/// The resident memory of this process in bytes.
fn resident() -> f64 {
    peers::memory_kib("VmRSS:") * 1024.0
}

/// P11: one real query in each of 1000 cells.
async fn thousand_cells() {
    const CELLS: usize = 1000;
    let names: Vec<String> = (0..CELLS).map(|n| format!("cell{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let server = MariaDb::start(&names).await.expect("MariaDB");
    let cells = cloud(names.iter().map(|name| server.url(name)).collect()).await;
    let before = resident();
    for (what, limit) in [("first", 5_000.0), ("second", 1_000.0)] {
        let report = scatter(&cells, ONE, AMPLE).await;
        assert!(!report.is_partial(), "{:?}", report.counts());
        row(
            &format!("P11 one query in each of 1000 cells, MariaDB, {what}"),
            report.elapsed().as_secs_f64() * 1e3,
            "ms",
            Some(limit),
        );
    }
    let after = resident();
    row(
        "P11 memory per cell with a live MariaDB connection",
        (after - before) / CELLS as f64 / 1024.0,
        "KiB",
        Some(100.0),
    );
    row(
        "P11 process after a query in each of 1000 cells",
        after / 1024.0 / 1024.0,
        "MiB",
        Some(128.0),
    );
}

async fn measure() {
    checkouts_alone().await;
    checkouts().await;
    let server = MariaDb::start(&["nova_cell1"]).await.expect("MariaDB");
    let options = MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(server.port())
        .username(USER)
        .password(PASSWORD)
        .database("nova_cell1");
    connecting("MariaDB", &server.url("nova_cell1"), async || {
        let began = Instant::now();
        let mut connection = options.connect().await.expect("a connection");
        connection.fetch_one(ONE).await.expect("a row");
        let took = began.elapsed().as_secs_f64() * 1e6;
        connection.close().await.expect("an end");
        took
    })
    .await;
    drop(server);
    let server = Postgres::start(&["nova_cell1"]).await.expect("PostgreSQL");
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.port())
        .username(USER)
        .password(PASSWORD)
        .ssl_mode(PgSslMode::Disable)
        .database("nova_cell1");
    connecting("PostgreSQL", &server.url("nova_cell1"), async || {
        let began = Instant::now();
        let mut connection = options.connect().await.expect("a connection");
        connection.fetch_one(ONE).await.expect("a row");
        let took = began.elapsed().as_secs_f64() * 1e6;
        connection.close().await.expect("an end");
        took
    })
    .await;
    drop(server);
    sick_cells().await;
    thousand_cells().await;
}

fn main() {
    load();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure());
    load();
}

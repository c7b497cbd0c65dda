//! P9, and P5 and P6 on real MariaDB: lists of servers over three cells of ten thousand, beside one plain query per cell run
//! at the same time over sqlx; and a million servers over ten cells of SQLite, listed in bounded memory. Walks over all pages
//! have Nova's own as their peer, in the bench `beside_nova`.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot go on has no figure to give"
)]

mod peers;

use std::time::{Duration, Instant};

use cells::{Cells, RevisionKey, SecretText, UrlDefaults};
use connect::{ConnectorOptions, NovaApi, NovaConnector};
use context::{Deadline, Identity, RequestContext, Roles};
use instances::{DownCells, ServerQuery, Servers};
use nova_conformance::{CloudBuilder, MariaDb, USER};
use peers::{load, median, row};
use scatter::TokioExecutor;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};

const CELLS: [&str; 4] = ["nova_cell0", "nova_cell1", "nova_cell2", "nova_cell3"];
/// The columns that a list shows.
const COLUMNS: &str = "id, uuid, display_name, project_id, user_id, vm_state, host, created_at, updated_at, launched_at, deleted";

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn api_of(api: &SecretText) -> NovaApi {
    NovaApi::open(api, &ConnectorOptions::default()).expect("the API database")
}

async fn cells_of(api: NovaApi) -> Cells<NovaConnector> {
    let key = RevisionKey::from_bytes(b"bench");
    let cells = Cells::new(api, NovaConnector::default(), UrlDefaults::default(), key);
    let deadline = Deadline::after(Duration::from_secs(20));
    cells.refresh(deadline).await.expect("mappings");
    cells
}

/// The peer: connections that are open already, one plain query in each cell at once, all rows fetched.
struct Plain(Vec<MySqlConnection>);

impl Plain {
    async fn open(server: &MariaDb) -> Self {
        let mut connections = Vec::new();
        for cell in CELLS {
            let options = MySqlConnectOptions::new()
                .host("127.0.0.1")
                .port(server.port())
                .username(USER)
                .password(nova_conformance::PASSWORD)
                .database(cell);
            let connection = MySqlConnection::connect_with(&options).await;
            connections.push(connection.expect("a connection"));
        }
        Self(connections)
    }

    /// How long the slowest of the plain queries took.
    async fn newest(&mut self, rows: u32) -> f64 {
        let sql = format!(
            "SELECT {COLUMNS} FROM instances WHERE deleted = 0 AND (hidden = 0 OR hidden IS NULL) \
             ORDER BY created_at DESC, id DESC LIMIT {rows}"
        );
        let mut queries = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for mut connection in self.0.drain(..) {
            let sql = sql.clone();
            queries.spawn(async move {
                let query = sqlx::query(AssertSqlSafe(sql.as_str()));
                let rows = query.fetch_all(&mut connection).await.expect("rows");
                std::hint::black_box(rows.len());
                connection
            });
        }
        while let Some(connection) = queries.join_next().await {
            self.0.push(connection.expect("a query"));
        }
        millis(begun.elapsed())
    }
}

/// The server's own administrator, in this database.
async fn root(server: &MariaDb, database: &str) -> MySqlConnection {
    let options = MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(server.port())
        .username("root")
        .database(database);
    MySqlConnection::connect_with(&options).await.expect("root")
}

async fn on_mariadb() {
    let databases = ["nova_api", CELLS[0], CELLS[1], CELLS[2], CELLS[3]];
    let server = MariaDb::start_with_memory(&databases, 256).await;
    let server = server.expect("MariaDB");
    let urls = CELLS.map(|cell| server.url(cell));
    let cloud = CloudBuilder::new().servers(33_400).projects(20);
    let placed = cloud
        .build_on(&server.url("nova_api"), &urls)
        .await
        .expect("a cloud");
    let seen =
        |server: &&nova_conformance::ServerSeed| server.deleted == 0 && server.hidden != Some(true);
    for cell in CELLS {
        // A table that was just filled is planned for as if it were empty, until the server comes to look at it.
        let mut root = root(&server, cell).await;
        root.execute("ANALYZE TABLE instances")
            .await
            .expect("statistics");
    }
    let api = api_of(&server.url("nova_api"));
    let cells = cells_of(api.clone()).await;
    let ctx = RequestContext::for_background("bench", Identity::default(), Roles::admin());
    // As a service has it: with the API database at hand, which says where a marker is.
    let servers = Servers::new(&ctx, &cells, TokioExecutor::current().expect("a runtime"));
    let servers = servers.api(&api);
    let mut plain = Plain::open(&server).await;

    for rows in [1000, 50] {
        let query = ServerQuery {
            limit: rows,
            ..ServerQuery::default()
        };
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..15 {
            let begun = Instant::now();
            let page = servers.list(&query, DownCells::Fail).await.expect("a page");
            ours.push(millis(begun.elapsed()));
            assert_eq!(page.servers.len(), rows as usize);
            peer.push(plain.newest(rows).await);
        }
        row(
            &format!("P9 list {rows}"),
            median(ours),
            "ms",
            Some(median(peer)),
        );
    }
    let counts = placed
        .cells
        .iter()
        .map(|(_, servers)| servers.iter().filter(seen).count());
    let servers = Servers::new(&ctx, &cells, TokioExecutor::current().expect("a runtime"));
    sick(&server, servers, counts.collect()).await;
    refused(&server).await;
}

/// One cell's table is locked.
async fn sick(
    server: &MariaDb,
    servers: Servers<'_, NovaConnector, TokioExecutor>,
    counts: Vec<usize>,
) {
    let mut holder = root(server, CELLS[2]).await;
    holder
        .execute("LOCK TABLES instances WRITE")
        .await
        .expect("a lock");
    let query = ServerQuery {
        limit: 40_000,
        ..ServerQuery::default()
    };
    let begun = Instant::now();
    let servers = servers.timeout(Duration::from_secs(2));
    let page = servers.list(&query, DownCells::Skip).await;
    let took = millis(begun.elapsed());
    let page = page.expect("a partial page");
    let healthy: usize = counts
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 2)
        .map(|(_, n)| n)
        .sum();
    assert_eq!(
        page.servers.len(),
        healthy,
        "every row of the healthy cells"
    );
    assert_eq!(page.counts().answered, counts.len() - 1);
    row(
        "P6 one table locked, budget 2 s, all rows of the others",
        took,
        "ms",
        Some(2_000.0),
    );
    holder.close().await.expect("the lock is gone");
}

/// One cell's port refuses, from the first connection on: nothing was ever heard of it.
async fn refused(server: &MariaDb) {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let sql = format!(
        "UPDATE cell_mappings SET database_connection = REPLACE(database_connection, ':{}/', ':{closed}/') \
         WHERE database_connection LIKE '%/{}%'",
        server.port(),
        CELLS[2],
    );
    let mut api = root(server, "nova_api").await;
    let changed = api.execute(AssertSqlSafe(sql)).await.expect("a mapping");
    assert_eq!(changed.rows_affected(), 1);
    let ctx = RequestContext::for_background("bench", Identity::default(), Roles::admin());
    let query = ServerQuery {
        limit: 1_000,
        ..ServerQuery::default()
    };
    let (mut first, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let cells = cells_of(api_of(&server.url("nova_api"))).await;
        let servers = Servers::new(&ctx, &cells, TokioExecutor::current().expect("a runtime"));
        for times in [&mut first, &mut warm] {
            let begun = Instant::now();
            let page = servers.list(&query, DownCells::Skip).await.expect("a page");
            times.push(millis(begun.elapsed()));
            let counts = page.counts();
            assert_eq!(
                (page.servers.len(), counts.asked, counts.answered),
                (1_000, 4, 3)
            );
        }
    }
    let what = "P6 one port refuses, 1000 rows of the others";
    row(
        &format!("{what}, first page of a process"),
        median(first),
        "ms",
        Some(100.0),
    );
    row(
        &format!("{what}, the next"),
        median(warm),
        "ms",
        Some(100.0),
    );
}

/// P5: twenty cells, each of which takes 100 ms for whatever it is asked.
async fn slow() {
    let names: Vec<String> = (0..20).map(|at| format!("nova_slow{at}")).collect();
    let databases: Vec<&str> = ["nova_api"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let server = MariaDb::start(&databases).await.expect("MariaDB");
    let urls: Vec<SecretText> = names.iter().map(|name| server.url(name)).collect();
    let cloud = CloudBuilder::new().servers(8_000).projects(20);
    let _placed = cloud
        .build_on(&server.url("nova_api"), &urls)
        .await
        .expect("a cloud");
    for name in &names {
        let mut root = root(&server, name).await;
        for sql in [
            "RENAME TABLE instances TO kept",
            // A table of its own, made once for each statement that reads the view.
            "CREATE VIEW instances AS SELECT kept.* FROM (SELECT SLEEP(0.1) AS slept LIMIT 1) AS pause \
             JOIN kept ON pause.slept = 0",
        ] {
            root.execute(sql).await.expect("a slow table");
        }
    }
    let api = api_of(&server.url("nova_api"));
    let cells = cells_of(api).await;
    let ctx = RequestContext::for_background("bench", Identity::default(), Roles::admin());
    let servers = Servers::new(&ctx, &cells, TokioExecutor::current().expect("a runtime"));
    let query = ServerQuery {
        limit: 20,
        ..ServerQuery::default()
    };
    let mut times = Vec::new();
    for _ in 0..11 {
        let begun = Instant::now();
        let page = servers.list(&query, DownCells::Fail).await.expect("a page");
        times.push(millis(begun.elapsed()));
        assert_eq!((page.servers.len(), page.counts().answered), (20, 20));
    }
    let first = times.remove(0);
    row(
        "P5 first page of 20 over 20 cells that take 100 ms each",
        median(times),
        "ms",
        Some(2_030.0),
    );
    row(
        "P5 the same, connecting and logging in first",
        first,
        "ms",
        None,
    );
}

/// A list that is as long as `SERVERS_LONG` says, or a tenth of a million.
async fn long() {
    let wanted = std::env::var("SERVERS_LONG").ok();
    let wanted: u64 = wanted.map_or(100_000, |text| {
        text.parse().expect("SERVERS_LONG is a number")
    });
    let folder = tempfile::tempdir().expect("a folder");
    let url = |name: String| {
        SecretText::new(format!(
            "sqlite:///{}/{name}.sqlite",
            folder.path().display()
        ))
    };
    let databases: Vec<SecretText> = (0..=10).map(|at| url(format!("cell{at}"))).collect();
    // In a process of its own: what making them takes is not what listing takes.
    if std::env::var_os("SERVERS_LONG_AT").is_none() {
        let cloud = CloudBuilder::new().servers(wanted).projects(50);
        let _placed = cloud
            .build_on(&url("api".into()), &databases)
            .await
            .expect("a cloud");
        let program = std::env::current_exe().expect("this program");
        let done = std::process::Command::new(program)
            .env("SERVERS_LONG_AT", url("api".into()).expose())
            .status();
        assert!(done.expect("a process").success());
    }
}

async fn listed_at(api: &str) {
    let cells = cells_of(api_of(&SecretText::new(api.to_owned()))).await;
    let ctx = RequestContext::for_background("bench", Identity::default(), Roles::admin());
    let servers = Servers::new(&ctx, &cells, TokioExecutor::current().expect("a runtime"));
    let query = ServerQuery {
        limit: 5_000,
        ..ServerQuery::default()
    };
    let begun = Instant::now();
    let mut page = servers.list(&query, DownCells::Fail).await.expect("a page");
    let mut listed = page.servers.len();
    while page.cursor.has_next() {
        let cursor = page.cursor.clone();
        page = servers
            .list_after(&query, &cursor, DownCells::Fail)
            .await
            .expect("a page");
        listed += page.servers.len();
    }
    let seconds = begun.elapsed().as_secs_f64();
    row(
        &format!("list of {listed} over 10 cells, by 5000"),
        listed as f64 / seconds,
        "servers/s",
        None,
    );
    row(
        &format!("memory of a list of {listed}"),
        peers::memory_kib("VmHWM") / 1024.0,
        "MiB",
        Some(64.0),
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if let Ok(api) = std::env::var("SERVERS_LONG_AT") {
        runtime
            .block_on(runtime.spawn(async move { listed_at(&api).await }))
            .expect("a list");
        return;
    }
    runtime.block_on(async {
        load();
        on_mariadb().await;
        slow().await;
        long().await;
        load();
    });
}

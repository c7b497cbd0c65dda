//! The plans that databases make for the common lists, compared with the reviewed ones in `plans/`: along an index, and
//! nothing sorted by hand where one of Nova's indexes has the order. Releases that plan otherwise have reviewed plans of their
//! own: MariaDB since 11 reads what one host has along the index by host.
//!
//! The statements are the very ones that cells are asked. `SERVERS_PLANS=write` writes the files anew, to be reviewed.

use std::fmt::Write as _;
use std::time::Duration;

use cells::{Cells, DatabaseLocation, SecretText};
use connect::{CellDb, ConnectorOptions, NovaConnector};
use context::{Deadline, ProjectId, ReadDeleted};
use instances::{DownCells, PageCursor, ServerFilter, ServerQuery, Servers};
use nova_conformance::{
    CloudBuilder, Dialect, MariaDb, Population, Postgres, Rng, ServerSeed, Store,
};
use scatter::TokioExecutor;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use sqlx::{Executor as _, Row as _};

use crate::stage::{opened, order_by_bytes, postgres_root};
use crate::support::{admin, ids, sorted};

/// The common lists, by what they are for.
fn lists() -> Vec<(&'static str, ServerQuery)> {
    let filtered = |filter| ServerQuery {
        filter,
        ..ServerQuery::default()
    };
    let mut rng = Rng::new(9);
    vec![
        ("the newest", ServerQuery::default()),
        ("the oldest", sorted(&["created_at:asc"])),
        (
            "the newest of one project",
            filtered(ServerFilter {
                project: Some(ProjectId::parse(&Population::project(2)).unwrap()),
                ..ServerFilter::default()
            }),
        ),
        (
            "the newest on one host",
            filtered(ServerFilter {
                host: Some("cell1-compute-03".into()),
                ..ServerFilter::default()
            }),
        ),
        (
            "the newest in error",
            filtered(ServerFilter {
                vm_states: vec!["error".into()],
                ..ServerFilter::default()
            }),
        ),
        (
            "a few by id",
            filtered(ServerFilter {
                uuids: Some((0..5).map(|_| rng.uuid()).collect()),
                ..ServerFilter::default()
            }),
        ),
        (
            "deleted ones",
            filtered(ServerFilter {
                deleted: Some(ReadDeleted::Only),
                ..ServerFilter::default()
            }),
        ),
        ("by id", sorted(&["uuid:asc"])),
        ("by the row's id", sorted(&["id:desc"])),
        ("by host", sorted(&["host:asc"])),
        ("by name", sorted(&["display_name:asc"])),
    ]
}

/// Makes the cloud's tables and rows, and opens what maps them.
async fn built(
    cloud: CloudBuilder,
    api: &SecretText,
    cells: &[SecretText],
) -> Cells<NovaConnector> {
    cloud.build_on(api, cells).await.unwrap();
    opened(api).await
}

async fn check(dialect: Dialect, api: SecretText, cells: [SecretText; 2], reviewed: &[&str]) {
    let cloud = CloudBuilder::new().servers(6_000).projects(40);
    cloud.build_on(&api, &cells).await.unwrap();
    let mut store = Store::open(&cells[1]).await.unwrap();
    store
        .run(match dialect {
            Dialect::MariaDb => "ANALYZE TABLE instances",
            _ => "ANALYZE instances",
        })
        .await
        .unwrap();
    let location = DatabaseLocation::from_url(&cells[1]).unwrap();
    let db = CellDb::open(&location, &ConnectorOptions::default()).unwrap();
    let world = opened(&api).await;
    let ctx = admin();
    let mut text = String::new();
    for (what, query) in lists() {
        let query = ServerQuery { limit: 50, ..query };
        let servers = Servers::new(&ctx, &world, TokioExecutor::current().unwrap());
        let page = servers.list(&query, DownCells::Fail).await.unwrap();
        let next = page.cursor.has_next().then_some(&page.cursor);
        for (page, cursor) in [("first page", None), ("next page", next)] {
            if page == "next page" && cursor.is_none() {
                continue;
            }
            writeln!(text, "# {what}, {page}").unwrap();
            for line in explained(&db, &query, cursor).await {
                writeln!(text, "{line}").unwrap();
            }
            writeln!(text).unwrap();
        }
    }
    let name = format!("{dialect:?}.txt").to_lowercase();
    if std::env::var_os("SERVERS_PLANS").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/plans");
        std::fs::write(format!("{folder}/{name}"), &text).unwrap();
        return;
    }
    assert!(
        reviewed.contains(&text.as_str()),
        "plans/{name} is not what the database plans now:\n{text}"
    );
}

/// The plan of the statement that reads most, without what depends on the rows.
async fn explained(db: &CellDb, query: &ServerQuery, cursor: Option<&PageCursor>) -> Vec<String> {
    let session = db.read_only(Deadline::after(Duration::from_secs(20)));
    let backend = session.get_database_backend();
    let statements = query.statements(&admin(), backend, cursor, 50).unwrap();
    // Where NULLs are a statement of their own, it is the other one that reads most.
    let of_values = statements
        .iter()
        .position(|s| s.sql.contains("IS NOT NULL"));
    let first = statements[of_values.unwrap_or(0)].clone();
    let words = match backend {
        DbBackend::Postgres => "EXPLAIN (COSTS OFF) ",
        DbBackend::Sqlite => "EXPLAIN QUERY PLAN ",
        _ => "EXPLAIN ",
    };
    let statement = Statement {
        sql: format!("{words}{}", first.sql),
        ..first
    };
    let rows = session.query_all_raw(statement).await.unwrap();
    let text = |row: &QueryResult, column: &str| -> String {
        let value: Option<String> = row.try_get("", column).unwrap();
        value.unwrap_or_else(|| "-".into())
    };
    rows.iter()
        .map(|row| match backend {
            DbBackend::Postgres => {
                let line: String = row.try_get_by_index(0).unwrap();
                without_values(&line)
            }
            DbBackend::Sqlite => text(row, "detail"),
            _ => format!(
                "{} along {}: {}",
                text(row, "type"),
                text(row, "key"),
                text(row, "Extra")
            ),
        })
        .collect()
}

/// A line of a plan without the values that were bound, which are the data's.
fn without_values(line: &str) -> String {
    let mut plain = String::new();
    for (at, part) in line.split('\'').enumerate() {
        plain.push_str(if at % 2 == 0 { part } else { "'…'" });
    }
    plain
}

#[tokio::test]
async fn mariadb_reads_common_lists_along_novas_indexes() {
    let server = MariaDb::start(&["nova_api", "nova_cell0", "nova_cell1"])
        .await
        .unwrap();
    let cells = [server.url("nova_cell0"), server.url("nova_cell1")];
    let reviewed = [
        include_str!("plans/mariadb.txt"),
        include_str!("plans/mariadb-11.8.txt"),
    ];
    check(Dialect::MariaDb, server.url("nova_api"), cells, &reviewed).await;
}

/// Plans name an index and not how much of it is read: an offset in disguise has the same ones.
#[tokio::test]
async fn mariadb_reads_little_more_than_a_page_however_deep_it_is() {
    let server = MariaDb::start(&["nova_api", "nova_cell0", "nova_cell1"])
        .await
        .unwrap();
    let cells = [server.url("nova_cell0"), server.url("nova_cell1")];
    let cloud = CloudBuilder::new().servers(6_000);
    let world = built(cloud, &server.url("nova_api"), &cells).await;
    let ctx = admin();
    let servers = Servers::new(&ctx, &world, TokioExecutor::current().unwrap());
    let location = DatabaseLocation::from_url(&cells[1]).unwrap();
    let db = CellDb::open(&location, &ConnectorOptions::default()).unwrap();
    let session = db.within(Deadline::after(Duration::from_secs(20)));
    let project = ProjectId::parse(&Population::project(0)).unwrap();
    for project in [None, Some(project)] {
        let mut far = ServerQuery {
            filter: ServerFilter {
                project,
                ..ServerFilter::default()
            },
            limit: 6_000,
            ..ServerQuery::default()
        };
        let all = servers.list(&far, DownCells::Fail).await.unwrap();
        let all = all.servers.len();
        far.limit = u32::try_from(all * 3 / 4).unwrap();
        let page = servers.list(&far, DownCells::Fail).await.unwrap();
        let statements = far.statements(&ctx, DbBackend::MySql, Some(&page.cursor), 50);
        let of_values = |statement: &Statement| statement.sql.contains("IS NOT NULL");
        let mut statements = statements.unwrap().into_iter();
        let statement = statements.find(of_values).unwrap();
        let statement = Statement {
            sql: format!("ANALYZE FORMAT=JSON {}", statement.sql),
            ..statement
        };
        let rows = session.query_all_raw(statement).await.unwrap();
        let analyzed: String = rows[0].try_get_by_index(0).unwrap();
        let read = analyzed.split("\"r_rows\": ").skip(1);
        let most = read
            .map(|rest| rest.split([',', '\n']).next().unwrap())
            .map(|number| number.trim().parse::<f64>().unwrap())
            .fold(0.0, f64::max);
        // Some of those it reads are hidden. A project's are found along the project's index where that is cheaper: then
        // they are all of the project's, and nobody else's.
        let bound = match far.filter.project {
            None => 200.0,
            Some(_) => 1.2 * f64::from(u32::try_from(all).unwrap()),
        };
        assert!(
            most >= 50.0 && most < bound,
            "{most} rows for 50, {all} of 6,000 servers:\n{analyzed}"
        );
    }
}

#[tokio::test]
async fn postgres_reads_common_lists_along_novas_indexes() {
    let server = Postgres::start(&["nova_api", "nova_cell0", "nova_cell1"])
        .await
        .unwrap();
    let cells = [server.url("nova_cell0"), server.url("nova_cell1")];
    let reviewed = [include_str!("plans/postgres.txt")];
    check(Dialect::Postgres, server.url("nova_api"), cells, &reviewed).await;
}

/// Databases as devstack makes them. The statements are not those of `statements`, which knows no database, so the witness is
/// the server's own count of what was read along which index.
#[tokio::test]
async fn postgres_whose_collation_is_that_of_bytes_reads_a_list_by_host_along_novas_index() {
    let names = ["nova_cell0", "nova_cell1"];
    let server = Postgres::start(&[&["nova_api"], &names[..]].concat())
        .await
        .unwrap();
    order_by_bytes(&server, names[1]).await;
    let cells = names.map(|name| server.url(name));
    let placed: Vec<Vec<ServerSeed>> = {
        let mut rng = Rng::new(64);
        let on_hosts = |cell: u32| {
            let server = |at: u32| ServerSeed {
                host: Some(format!("cell{cell}-compute-{:02}", at % 50)),
                ..ServerSeed::new(i64::from(at), rng.uuid())
            };
            (1..=3_000).map(server).collect()
        };
        [0, 1].map(on_hosts).into()
    };
    let mut expected: Vec<(String, uuid::Uuid)> = placed
        .iter()
        .flatten()
        .map(|seed| (seed.host.clone().unwrap(), seed.uuid))
        .collect();
    expected.sort();
    let cloud = CloudBuilder::new().place(placed);
    let world = built(cloud, &server.url("nova_api"), &cells).await;
    let ctx = admin();
    let servers = Servers::new(&ctx, &world, TokioExecutor::current().unwrap());
    let query = ServerQuery {
        limit: 50,
        ..sorted(&["host:asc"])
    };
    let mut read = Vec::new();
    for name in names {
        let mut root = postgres_root(&server, name).await;
        root.execute("ANALYZE instances").await.unwrap();
        root.execute("SELECT pg_stat_reset()").await.unwrap();
        read.push(root);
    }
    let first = servers.list(&query, DownCells::Fail).await.unwrap();
    let next = servers.list_after(&query, &first.cursor, DownCells::Fail);
    let listed = [ids(&first), ids(&next.await.unwrap())].concat();
    let expected: Vec<uuid::Uuid> = expected.into_iter().map(|(_, uuid)| uuid).collect();
    assert_eq!(listed, expected[..100]);
    // What a session read is counted when it ends.
    drop(world);
    for (cell, along_the_index) in read.iter_mut().zip([false, true]) {
        let others = "SELECT COUNT(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        while cell.fetch_one(others).await.unwrap().get::<i64, _>(0) > 0 {
            tokio::task::yield_now().await;
        }
        // Rows without a host are found along it in any case.
        let sql = "SELECT idx_scan > 0, seq_scan = 0 FROM pg_stat_user_tables WHERE relname = 'instances'";
        let row = cell.fetch_one(sql).await.unwrap();
        let read: (bool, bool) = (row.get(0), row.get(1));
        assert_eq!(read, (true, along_the_index));
    }
}

#[tokio::test]
async fn sqlite_reads_common_lists_along_novas_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| {
        SecretText::new(format!(
            "sqlite:///{}/{name}.sqlite",
            folder.path().display()
        ))
    };
    let reviewed = [include_str!("plans/sqlite.txt")];
    check(
        Dialect::Sqlite,
        url("api"),
        [url("cell0"), url("cell1")],
        &reviewed,
    )
    .await;
}

//! A cloud whose cells are made once and filled again and again, on each kind of database, and the one database that
//! holds the union of its cells.

use std::time::Duration;

use cells::{CellId, Cells, RevisionKey, SecretText, Selection, UrlDefaults};
use connect::{ConnectorOptions, NovaApi, NovaConnector};
use context::Deadline;
use instances::{SortBy, SortKey};
use nova_conformance::{Dialect, MappedCell, MariaDb, Postgres, Rng, ServerSeed, Store, USER};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use uuid::Uuid;

/// The most cells of one data set.
pub(crate) const CELLS: usize = 5;

pub(crate) struct Stage {
    pub(crate) dialect: Dialect,
    pub(crate) cells: Cells<NovaConnector>,
    pub(crate) ids: Vec<CellId>,
    pub(crate) stores: Vec<Store>,
    pub(crate) union: Store,
    /// Whether the databases hold characters of more than three bytes; Nova's own on MariaDB do not.
    pub(crate) wide: bool,
    kept: Kept,
}

#[expect(dead_code, reason = "what is kept alive as long as the stage")]
enum Kept {
    Folder(TempDir),
    MariaDb(MariaDb),
    Postgres(Postgres),
}

/// The names of a server's databases: the cells', the union's, the API's.
fn names() -> Vec<String> {
    let cells = (0..CELLS).map(|at| format!("nova_cell{at}"));
    cells
        .chain(["nova_union".into(), "nova_api".into()])
        .collect()
}

impl Stage {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        let urls = names()
            .into_iter()
            .map(|name| SecretText::new(format!("sqlite:///{path}/{name}.sqlite")));
        Self::made(urls.collect(), Kept::Folder(folder)).await
    }

    /// Cells as Nova makes them: utf8mb3, general_ci.
    pub(crate) async fn mariadb() -> Self {
        let names = names();
        let databases: Vec<&str> = names.iter().map(String::as_str).collect();
        let server = MariaDb::start(&databases).await.unwrap();
        let urls = names.iter().map(|name| server.url(name)).collect();
        Self::made(urls, Kept::MariaDb(server)).await
    }

    /// Gives the cells of a MariaDB stage, and then the union, these collations of utf8mb4. Empties them.
    pub(crate) async fn collate(&mut self, collations: &[&str]) {
        for (store, collation) in self
            .stores
            .iter_mut()
            .chain([&mut self.union])
            .zip(collations)
        {
            store.refill(&[]).await.unwrap();
            let sql = format!(
                "ALTER TABLE instances CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}"
            );
            store.run(&sql).await.unwrap();
        }
        self.wide = true;
    }

    pub(crate) async fn postgres() -> Self {
        let names = names();
        let databases: Vec<&str> = names.iter().map(String::as_str).collect();
        let server = Postgres::start(&databases).await.unwrap();
        // Clouds have databases of both kinds.
        for name in names.iter().take(CELLS).step_by(2) {
            order_by_bytes(&server, name).await;
        }
        let urls = names.iter().map(|name| server.url(name)).collect();
        Self::made(urls, Kept::Postgres(server)).await
    }

    /// The server under a MariaDB stage.
    pub(crate) fn mariadb_server(&self) -> &MariaDb {
        match &self.kept {
            Kept::MariaDb(server) => server,
            _ => panic!("{:?} has no MariaDB", self.dialect),
        }
    }

    async fn made(urls: Vec<SecretText>, kept: Kept) -> Self {
        let mut stores = Vec::new();
        for url in &urls {
            stores.push(Store::open(url).await.unwrap());
        }
        let mut api = stores.pop().unwrap();
        let mut union = stores.pop().unwrap();
        let mut rng = Rng::new(5);
        let others = (1..CELLS).map(|_| CellId::new(rng.uuid()));
        let ids: Vec<CellId> = std::iter::once(CellId::CELL0).chain(others).collect();
        let names: Vec<String> = (0..CELLS).map(|at| format!("cell{at}")).collect();
        let buses: Vec<String> = names.iter().map(|name| format!("fake:///{name}")).collect();
        let mut mapped = Vec::new();
        for (at, store) in stores.iter_mut().enumerate() {
            store.create_cell().await.unwrap();
            mapped.push(MappedCell {
                id: ids[at],
                name: &names[at],
                transport_url: if at == 0 { "none:///" } else { &buses[at] },
                database_connection: urls[at].expose(),
                servers: &[],
            });
        }
        union.create_union().await.unwrap();
        api.create_api().await.unwrap();
        api.map(&mapped).await.unwrap();
        let dialect = api.dialect();
        let cells = opened(&urls[CELLS + 1]).await;
        Self {
            dialect,
            cells,
            ids,
            stores,
            union,
            wide: dialect != Dialect::MariaDb,
            kept,
        }
    }

    /// Puts these servers into the first cells, and all of them into the union. A text that the databases cannot hold is
    /// made one that they can.
    pub(crate) async fn fill(&mut self, placed: &mut [Vec<ServerSeed>]) {
        if !self.wide {
            placed.iter_mut().flatten().for_each(ServerSeed::narrow);
        }
        for (store, servers) in self.stores.iter_mut().zip(placed.iter()) {
            store.refill(servers).await.unwrap();
        }
        let all: Vec<ServerSeed> = placed.iter().flatten().cloned().collect();
        self.union.refill(&all).await.unwrap();
    }

    /// The first cells.
    pub(crate) fn first(&self, count: usize) -> Selection {
        Selection::Only(self.ids[..count].to_vec())
    }

    /// The ids that one query on the union gives.
    pub(crate) async fn plain(&mut self, condition: &str, sort: &[SortBy]) -> Vec<Uuid> {
        let order = order_by(self.dialect, sort);
        let sql = format!("SELECT uuid FROM instances WHERE {condition} ORDER BY {order}");
        self.union.uuids(&sql).await.unwrap()
    }
}

/// The server's own administrator, in this database.
pub(crate) async fn postgres_root(server: &Postgres, database: &str) -> PgConnection {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.port())
        .username("postgres")
        .database(database);
    PgConnection::connect_with(&options).await.unwrap()
}

/// Makes an empty database anew, with text that orders by bytes of itself, as devstack makes Nova's.
pub(crate) async fn order_by_bytes(server: &Postgres, database: &str) {
    let mut root = postgres_root(server, "postgres").await;
    let new = format!("CREATE DATABASE {database} OWNER {USER} TEMPLATE template0 LC_COLLATE 'C'");
    for sql in [format!("DROP DATABASE {database}"), new] {
        root.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
}

/// The cells that this API database maps.
pub(crate) async fn opened(api: &SecretText) -> Cells<NovaConnector> {
    let cells = Cells::new(
        NovaApi::open(api, &ConnectorOptions::default()).unwrap(),
        NovaConnector::default(),
        UrlDefaults::default(),
        RevisionKey::from_bytes(b"test"),
    );
    let deadline = Deadline::after(Duration::from_secs(10));
    cells.refresh(deadline).await.unwrap();
    cells
}

/// Living and visible, as every list is by default.
pub(crate) const VISIBLE: &str = "deleted = 0 AND (hidden = FALSE OR hidden IS NULL)";

/// `ORDER BY` of these keys, `uuid` last: NULLs smallest, text as the list promises it.
fn order_by(dialect: Dialect, sort: &[SortBy]) -> String {
    let mut keys: Vec<String> = sort.iter().map(|by| one(dialect, *by)).collect();
    if sort.is_empty() {
        keys = ["created_at:desc", "id:desc"]
            .map(|by| one(dialect, by.parse().unwrap()))
            .to_vec();
    }
    keys.push("uuid ASC".into());
    keys.join(", ")
}

fn one(dialect: Dialect, by: SortBy) -> String {
    let (key, asc) = (by.key.as_str(), by.direction.as_str() == "asc");
    let direction = if asc { "ASC" } else { "DESC" };
    let (Dialect::Postgres, nulls) = (dialect, if asc { "FIRST" } else { "LAST" }) else {
        let key = match (dialect, by.key) {
            // An enumeration orders by its values' numbers.
            (Dialect::MariaDb, SortKey::LockedBy) => "CONCAT(locked_by)",
            _ => key,
        };
        return format!("{key} {direction}");
    };
    let expression = match by.key {
        SortKey::AccessIpV4 | SortKey::AccessIpV6 => format!("host({key}) COLLATE \"C\""),
        SortKey::LockedBy => format!("{key}::text COLLATE \"C\""),
        SortKey::AutoDiskConfig
        | SortKey::Locked
        | SortKey::CreatedAt
        | SortKey::UpdatedAt
        | SortKey::LaunchedAt
        | SortKey::TerminatedAt
        | SortKey::Id
        | SortKey::InstanceTypeId
        | SortKey::LaunchIndex
        | SortKey::PowerState
        | SortKey::Progress => key.to_owned(),
        _ => format!("{key} COLLATE \"C\""),
    };
    format!("{expression} {direction} NULLS {nulls}")
}

//! A cloud in a folder of its own or on a real server, and the command pointed at it.

use std::path::Path;

use conformance::{Cloud, CloudBuilder, MariaDb, PlacedCloud, Postgres, Store};
use nova_tests::{Cellctl, Ended};
use tempfile::TempDir;

pub(crate) struct TestCloud {
    pub(crate) folder: TempDir,
    pub(crate) cloud: Cloud,
}

impl TestCloud {
    pub(crate) async fn new(builder: CloudBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cloud = builder.build(folder.path()).await.unwrap();
        Self { folder, cloud }
    }

    /// The usual one: cell0, three cells, 300 servers.
    pub(crate) async fn usual() -> Self {
        Self::new(CloudBuilder::new().servers(300)).await
    }

    /// The command on this cloud, with these further words.
    pub(crate) fn cellctl(&self, words: &[&str]) -> Cellctl {
        Cellctl::new(["--api-db", self.cloud.api_url()])
            .args(words)
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
    }

    /// The same, run to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.cellctl(words).run()
    }

    /// Changes the API database by SQL.
    pub(crate) async fn change_api(&self, sql: &str) {
        alter(self.cloud.api_path(), sql).await;
    }
}

pub(crate) async fn alter(path: &Path, sql: &str) {
    conformance::alter(path, sql).await.unwrap();
}

/// The databases of a cloud on a server: the API's, and then the cells'.
pub(crate) const NAMES: [&str; 4] = ["nova_api", "nova_cell0", "nova_cell1", "nova_cell2"];

/// Cell0 and two cells with 60 servers on one real server.
pub(crate) struct RealCloud<S> {
    _server: S,
    /// The databases' URLs, in the order of [`NAMES`].
    pub(crate) urls: Vec<String>,
    pub(crate) placed: PlacedCloud,
    pub(crate) folder: TempDir,
}

impl RealCloud<MariaDb> {
    pub(crate) async fn on_mariadb() -> Self {
        Self::of_mariadb(MariaDb::start(&NAMES).await.unwrap()).await
    }

    /// On this server, which has the databases.
    pub(crate) async fn of_mariadb(server: MariaDb) -> Self {
        let urls = NAMES.map(|name| server.url(name).expose().to_owned());
        Self::of(server, urls).await
    }
}

impl RealCloud<Postgres> {
    pub(crate) async fn on_postgres() -> Self {
        let server = Postgres::start(&NAMES).await.unwrap();
        let urls = NAMES.map(|name| server.url(name).expose().to_owned());
        Self::of(server, urls).await
    }
}

impl<S> RealCloud<S> {
    async fn of(server: S, urls: [String; 4]) -> Self {
        let cells: Vec<_> = urls[1..].iter().map(|url| url.as_str().into()).collect();
        let builder = CloudBuilder::new().servers(60);
        let placed = builder.build_on(&urls[0].as_str().into(), &cells).await;
        Self {
            _server: server,
            urls: urls.into(),
            placed: placed.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The command on this cloud with these further words, its format JSON.
    pub(crate) fn cellctl(&self, words: &[&str]) -> Cellctl {
        self.at_home(Cellctl::new(["--format", "json"])).args(words)
    }

    /// The same, run to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.cellctl(words).run()
    }

    /// A command line that is put together elsewhere, on this cloud.
    pub(crate) fn at_home(&self, cellctl: Cellctl) -> Cellctl {
        cellctl
            .env("CELLCTL_API_DB", &self.urls[0])
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
    }

    /// Changes one of the databases by SQL.
    pub(crate) async fn change(&self, database: usize, sql: &str) {
        let mut store = Store::open(&self.urls[database].as_str().into())
            .await
            .unwrap();
        store.run(sql).await.unwrap();
        store.close().await.unwrap();
    }
}

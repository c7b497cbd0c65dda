//! A cloud in a folder of its own, and the command pointed at it.

use std::path::Path;

use conformance::{Cloud, CloudBuilder};
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

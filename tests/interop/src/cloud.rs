//! A cloud that the real `nova-manage` makes, in SQLite files or on a server: empty tables, mapped cells, nothing of ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use conformance::{CloudError, Dialect, ServerSeed, Store};
use tempfile::TempDir;
use uuid::Uuid;

use crate::peers::Peers;

/// The databases of `nova_api`, cell0 and some cells; the files are gone with the value.
#[derive(Debug)]
pub struct NovaCloud {
    folder: TempDir,
    /// Of `nova_api`, and then of cell0 and each further cell.
    urls: Vec<String>,
}

impl NovaCloud {
    /// Runs `nova-manage` as an operator would: schemas, cell0, one `create_cell` per cell. About half a minute.
    ///
    /// # Panics
    /// Where a command fails; with what it said.
    #[must_use]
    pub fn create(peers: &Peers, cells: usize) -> Self {
        let folder = folder();
        let file = |name: String| url(&folder.path().join(format!("nova_{name}.sqlite")));
        let cells = (0..=cells).map(|at| format!("cell{at}"));
        let urls = std::iter::once("api".to_owned()).chain(cells).map(file);
        let urls = urls.collect();
        Self::made(peers, folder, urls)
    }

    /// The same in databases that are there and empty, given as Nova writes their URLs: `nova_api` first, then cell0's.
    ///
    /// # Panics
    /// As [`create`](Self::create).
    #[must_use]
    pub fn create_on(peers: &Peers, urls: Vec<String>) -> Self {
        Self::made(peers, folder(), urls)
    }

    fn made(peers: &Peers, folder: TempDir, urls: Vec<String>) -> Self {
        let cloud = Self { folder, urls };
        let names: Vec<String> = (0..cloud.urls.len() - 1)
            .map(|at| format!("cell{at}"))
            .collect();
        for (name, url) in names.iter().zip(&cloud.urls[1..]) {
            cloud.configure(name, url);
        }
        let run = |cell: &str, words: &[&str]| cloud.manage(peers, cell, words);
        run("cell0", &["api_db", "sync"]);
        run(
            "cell0",
            &[
                "cell_v2",
                "map_cell0",
                "--database_connection",
                &cloud.urls[1],
            ],
        );
        // Each of these has a database of its own.
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| run(name, &["db", "sync", "--local_cell"]));
            }
        });
        for (name, database) in names.iter().zip(&cloud.urls[1..]).skip(1) {
            let bus = format!("rabbit://nova:secret@127.0.0.1/{name}");
            let create = [
                "cell_v2",
                "create_cell",
                "--name",
                name,
                "--database_connection",
                database,
                "--transport-url",
                &bus,
            ];
            run("cell0", &create);
        }
        cloud
    }

    /// The URLs of `nova_api`, and then of cell0 and each further cell.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Puts these servers into Nova's own tables, cell0's first, and maps them. Gives the cells' databases, and the servers
    /// as they are there.
    ///
    /// # Panics
    /// Where a database does not take them.
    pub async fn fill(&self, cells: Vec<Vec<ServerSeed>>) -> (Vec<Store>, Vec<ServerSeed>) {
        let open = async |at: usize| Store::open(&self.urls[at].as_str().into()).await;
        let mut mappings = taken(open(0).await);
        let mapped = mappings
            .uuids("SELECT uuid FROM cell_mappings ORDER BY id")
            .await;
        let mapped = taken(mapped);
        assert_eq!(mapped.len(), cells.len(), "one mapping for each cell");
        let (mut stores, mut all) = (Vec::new(), Vec::new());
        for (at, (cell, mut servers)) in mapped.iter().zip(cells).enumerate() {
            let mut store = taken(open(at + 1).await);
            if store.dialect() == Dialect::MariaDb {
                servers.iter_mut().for_each(ServerSeed::narrow);
            }
            taken(store.refill(&servers).await);
            taken(mappings.run(&mapping(cell, &servers)).await);
            all.extend(servers);
            stores.push(store);
        }
        (stores, all)
    }

    /// The nova.conf of an API service: cell0 is its own database.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cell0.conf")
    }

    fn configure(&self, cell: &str, own: &str) {
        let folder = self.folder.path().display();
        // A dollar sign begins a reference to another option.
        let (api, own) = (self.urls[0].replace('$', "$$"), own.replace('$', "$$"));
        let text = format!(
            "[DEFAULT]\nstate_path = {folder}\nmy_ip = 127.0.0.1\nhost = oracle\ntransport_url = rabbit://127.0.0.1/\n\
             [oslo_concurrency]\nlock_path = {folder}\n[oslo_policy]\npolicy_file = {folder}/there-is-none.yaml\n\
             [api_database]\nconnection = {api}\n[database]\nconnection = {own}\n"
        );
        let path = self.folder.path().join(format!("{cell}.conf"));
        if let Err(error) = std::fs::write(&path, text) {
            panic!("{} cannot be written: {error}", path.display());
        }
    }

    fn manage(&self, peers: &Peers, cell: &str, words: &[&str]) {
        let output = Command::new(peers.program("nova-manage"))
            .current_dir(self.folder.path())
            .env("OS_NOVA_DISABLE_EVENTLET_PATCHING", "1")
            .env("PYTHONWARNINGS", "ignore")
            .arg("--config-file")
            .arg(self.folder.path().join(format!("{cell}.conf")))
            .args(words)
            .output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!(
                "nova-manage {words:?}: {}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => panic!("nova-manage cannot run: {error}"),
        }
    }
}

/// The statement that maps these servers to a cell.
fn mapping(cell: &Uuid, servers: &[ServerSeed]) -> String {
    let rows: Vec<String> = servers
        .iter()
        .map(|server| {
            let text = |text: &Option<String>| {
                text.as_ref()
                    .map_or("NULL".into(), |text| format!("'{text}'"))
            };
            let (project, user) = (text(&server.project_id), text(&server.user_id));
            let gone = if server.deleted == 0 { "FALSE" } else { "TRUE" };
            let id = format!("(SELECT id FROM cell_mappings WHERE uuid = '{cell}')");
            format!("('{}', {id}, {project}, {user}, {gone})", server.uuid)
        })
        .collect();
    let rows = rows.join(", ");
    format!(
        "INSERT INTO instance_mappings (instance_uuid, cell_id, project_id, user_id, queued_for_delete) VALUES {rows}"
    )
}

fn taken<T>(result: Result<T, CloudError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("Nova's tables do not take it: {error}"),
    }
}

fn folder() -> TempDir {
    match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => panic!("no temporary folder: {error}"),
    }
}

fn url(path: &Path) -> String {
    format!("sqlite:///{}", path.display())
}

//! A cloud that the real `nova-manage` makes, in SQLite files: empty tables, mapped cells, nothing of ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::peers::Peers;

/// The databases of `nova_api`, cell0 and some cells; gone with the value.
#[derive(Debug)]
pub struct NovaCloud {
    folder: TempDir,
}

impl NovaCloud {
    /// Runs `nova-manage` as an operator would: schemas, cell0, one `create_cell` per cell. About half a minute.
    ///
    /// # Panics
    /// Where a command fails; with what it said.
    #[must_use]
    pub fn create(peers: &Peers, cells: usize) -> Self {
        let folder = match tempfile::tempdir() {
            Ok(folder) => folder,
            Err(error) => panic!("no temporary folder: {error}"),
        };
        let cloud = Self { folder };
        let names: Vec<String> = (0..=cells).map(|at| format!("cell{at}")).collect();
        for name in &names {
            cloud.configure(name);
        }
        let run = |cell: &str, words: &[&str]| cloud.manage(peers, cell, words);
        run("cell0", &["api_db", "sync"]);
        let cell0 = cloud.url("cell0");
        run(
            "cell0",
            &["cell_v2", "map_cell0", "--database_connection", &cell0],
        );
        // Each of these has a file of its own.
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| run(name, &["db", "sync", "--local_cell"]));
            }
        });
        for name in names.iter().skip(1) {
            let (database, bus) = (
                cloud.url(name),
                format!("rabbit://nova:secret@127.0.0.1/{name}"),
            );
            let create = [
                "cell_v2",
                "create_cell",
                "--name",
                name,
                "--database_connection",
                &database,
                "--transport-url",
                &bus,
            ];
            run("cell0", &create);
        }
        cloud
    }

    /// The file of `nova_api`.
    #[must_use]
    pub fn api(&self) -> PathBuf {
        self.folder.path().join("nova_api.sqlite")
    }

    /// The nova.conf of an API service: cell0 is its own database.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cell0.conf")
    }

    fn url(&self, cell: &str) -> String {
        url(&self.folder.path().join(format!("nova_{cell}.sqlite")))
    }

    fn configure(&self, cell: &str) {
        let folder = self.folder.path().display();
        let (api, own) = (url(&self.api()), self.url(cell));
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

fn url(path: &Path) -> String {
    format!("sqlite:///{}", path.display())
}

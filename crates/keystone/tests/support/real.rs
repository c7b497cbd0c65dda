//! A real Keystone on loopback, for one test: its own database, its own keys, ended with the test however that ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;

use super::environment::{Environment, PASSWORD, Settings, configure};

/// A running Keystone.
pub(crate) struct Keystone {
    environment: Environment,
    folder: TempDir,
    port: u16,
    process: Option<(Child, ChildStdin)>,
}

impl Keystone {
    pub(crate) fn start(settings: &Settings) -> Self {
        let environment = Environment::ready();
        let folder = TempDir::new().expect("a folder");
        environment.copy_cloud(folder.path());
        configure(folder.path(), settings);
        let mut this = Self {
            environment,
            folder,
            port: 0,
            process: None,
        };
        this.serve();
        this
    }

    /// Serves on the port of before, or on any the first time.
    pub(crate) fn serve(&mut self) {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/support/keystone/serve.py"
        );
        let errors = fs::File::create(self.folder.path().join("stderr")).expect("a file");
        let mut child = Command::new(self.environment.python())
            .env("PYTHONWARNINGS", "ignore")
            .arg(script)
            .arg(self.folder.path())
            .arg(self.port.to_string())
            .arg(self.log())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("python");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = child.stdout.take().expect("a pipe");
        self.process = Some((child, stdin));
        // The line comes when the port is open.
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        self.port = line.trim().parse().unwrap_or_else(|_| {
            let errors = fs::read_to_string(self.folder.path().join("stderr"));
            panic!("keystone did not start: {}", errors.unwrap_or_default())
        });
    }

    /// Replaces the keys that tokens are made with; every token issued before becomes worthless.
    pub(crate) fn forget_keys(&self) {
        for name in ["0", "1"] {
            let key = self.folder.path().join("fernet").join(name);
            let old = fs::read_to_string(&key).expect("a key");
            let turned: String = old.trim_end_matches('=').chars().rev().collect();
            // The last digit of a key of 32 bytes carries 4 bits; `A` is one it can be.
            let (rest, _) = turned.split_at(turned.len() - 1);
            fs::write(&key, format!("{rest}A=")).expect("to write a key");
        }
    }

    /// Kills it, by its own process id.
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, _stdin)) = self.process.take() {
            child.kill().expect("to kill a child");
            child.wait().expect("to wait for a child");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v3", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("requests")
    }

    /// What it has answered so far, as `METHOD path?query status`.
    pub(crate) fn answered(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// How often it has answered this.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        let answered = self.answered();
        answered
            .iter()
            .filter(|line| line.starts_with(prefix))
            .count()
    }

    /// The administrator's service user.
    pub(crate) fn admin(&self) -> nova_keystone::ServiceUser {
        super::service_user(&self.url(), super::admin(PASSWORD))
    }
}

impl Drop for Keystone {
    fn drop(&mut self) {
        self.kill();
    }
}

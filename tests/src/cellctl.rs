//! One run of the command, and what a user sees of it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A command line being put together.
#[derive(Debug)]
pub struct Cellctl {
    command: Command,
}

/// What is left of a run.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// Wall-clock time of the whole process.
    pub elapsed: Duration,
}

impl Cellctl {
    /// The command with these words, without this test's own environment: only what it needs to run, and a state folder
    /// that nobody else uses.
    ///
    /// # Panics
    /// Where `cellctl` cannot be built.
    #[must_use]
    pub fn new<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Self {
        Self::of(Command::new(binary()), words)
    }

    /// The same command, which heeds these signals (`INT,TERM`) and ignores those (`HUP`), whatever this test's own process
    /// does: a script that runs tests in the background has them ignore ^C.
    ///
    /// # Panics
    /// Where `cellctl` cannot be built.
    #[must_use]
    pub fn with_signals<W: AsRef<OsStr>>(
        heeded: &str,
        ignored: &str,
        words: impl IntoIterator<Item = W>,
    ) -> Self {
        let mut command = Command::new("env");
        command
            .arg(format!("--default-signal={heeded}"))
            .arg(format!("--ignore-signal={ignored}"))
            .arg(binary());
        Self::of(command, words)
    }

    fn of<W: AsRef<OsStr>>(mut command: Command, words: impl IntoIterator<Item = W>) -> Self {
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        Self { command }
    }

    /// Where the built command is, for tests that run it in a shell.
    ///
    /// # Panics
    /// Where it cannot be built.
    #[must_use]
    pub fn program() -> &'static Path {
        binary()
    }

    /// Adds words.
    #[must_use]
    pub fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command.args(words);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Starts it, for a command that goes on until it is stopped.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        let started = self.command.stdout(Stdio::piped()).spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => panic!("running cellctl: {error}"),
        };
        let (told, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if told.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Running { child, lines }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// Where it cannot be started, or writes what is not UTF-8.
    #[must_use]
    pub fn run(mut self) -> Ended {
        let begun = Instant::now();
        let output = match self.command.output() {
            Ok(output) => output,
            Err(error) => panic!("running cellctl: {error}"),
        };
        let elapsed = begun.elapsed();
        let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => panic!("cellctl wrote what is not UTF-8: {error}"),
        };
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            elapsed,
        }
    }
}

/// A command that runs; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

/// Longest wait for something that a running command does at once.
const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    /// Waits for a line of stdout that is a JSON document of which this holds. Lines before it are passed over.
    ///
    /// # Panics
    /// Where none comes.
    pub fn document(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(document) if wanted(&document) => return document,
                    _ => seen.push(line),
                },
                Err(error) => panic!("{error}; what came: {seen:#?}"),
            }
        }
    }

    /// Sends it a signal by its name: `HUP`, `TERM`.
    ///
    /// # Panics
    /// Where it is not there any more.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "signal {name}");
    }

    /// Waits for its end, and gives its exit code.
    ///
    /// # Panics
    /// Where it cannot be waited for.
    #[must_use]
    pub fn ended(mut self) -> Option<i32> {
        match self.child.wait() {
            Ok(status) => status.code(),
            Err(error) => panic!("waiting for cellctl: {error}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Ended {
    /// The JSON document on stdout.
    ///
    /// # Panics
    /// Where stdout is not exactly one document.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(document) => document,
            Err(error) => panic!("stdout is not one JSON document: {error}\n{self:?}"),
        }
    }

    /// Everything a user sees.
    #[must_use]
    pub fn everything(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The built command. Cargo only builds a package's commands for tests of that package, so it is asked here; where nothing
/// has changed that takes a moment.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        for (name, _) in std::env::vars_os() {
            // What cargo says of this test's own package: build scripts that look at it would build anew, and everything
            // behind them.
            let ours = [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_CRATE_",
                "CARGO_BIN_",
            ];
            if name
                .to_str()
                .is_some_and(|name| ours.iter().any(|prefix| name.starts_with(prefix)))
            {
                build.env_remove(&name);
            }
        }
        let output = build
            .args([
                "build",
                "--locked",
                "--package",
                "cellctl",
                "--message-format",
                "json",
            ])
            .current_dir(manifest)
            .stderr(Stdio::inherit())
            .output();
        let output = match output {
            Ok(output) if output.status.success() => output,
            other => panic!("building cellctl: {other:?}"),
        };
        let found = output.stdout.split(|byte| *byte == b'\n').find_map(|line| {
            let message: Value = serde_json::from_slice(line).ok()?;
            let is_ours = message["target"]["name"] == "cellctl";
            message["executable"]
                .as_str()
                .filter(|_| is_ours)
                .map(PathBuf::from)
        });
        match found {
            Some(path) => path,
            None => panic!("cargo built cellctl but did not say where it is"),
        }
    })
}

//! A server's process: ended by its id when its handle is dropped, and also when this whole process is killed.
//!
//! A shell stands between: it waits on a pipe from here, and when that closes, for whatever reason, it ends the one process
//! it started. The folder is removed with the handle; it stays behind where this process is killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::{ServerError, tail};

const GUARD: &str = r#"
folder=$1; ending=$2; shift 2
"$@" </dev/null >>"$folder/log" 2>&1 & server=$!
echo "$server"
cat >/dev/null
kill -s "$ending" "$server" 2>/dev/null
kill -s CONT "$server" 2>/dev/null
(sleep 5; kill -s KILL "$server" 2>/dev/null) >/dev/null 2>&1 & late=$!
wait "$server" 2>/dev/null
kill "$late" 2>/dev/null
"#;

/// Longest time until a server takes connections, on a busy machine. RabbitMQ computes for five seconds until it does.
const READY: Duration = Duration::from_secs(120);

/// What is started, and how one knows it has.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    pub(super) program: &'static str,
    pub(super) command: Vec<String>,
    /// The text of its log that says it takes connections.
    pub(super) ready: &'static str,
    /// The signal that ends it at once.
    pub(super) ending: &'static str,
}

#[derive(Debug)]
pub(super) struct Guarded {
    daemon: Daemon,
    guard: Child,
    process: u32,
    folder: tempfile::TempDir,
}

impl Guarded {
    /// Starts a server with its files in `folder`, and waits until it is ready.
    pub(super) fn start(daemon: Daemon, folder: tempfile::TempDir) -> Result<Self, ServerError> {
        let failed = "the server's process could not be started";
        File::create(folder.path().join("log")).map_err(ServerError::io(failed))?;
        let (guard, process) = spawn(folder.path(), &daemon)?;
        let server = Self {
            daemon,
            guard,
            process,
            folder,
        };
        server.wait()?;
        Ok(server)
    }

    /// Ends it and starts it again.
    pub(super) fn restart(&mut self) -> Result<(), ServerError> {
        end(&mut self.guard);
        let failed = "the server's log cannot be emptied";
        File::create(self.folder.path().join("log")).map_err(ServerError::io(failed))?;
        (self.guard, self.process) = spawn(self.folder.path(), &self.daemon)?;
        self.wait()
    }

    /// Sends the server and all its processes a signal: `STOP`, `CONT`, `KILL`. What is stopped does nothing any more once this
    /// returns: a thread that is running when the signal comes goes on for a moment.
    pub(super) fn signal(&self, name: &str) -> Result<(), ServerError> {
        let id = self.process;
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let mut command = Command::new("kill");
        command.args(["-s", name, &id.to_string()]);
        super::setup::run("kill", &mut command)?;
        for child in children.split_whitespace() {
            // One that has ended meanwhile is no failure.
            let _status = Command::new("kill")
                .args(["-s", name, child])
                .stderr(Stdio::null())
                .status();
        }
        if name == "STOP" {
            let id = id.to_string();
            let all = || children.split_whitespace().chain([&*id]).all(has_stopped);
            let deadline = Instant::now() + READY;
            while !all() {
                if Instant::now() > deadline {
                    return Err(ServerError::io("the server does not stop")(
                        std::io::ErrorKind::TimedOut.into(),
                    ));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn wait(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + READY;
        loop {
            let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            if log.contains(self.daemon.ready) {
                return Ok(());
            }
            if Instant::now() > deadline || !self.is_running() {
                return Err(ServerError::NotReady {
                    program: self.daemon.program,
                    log: tail(&log),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_running(&self) -> bool {
        // A process that ended is a zombie until the guard ends, too.
        let state = state(Path::new(&format!("/proc/{}", self.process)));
        state.is_some_and(|state| state != 'Z')
    }
}

/// The state of a process or a thread, by its folder; none where it is not there. It is the third field of its `stat`, after
/// the name in parentheses.
fn state(folder: &Path) -> Option<char> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Whether no thread of a process runs any more.
fn has_stopped(process: &str) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return true;
    };
    let stopped = |folder: &Path| state(folder).is_none_or(|state| "TtZX".contains(state));
    threads.flatten().all(|thread| stopped(&thread.path()))
}

impl Drop for Guarded {
    fn drop(&mut self) {
        end(&mut self.guard);
    }
}

fn spawn(folder: &Path, daemon: &Daemon) -> Result<(Child, u32), ServerError> {
    let failed = "the server's process could not be started";
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .arg(folder)
        .arg(daemon.ending)
        .args(&daemon.command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(ServerError::io(failed))?;
    let mut line = String::new();
    if let Some(output) = guard.stdout.take() {
        BufReader::new(output)
            .read_line(&mut line)
            .map_err(ServerError::io(failed))?;
    }
    let process = line.trim().parse().map_err(|_| {
        end(&mut guard);
        ServerError::io(failed)(std::io::ErrorKind::InvalidData.into())
    })?;
    Ok((guard, process))
}

fn end(guard: &mut Child) {
    // The pipe's end is what the guard waits for; the folder must not go before the server has.
    drop(guard.stdin.take());
    let _status = guard.wait();
}

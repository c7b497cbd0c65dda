//! What all servers have in common: the login, free ports, folders, and programs that prepare files.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{ServerError, tail};
use super::tls::ServerTls;

/// The login of every private server: no superuser, owner of its databases.
pub const USER: &str = "nova";

/// Its password: awkward on purpose, since every character of it means something in a URL.
pub const PASSWORD: &str = "p@ss:w/rd%2F?#&";

/// The password as it is written in a URL.
pub(super) const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%252F%3F%23%26";

/// What a database server is to have.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) databases: Vec<String>,
    pub(super) tls: Option<ServerTls>,
    /// The authority of the certificates without which nobody comes in.
    pub(super) clients: Option<PathBuf>,
    /// Megabytes of a disk of its own.
    pub(super) disk: Option<u32>,
    /// Megabytes of memory for tables, where the usual few are too few.
    pub(super) memory: Option<u32>,
}

impl Wanted {
    pub(super) fn new(databases: &[&str]) -> Self {
        Self {
            databases: databases.iter().map(|name| (*name).to_owned()).collect(),
            ..Self::default()
        }
    }

    pub(super) fn with_tls(self, tls: Option<ServerTls>) -> Self {
        Self { tls, ..self }
    }
}

/// The small disk's folder, in the server's own.
pub(super) const SMALL_DISK: &str = "small";

/// A copy of a file that the server's user can read and nobody else.
pub(super) fn copied(
    from: &Path,
    folder: &Path,
    name: &str,
    ids: Option<Ids>,
) -> Result<PathBuf, ServerError> {
    let to = folder.join(name);
    let failed = "the server's certificate cannot be copied";
    std::fs::copy(from, &to).map_err(ServerError::io(failed))?;
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600))
        .map_err(ServerError::io(failed))?;
    Ids::own(ids, &to)?;
    Ok(to)
}

/// A port that nobody listened on a moment ago.
pub(super) fn free_port() -> Result<u16, ServerError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(ServerError::io("no free port"))
}

/// A system user's ids, where this process is root and has to change to it: servers refuse to run as root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Ids {
    pub(super) fn of(name: &str) -> Result<Option<Self>, ServerError> {
        if !is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd")
            .map_err(ServerError::io("the users cannot be read"))?;
        let found = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then_some(())?;
            let user = fields.nth(1)?.parse().ok()?;
            let group = fields.next()?.parse().ok()?;
            Some(Self { user, group })
        });
        Ok(found)
    }

    /// The words before a command that make it this user's. util-linux; the guard's shell stays root, so that it can end
    /// what it started.
    pub(super) fn switch(self) -> Vec<String> {
        vec![
            "setpriv".into(),
            format!("--reuid={}", self.user),
            format!("--regid={}", self.group),
            "--clear-groups".into(),
        ]
    }

    /// Makes a file or folder this user's.
    pub(super) fn own(ids: Option<Self>, path: &Path) -> Result<(), ServerError> {
        match ids {
            None => Ok(()),
            Some(ids) => chown(path, Some(ids.user), Some(ids.group))
                .map_err(ServerError::io("a file cannot change its owner")),
        }
    }
}

pub(super) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of this process's own folder is its effective user.
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Runs a program to its end, wants it to end well, and gives what it printed.
pub(super) fn run(program: &'static str, command: &mut Command) -> Result<String, ServerError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(ServerError::io("a program could not be run"))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(ServerError::Failed {
        program,
        output: tail(&text),
    })
}

/// Starting a server takes seconds of waiting on processes: off the runtime's own threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServerError> + Send + 'static,
) -> Result<T, ServerError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

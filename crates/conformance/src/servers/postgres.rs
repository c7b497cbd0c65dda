//! A private PostgreSQL.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cells::SecretText;

use super::disk::small_disk;
use super::error::ServerError;
use super::guarded::{Daemon, Guarded};
use super::packages::need;
use super::setup::{
    Ids, PASSWORD, PASSWORD_IN_URL, SMALL_DISK, USER, Wanted, blocking, copied, free_port, run,
};
use super::tls::ServerTls;

/// A running PostgreSQL with the given databases, stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    server: Guarded,
    port: u16,
}

const PACKAGE: &str = "postgresql";

impl Postgres {
    /// Starts one with these databases, owned by [`USER`](super::USER).
    ///
    /// # Errors
    /// [`ServerError`] where it cannot be installed or does not start.
    pub async fn start(databases: &[&str]) -> Result<Self, ServerError> {
        Self::start_with(databases, None).await
    }

    /// Starts one that also speaks TLS.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        databases: &[&str],
        tls: Option<ServerTls>,
    ) -> Result<Self, ServerError> {
        let wanted = Wanted::new(databases).with_tls(tls);
        blocking(move || Self::start_blocking(&wanted)).await
    }

    /// Starts one that has, besides, a [small disk](Self::small_disk) of so many megabytes.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_small_disk(
        databases: &[&str],
        megabytes: u32,
    ) -> Result<Self, ServerError> {
        let wanted = Wanted {
            disk: Some(megabytes),
            ..Wanted::new(databases)
        };
        blocking(move || Self::start_blocking(&wanted)).await
    }

    /// Starts one that lets [`USER`](super::USER) in over TLS alone, with the password and a certificate that this authority
    /// (a PEM file) has signed.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_for_certified(
        databases: &[&str],
        tls: ServerTls,
        authority: &Path,
    ) -> Result<Self, ServerError> {
        let wanted = Wanted {
            clients: Some(authority.to_owned()),
            ..Wanted::new(databases).with_tls(Some(tls))
        };
        blocking(move || Self::start_blocking(&wanted)).await
    }

    fn start_blocking(wanted: &Wanted) -> Result<Self, ServerError> {
        let daemon = need("postgres", PACKAGE)?;
        let installer = need("initdb", PACKAGE)?;
        let folder = tempfile::tempdir().map_err(ServerError::io("no temporary folder"))?;
        let ids = Ids::of("postgres")?;
        Ids::own(ids, folder.path())?;
        let data = folder.path().join("data");
        let mut install = Command::new(installer);
        install
            .arg("--pgdata")
            .arg(&data)
            .args([
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            // The superuser comes in without a password; everybody else logs in.
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
        become_user(&mut install, ids);
        run("initdb", &mut install)?;
        let others = match wanted.clients {
            Some(_) => "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca",
            None => "host all all 127.0.0.1/32 scram-sha-256",
        };
        std::fs::write(
            data.join("pg_hba.conf"),
            format!("host all postgres 127.0.0.1/32 trust\n{others}\n"),
        )
        .map_err(ServerError::io("the server's access rules"))?;

        let mut sql = format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'\n");
        for name in &wanted.databases {
            sql.push_str(&format!("CREATE DATABASE {name} OWNER {USER}\n"));
        }
        single_user(&daemon, &data, ids, &sql)?;

        let port = free_port()?;
        let mut command = match wanted.disk {
            Some(megabytes) => small_disk(&folder.path().join(SMALL_DISK), megabytes, ids)?,
            None => Vec::new(),
        };
        command.extend(ids.map_or_else(Vec::new, Ids::switch));
        command.extend([
            daemon.display().to_string(),
            "-D".into(),
            data.display().to_string(),
            "-p".into(),
            port.to_string(),
        ]);
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", folder.path().display()),
            "fsync=off".into(),
            "shared_buffers=16MB".into(),
            "max_connections=64".into(),
            "lc_messages=C".into(),
        ];
        if let Some(tls) = &wanted.tls {
            let tls = tls.copied(folder.path(), ids)?;
            settings.push("ssl=on".into());
            settings.push(format!("ssl_cert_file={}", tls.certificate.display()));
            settings.push(format!("ssl_key_file={}", tls.key.display()));
        }
        if let Some(clients) = &wanted.clients {
            let copy = copied(clients, folder.path(), "clients.pem", ids)?;
            settings.push(format!("ssl_ca_file={}", copy.display()));
        }
        for setting in settings {
            command.extend(["-c".to_owned(), setting]);
        }
        let daemon = Daemon {
            program: "postgres",
            command,
            ready: "database system is ready to accept connections",
            // At once, but its own processes with it, which a killed server would leave behind for a while.
            ending: "QUIT",
        };
        let server = Guarded::start(daemon, folder)?;
        Ok(Self { server, port })
    }

    /// The URL of one of its databases, as Nova writes them.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretText {
        let port = self.port;
        SecretText::new(format!(
            "postgresql+psycopg2://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{port}/{database}"
        ))
    }

    /// Its port on 127.0.0.1. Its superuser is `postgres`, without a password.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder; gone with the server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// A folder that only the server sees: a disk of its own, which can be filled (`CREATE TABLESPACE`). Empty again after a
    /// restart.
    #[must_use]
    pub fn small_disk(&self) -> PathBuf {
        self.folder().join(SMALL_DISK)
    }

    /// Sends all processes of the server a signal by its name: `STOP`, `CONT`, `KILL`.
    ///
    /// # Errors
    /// [`ServerError`] where it is not there any more.
    pub fn signal(&self, name: &str) -> Result<(), ServerError> {
        self.server.signal(name)
    }

    /// Starts it again, on the same port and data, after it was killed.
    ///
    /// # Errors
    /// [`ServerError`] where it does not start.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.server.restart()
    }
}

fn become_user(command: &mut Command, ids: Option<Ids>) {
    if let Some(ids) = ids {
        command.uid(ids.user).gid(ids.group).current_dir("/");
    }
}

/// Runs one statement a line without a server: no client program is needed for the first login.
fn single_user(daemon: &Path, data: &Path, ids: Option<Ids>, sql: &str) -> Result<(), ServerError> {
    let failed = "postgres --single could not be run";
    let mut command = Command::new(daemon);
    command
        .args(["--single", "-F", "-c", "exit_on_error=true", "-D"])
        .arg(data)
        .arg("postgres")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    become_user(&mut command, ids);
    let mut child = command.spawn().map_err(ServerError::io(failed))?;
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(sql.as_bytes())
            .map_err(ServerError::io(failed))?;
    }
    let output = child.wait_with_output().map_err(ServerError::io(failed))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(ServerError::Failed {
            program: "postgres --single",
            output: super::error::tail(&String::from_utf8_lossy(&output.stderr)),
        }),
    }
}

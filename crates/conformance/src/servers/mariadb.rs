//! A private MariaDB.

use std::path::{Path, PathBuf};
use std::process::Command;

use cells::SecretText;

use super::disk::small_disk;
use super::error::ServerError;
use super::guarded::{Daemon, Guarded};
use super::packages::need;
use super::setup::{
    Ids, PASSWORD, PASSWORD_IN_URL, SMALL_DISK, USER, Wanted, blocking, copied, free_port, run,
};
use super::tls::ServerTls;

/// A running MariaDB with the given databases, stopped when dropped.
#[derive(Debug)]
pub struct MariaDb {
    server: Guarded,
    port: u16,
}

const PACKAGE: &str = "mariadb-server";

impl MariaDb {
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

    /// Starts one for figures: with so many megabytes for its tables. Those of tests have few, and would read every page of a
    /// large table from the disk again and again. (Late releases of 10.11 give a server that runs no more than it began with.)
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_memory(
        databases: &[&str],
        megabytes: u32,
    ) -> Result<Self, ServerError> {
        let wanted = Wanted {
            memory: Some(megabytes),
            ..Wanted::new(databases)
        };
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
        let daemon = need("mariadbd", PACKAGE)?;
        let installer = need("mariadb-install-db", PACKAGE)?;
        let folder = tempfile::tempdir().map_err(ServerError::io("no temporary folder"))?;
        let ids = Ids::of("mysql")?;
        Ids::own(ids, folder.path())?;
        let data = folder.path().join("data");
        // A folder of its own: a server that starts removes what it takes for its leftovers, and in /tmp that is another's.
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary)
            .map_err(ServerError::io("no folder for temporary tables"))?;
        Ids::own(ids, &temporary)?;
        let temporary = format!("--tmpdir={}", temporary.display());
        let sizes = [
            "--innodb-log-file-size=4M".to_owned(),
            format!("--innodb-buffer-pool-size={}M", wanted.memory.unwrap_or(16)),
        ];
        let mut install = Command::new(installer);
        install
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .args(ids.map(|_| "--user=mysql"))
            .args(&sizes)
            .arg(&temporary);
        run("mariadb-install-db", &mut install)?;

        let init = folder.path().join("init.sql");
        let certified = if wanted.clients.is_some() {
            " REQUIRE X509"
        } else {
            ""
        };
        let mut sql = format!(
            "CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'{certified};\n"
        );
        for name in &wanted.databases {
            sql.push_str(&format!(
                "CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8;\nGRANT ALL ON `{name}`.* TO '{USER}'@'%';\n"
            ));
        }
        std::fs::write(&init, sql).map_err(ServerError::io("the first statements"))?;
        Ids::own(ids, &init)?;

        let port = free_port()?;
        let mut command = match wanted.disk {
            Some(megabytes) => small_disk(&folder.path().join(SMALL_DISK), megabytes, ids)?,
            None => Vec::new(),
        };
        command.extend([
            daemon.display().to_string(),
            "--no-defaults".into(),
            format!("--datadir={}", data.display()),
            format!("--socket={}", folder.path().join("socket").display()),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".into(),
            "--skip-name-resolve".into(),
            "--innodb-flush-log-at-trx-commit=0".into(),
            "--max-connections=1200".into(),
            temporary,
        ]);
        command.extend(sizes);
        command.extend(ids.map(|_| "--user=mysql".to_owned()));
        if let Some(tls) = &wanted.tls {
            let tls = tls.copied(folder.path(), ids)?;
            command.push(format!("--ssl-cert={}", tls.certificate.display()));
            command.push(format!("--ssl-key={}", tls.key.display()));
        }
        if let Some(clients) = &wanted.clients {
            let copy = copied(clients, folder.path(), "clients.pem", ids)?;
            command.push(format!("--ssl-ca={}", copy.display()));
        }
        // Read at each start, so it must be right again on the second.
        command.push(format!("--init-file={}", init.display()));
        let daemon = Daemon {
            program: "mariadbd",
            command,
            ready: "ready for connections",
            ending: "KILL",
        };
        let server = Guarded::start(daemon, folder)?;
        Ok(Self { server, port })
    }

    /// The URL of one of its databases, as Nova writes them.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretText {
        let port = self.port;
        SecretText::new(format!(
            "mysql+pymysql://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{port}/{database}?charset=utf8"
        ))
    }

    /// Its port on 127.0.0.1. Its superuser is `root`, without a password.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder; gone with the server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// A folder that only the server sees: a disk of its own, which can be filled (`CREATE TABLE … DATA DIRECTORY`). Empty
    /// again after a restart.
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

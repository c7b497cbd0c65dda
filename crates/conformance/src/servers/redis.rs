//! A private Redis.

use std::path::Path;

use cells::SecretText;

use super::error::ServerError;
use super::guarded::{Daemon, Guarded};
use super::packages::need;
use super::setup::{Ids, PASSWORD, PASSWORD_IN_URL, USER, blocking, free_port};
use super::tls::ServerTls;

/// A running Redis, stopped when dropped. [`USER`](super::USER) may do everything; nobody comes in without a password.
///
/// What it has acknowledged is there again after a [`restart`](Self::restart): it keeps a log of its writes.
#[derive(Debug)]
pub struct Redis {
    server: Guarded,
    port: u16,
    tls: bool,
}

pub(super) const PACKAGE: &str = "redis-server";

impl Redis {
    /// Starts one.
    ///
    /// # Errors
    /// [`ServerError`] where it cannot be installed or does not start.
    pub async fn start() -> Result<Self, ServerError> {
        Self::start_with(None).await
    }

    /// Starts one that speaks TLS and nothing else, where a certificate is given.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(tls: Option<ServerTls>) -> Result<Self, ServerError> {
        blocking(move || Self::start_blocking(tls.as_ref(), None)).await
    }

    /// Starts one, as a copy of the one on that port where there is one. Each can be a copy of the other.
    pub(super) fn start_blocking(
        tls: Option<&ServerTls>,
        copy_of: Option<u16>,
    ) -> Result<Self, ServerError> {
        let daemon = need("redis-server", PACKAGE)?;
        let folder = tempfile::tempdir().map_err(ServerError::io("no temporary folder"))?;
        let ids = Ids::of("redis")?;
        Ids::own(ids, folder.path())?;
        let port = free_port()?;
        let mut settings = format!(
            "bind 127.0.0.1\nprotected-mode no\ndir {}\nsave \"\"\nappendonly yes\nappendfsync no\n\
             user default off\nuser {USER} on \">{PASSWORD}\" ~* &* +@all\n\
             masteruser {USER}\nmasterauth \"{PASSWORD}\"\nrepl-diskless-sync-delay 0\n",
            folder.path().display()
        );
        if let Some(port) = copy_of {
            settings.push_str(&format!("replicaof 127.0.0.1 {port}\n"));
        }
        match tls {
            None => settings.push_str(&format!("port {port}\n")),
            Some(tls) => {
                let tls = tls.copied(folder.path(), ids)?;
                settings.push_str(&format!(
                    "port 0\ntls-port {port}\ntls-auth-clients no\ntls-cert-file {}\ntls-key-file {}\n",
                    tls.certificate.display(),
                    tls.key.display()
                ));
            }
        }
        let file = folder.path().join("redis.conf");
        std::fs::write(&file, settings).map_err(ServerError::io("the server's settings"))?;
        Ids::own(ids, &file)?;
        let mut command = ids.map_or_else(Vec::new, Ids::switch);
        command.extend([daemon.display().to_string(), file.display().to_string()]);
        let daemon = Daemon {
            program: "redis-server",
            command,
            ready: match copy_of {
                None => "Ready to accept connections",
                Some(_) => "sync: Finished with success",
            },
            ending: "KILL",
        };
        let server = Guarded::start(daemon, folder)?;
        Ok(Self {
            server,
            port,
            tls: tls.is_some(),
        })
    }

    /// Its URL, with the login.
    #[must_use]
    pub fn url(&self) -> SecretText {
        let (scheme, port) = (if self.tls { "rediss" } else { "redis" }, self.port);
        SecretText::new(format!(
            "{scheme}://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{port}/"
        ))
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder; gone with the server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Sends the server a signal by its name: `STOP`, `CONT`, `KILL`.
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

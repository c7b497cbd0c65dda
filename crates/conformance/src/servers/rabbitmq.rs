//! A private RabbitMQ, with an Erlang port mapper of its own: nothing of it is seen by another node of this machine.
//!
//! It is started without the distribution's scripts and with the applications it needs and no others: looking through all
//! its plugins is three quarters of its start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cells::SecretText;

use super::erlang::needed_by;
use super::error::ServerError;
use super::guarded::{Daemon, Guarded};
use super::packages::need;
use super::setup::{Ids, PASSWORD, PASSWORD_IN_URL, USER, blocking, free_port, run};
use super::tls::ServerTls;

/// A running RabbitMQ with the given virtual hosts, stopped when dropped. [`USER`](super::USER) may do everything in them.
#[derive(Debug)]
pub struct RabbitMq {
    // Dropped first: a node that loses its port mapper complains.
    server: Guarded,
    _names: Guarded,
    port: u16,
    names_port: u16,
    ids: Option<Ids>,
    ready: Duration,
}

const PACKAGE: &str = "rabbitmq-server";

/// The name and the password of the other user.
const PEER: &str = "peer";

const NODE: &str = "nova@localhost";

/// Where Debian puts RabbitMQ's applications, below a folder with its version.
const LIBRARY: &str = "/usr/lib/rabbitmq/lib";

impl RabbitMq {
    /// Starts one with the virtual host `/` and these.
    ///
    /// # Errors
    /// [`ServerError`] where it cannot be installed or does not start.
    pub async fn start(virtual_hosts: &[&str]) -> Result<Self, ServerError> {
        Self::start_with(virtual_hosts, None).await
    }

    /// Starts one that speaks TLS and nothing else, where a certificate is given.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        virtual_hosts: &[&str],
        tls: Option<ServerTls>,
    ) -> Result<Self, ServerError> {
        let hosts: Vec<String> = virtual_hosts
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        blocking(move || Self::start_blocking(&hosts, tls.as_ref())).await
    }

    fn start_blocking(
        virtual_hosts: &[String],
        tls: Option<&ServerTls>,
    ) -> Result<Self, ServerError> {
        let begun = Instant::now();
        need("rabbitmq-server", PACKAGE)?;
        let (erl, mapper) = (need("erl", PACKAGE)?, need("epmd", PACKAGE)?);
        let ids = Ids::of("rabbitmq")?;
        let folder = tempfile::tempdir().map_err(ServerError::io("no temporary folder"))?;
        Ids::own(ids, folder.path())?;
        let (port, names_port, node_port) = (free_port()?, free_port()?, free_port()?);
        let names = name_server(&mapper, ids, names_port)?;

        let applications = applications(folder.path())?;
        write(
            folder.path(),
            ids,
            "definitions.json",
            &definitions(virtual_hosts),
        )?;
        let listener = match tls {
            None => format!("{{tcp_listeners, [{{\"127.0.0.1\", {port}}}]}}"),
            Some(tls) => {
                let tls = tls.copied(folder.path(), ids)?;
                format!(
                    "{{tcp_listeners, []}}, {{ssl_listeners, [{{\"127.0.0.1\", {port}}}]}}, \
                     {{ssl_options, [{{certfile, \"{}\"}}, {{keyfile, \"{}\"}}, {{verify, verify_none}}]}}",
                    tls.certificate.display(),
                    tls.key.display()
                )
            }
        };
        let at = folder.path().display();
        // The trailing list is what Erlang's own configuration files have: one term, and a full stop.
        let settings = format!(
            "[{{rabbit, [{{load_definitions, \"{at}/definitions.json\"}}, {listener}]}}].\n"
        );
        write(folder.path(), ids, "advanced.config", &settings)?;

        let mut command = words(ids, &folder, names_port);
        command.extend([
            format!("ERL_LIBS={}", applications.display()),
            format!("RABBITMQ_NODENAME={NODE}"),
            format!("RABBITMQ_DIST_PORT={node_port}"),
            format!("RABBITMQ_MNESIA_BASE={at}/mnesia"),
            format!("RABBITMQ_LOG_BASE={at}/logs"),
            "RABBITMQ_LOGS=-".into(),
            // Files that are not there: this machine's own settings are none of ours.
            format!("RABBITMQ_CONFIG_FILE={at}/none"),
            format!("RABBITMQ_CONF_ENV_FILE={at}/none-env"),
            format!("RABBITMQ_ENABLED_PLUGINS_FILE={at}/none-plugins"),
            format!("RABBITMQ_ADVANCED_CONFIG_FILE={at}/advanced.config"),
            format!("RABBITMQ_GENERATED_CONFIG_DIR={at}/generated"),
            format!("RABBITMQ_FEATURE_FLAGS_FILE={at}/flags"),
            erl.display().to_string(),
        ]);
        // As the distribution's script starts it, but for schedulers that spin or stick to a processor.
        let arguments = "-noinput -s rabbit boot -boot start_sasl +W w +sbwt none +sbwtdcpu none +sbwtdio none +stbt u \
             +S 2:2 -start_epmd false -syslog logger [] -syslog syslog_error_logger false \
             -kernel prevent_overlapping_partitions false";
        command.extend(arguments.split_whitespace().map(String::from));
        let daemon = Daemon {
            program: "rabbitmq",
            command,
            ready: "Server startup complete",
            ending: "KILL",
        };
        let server = Guarded::start(daemon, folder)?;
        Ok(Self {
            server,
            _names: names,
            port,
            names_port,
            ids,
            ready: begun.elapsed(),
        })
    }

    /// The URL of one of its virtual hosts, as Nova writes them.
    #[must_use]
    pub fn url(&self, virtual_host: &str) -> SecretText {
        let (port, host) = (self.port, virtual_host.trim_start_matches('/'));
        SecretText::new(format!(
            "rabbit://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{port}/{host}"
        ))
    }

    /// The same for clients written in Python, which cannot use a password with a slash (W-27): as another user.
    #[must_use]
    pub fn plain_url(&self, virtual_host: &str) -> SecretText {
        let (port, host) = (self.port, virtual_host.trim_start_matches('/'));
        SecretText::new(format!("rabbit://{PEER}:{PEER}@127.0.0.1:{port}/{host}"))
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How long it took until it was ready.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready
    }

    /// Its folder; gone with the server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Blocks all publishers, as a broker without memory does, or lets them go on.
    ///
    /// # Errors
    /// [`ServerError`] where the node cannot be told.
    pub async fn block(&self, blocked: bool) -> Result<(), ServerError> {
        let share = if blocked { "0.000001" } else { "0.4" };
        let told = format!("vm_memory_monitor, set_vm_memory_high_watermark, [{share}]");
        self.asked(&format!("ok = rpc:call('{NODE}', {told}), halt()."))
            .await
            .map(drop)
    }

    /// How many clients are connected, as the broker itself counts them.
    ///
    /// # Errors
    /// [`ServerError`] where the node cannot be asked.
    pub async fn connections(&self) -> Result<usize, ServerError> {
        let told = "rabbit_networking, connections, []";
        let count = format!("io:format(\"~b\", [length(rpc:call('{NODE}', {told}))]), halt().");
        let text = self.asked(&count).await?;
        text.trim().parse().map_err(|_| ServerError::Failed {
            program: "erl",
            output: text,
        })
    }

    /// What an expression prints in a second node, which knows the first.
    async fn asked(&self, expression: &str) -> Result<String, ServerError> {
        let erl = need("erl", PACKAGE)?;
        let mut words = words(self.ids, self.folder(), self.names_port);
        words.push(erl.display().to_string());
        words.extend(
            "-noinput -hidden -start_epmd false -sname control@localhost"
                .split(' ')
                .map(String::from),
        );
        words.extend(["-eval".to_owned(), expression.to_owned()]);
        blocking(move || run("erl", Command::new(&words[0]).args(&words[1..]))).await
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

/// The words before a command of this node: its user, and where Erlang keeps its cookie and finds its names.
fn words(ids: Option<Ids>, home: impl AsRef<Path>, names_port: u16) -> Vec<String> {
    let mut words = ids.map_or_else(Vec::new, Ids::switch);
    words.extend([
        "env".into(),
        format!("HOME={}", home.as_ref().display()),
        format!("ERL_EPMD_PORT={names_port}"),
        "ERL_EPMD_ADDRESS=127.0.0.1".into(),
    ]);
    words
}

/// Where this node's name is known. Left to itself, Erlang starts one that outlives everything.
fn name_server(mapper: &Path, ids: Option<Ids>, port: u16) -> Result<Guarded, ServerError> {
    let folder = tempfile::tempdir().map_err(ServerError::io("no temporary folder"))?;
    let mut command = words(ids, &folder, port);
    command.extend([mapper.display().to_string(), "-debug".into()]);
    let daemon = Daemon {
        program: "epmd",
        command,
        ready: "epmd running",
        ending: "KILL",
    };
    Guarded::start(daemon, folder)
}

/// A folder with links to the applications that are needed.
fn applications(folder: &Path) -> Result<PathBuf, ServerError> {
    let failed = "RabbitMQ's applications cannot be read";
    let all = std::fs::read_dir(LIBRARY).map_err(ServerError::io(failed))?;
    let mut plugins = Vec::new();
    for version in all.flatten() {
        let of_version = std::fs::read_dir(version.path().join("plugins"));
        plugins.extend(
            of_version
                .into_iter()
                .flatten()
                .flatten()
                .map(|plugin| plugin.path()),
        );
    }
    let to = folder.join("applications");
    std::fs::create_dir(&to).map_err(ServerError::io(failed))?;
    for needed in needed_by("rabbit", plugins) {
        let link = to.join(needed.file_name().unwrap_or_default());
        std::os::unix::fs::symlink(&needed, link).map_err(ServerError::io(failed))?;
    }
    Ok(to)
}

/// The users and the virtual hosts. Neither the passwords nor the names have a character that JSON would escape.
fn definitions(virtual_hosts: &[String]) -> String {
    let logins = [(USER, PASSWORD), (PEER, PEER)];
    let users = logins.map(|(name, password)| {
        format!("{{\"name\":\"{name}\",\"password\":\"{password}\",\"tags\":\"\"}}")
    });
    let (mut names, mut may) = (Vec::new(), Vec::new());
    for host in std::iter::once("/").chain(virtual_hosts.iter().map(String::as_str)) {
        names.push(format!("{{\"name\":\"{host}\"}}"));
        may.extend(logins.map(|(user, _)| {
            format!("{{\"user\":\"{user}\",\"vhost\":\"{host}\",\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}}")
        }));
    }
    format!(
        "{{\"users\":[{}],\"vhosts\":[{}],\"permissions\":[{}]}}",
        users.join(","),
        names.join(","),
        may.join(",")
    )
}

fn write(folder: &Path, ids: Option<Ids>, name: &str, text: &str) -> Result<(), ServerError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(ServerError::io("the server's settings"))?;
    Ids::own(ids, &path)
}

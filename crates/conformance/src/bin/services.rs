//! Servers for development: private ones that stay up until told otherwise. `cargo xtask services` runs this.
//!
//! `up` starts a keeper in the background and returns when every server takes connections; the keeper holds the very
//! handles that tests hold, so whatever ends it ends the servers, too. What is up is known by files in one folder: the
//! keeper's process id, its log, and the variables that `env` prints.
//!
//! A server that a variable names (`NOVA_TEST_MARIADB_URL`, `NOVA_TEST_POSTGRES_URL`, `NOVA_TEST_REDIS_URL`,
//! `NOVA_TEST_RABBITMQ_URL`, as they were for `up`) is used instead of a private one, and left as it is by `down`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nova_conformance::{Available, MariaDb, Postgres, RabbitMq, Redis, ServerError};
use tokio::signal::unix::{SignalKind, signal};

/// Their databases, each on both database servers.
const DATABASES: [&str; 4] = ["nova_api", "nova_cell0", "nova_cell1", "nova_cell2"];

/// The broker's virtual hosts, one for each cell with a bus.
const VIRTUAL_HOSTS: [&str; 2] = ["nova_cell1", "nova_cell2"];

/// Longest time for all servers to get ready, an installation of their packages included.
const READY: Duration = Duration::from_secs(300);

/// Longest time for them to end.
const GONE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["up", folder] => up(&Files::at(folder)),
        ["status", folder] => status(&Files::at(folder)),
        ["down", folder] => down(&Files::at(folder)),
        ["env", folder] => env(&Files::at(folder)),
        ["keep", folder] => keep(&Files::at(folder)),
        _ => Err("usage: services up|status|down|env FOLDER".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_to_tell = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

struct Files {
    folder: PathBuf,
    process: PathBuf,
    env: PathBuf,
    log: PathBuf,
}

impl Files {
    fn at(folder: &str) -> Self {
        let folder = PathBuf::from(folder);
        Self {
            process: folder.join("keeper.pid"),
            env: folder.join("env"),
            log: folder.join("log"),
            folder,
        }
    }

    /// The keeper's process id, if it is there and is one.
    fn keeper(&self) -> Option<u32> {
        let id = std::fs::read_to_string(&self.process).ok()?;
        let id = id.trim().parse().ok()?;
        is_keeper(id, &self.folder).then_some(id)
    }

    fn forget(&self) {
        for file in [&self.process, &self.env] {
            let _maybe_gone = std::fs::remove_file(file);
        }
    }
}

/// Process ids come back, so the process must be what it should be.
fn is_keeper(id: u32, folder: &Path) -> bool {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    words.get(1) == Some(&&b"keep"[..])
        && words.get(2) == Some(&folder.as_os_str().as_encoded_bytes())
}

fn up(files: &Files) -> Done {
    if files.keeper().is_none() {
        std::fs::create_dir_all(&files.folder)?;
        files.forget();
        let log = File::create(&files.log)?;
        let mut keeper = Command::new(std::env::current_exe()?)
            .arg("keep")
            .arg(&files.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Not ended together with the terminal's foreground.
            .process_group(0)
            .spawn()?;
        let deadline = Instant::now() + READY;
        while !files.env.exists() {
            if keeper.try_wait()?.is_some() || Instant::now() > deadline {
                let why = std::fs::read_to_string(&files.log)?;
                return Err(format!("the servers did not start: {}", why.trim()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    status(files)
}

fn status(files: &Files) -> Done {
    let mut out = io::stdout();
    if files.keeper().is_none() {
        writeln!(out, "not running")?;
        return Ok(());
    }
    for line in std::fs::read_to_string(&files.env)?.lines() {
        let (name, url) = line.split_once('=').ok_or("a line that is none")?;
        let name = name.trim_start_matches("export NOVA_");
        let name = name.trim_end_matches("_URL").to_lowercase();
        let (_, place) = url.trim_matches('\'').split_once("://").unwrap_or_default();
        let place = place.rsplit('@').next().unwrap_or_default();
        let address = place.split(['/', '?']).next().unwrap_or_default();
        let with_port = match (address.contains(':'), name.as_str()) {
            (true, _) => address.to_owned(),
            (false, "mariadb") => format!("{address}:3306"),
            (false, "postgres") => format!("{address}:5432"),
            (false, "redis") => format!("{address}:6379"),
            (false, _) => format!("{address}:5672"),
        };
        let addresses = with_port.to_socket_addrs().into_iter().flatten();
        let answers = addresses
            .into_iter()
            .any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok());
        let state = if answers { "up" } else { "no answer" };
        writeln!(out, "{name:<10} {address:<22} {state}")?;
    }
    Ok(())
}

fn down(files: &Files) -> Done {
    let Some(keeper) = files.keeper() else {
        writeln!(io::stdout(), "not running")?;
        return Ok(());
    };
    let deadline = Instant::now() + GONE;
    Command::new("kill").arg(keeper.to_string()).status()?;
    while is_keeper(keeper, &files.folder) {
        if Instant::now() > deadline {
            return Err(format!("process {keeper} does not end").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    files.forget();
    Ok(())
}

fn env(files: &Files) -> Done {
    if files.keeper().is_none() {
        return Err("not running; start them with `cargo xtask services up`".into());
    }
    io::stdout().write_all(&std::fs::read(&files.env)?)?;
    Ok(())
}

/// The servers' handles: dropped together, they end together.
struct Servers {
    mariadb: Available<MariaDb>,
    postgres: Available<Postgres>,
    redis: Available<Redis>,
    rabbitmq: Available<RabbitMq>,
}

impl Servers {
    /// All at once: each mostly waits for its own disk.
    async fn start() -> Result<Self, ServerError> {
        let (mariadb, postgres, redis, rabbitmq) = tokio::try_join!(
            Available::<MariaDb>::start(&DATABASES),
            Available::<Postgres>::start(&DATABASES),
            Available::<Redis>::start(),
            Available::<RabbitMq>::start(&VIRTUAL_HOSTS)
        )?;
        Ok(Self {
            mariadb,
            postgres,
            redis,
            rabbitmq,
        })
    }

    fn env(&self) -> String {
        let database = DATABASES[0];
        [
            ("MARIADB", self.mariadb.url(database)),
            ("POSTGRES", self.postgres.url(database)),
            ("REDIS", self.redis.url()),
            ("RABBITMQ", self.rabbitmq.url(VIRTUAL_HOSTS[0])),
        ]
        .map(|(name, url)| {
            // For a shell: nothing in there ends the quotes.
            let url = url.expose().replace('\'', "'\\''");
            format!("export NOVA_{name}_URL='{url}'\n")
        })
        .concat()
    }
}

fn keep(files: &Files) -> Done {
    std::fs::write(&files.process, std::process::id().to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut ends = signal(SignalKind::terminate())?;
        let servers = tokio::select! {
            servers = Servers::start() => servers?,
            _ = ends.recv() => return Ok(()),
        };
        // The passwords in there are the tests' own; still nobody else's business. Whole or not there at all.
        let unfinished = files.folder.join("env.new");
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?
            .write_all(servers.env().as_bytes())?;
        std::fs::rename(&unfinished, &files.env)?;
        ends.recv().await;
        Ok(())
    })
}

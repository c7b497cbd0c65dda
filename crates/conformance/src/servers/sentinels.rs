//! Two private Redis, one a copy of the other, and three sentinels that make the copy the one that writes when the other is
//! gone.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use cells::SecretText;

use super::error::ServerError;
use super::guarded::{Daemon, Guarded};
use super::packages::need;
use super::redis::{PACKAGE, Redis};
use super::setup::{Ids, PASSWORD, PASSWORD_IN_URL, USER, blocking, free_port};

/// Both Redis and their sentinels, stopped when dropped.
#[derive(Debug)]
pub struct RedisSentinels {
    redis: [Redis; 2],
    sentinels: Vec<(Guarded, u16)>,
}

/// The name that the sentinels know the one that writes by.
const NAME: &str = "cell1";

/// Longest time until all of them know each other.
const READY: Duration = Duration::from_secs(60);

impl RedisSentinels {
    /// Starts all five.
    ///
    /// # Errors
    /// [`ServerError`] where one cannot be installed or does not start.
    pub async fn start() -> Result<Self, ServerError> {
        blocking(|| {
            let first = Redis::start_blocking(None, None)?;
            let second = Redis::start_blocking(None, Some(first.port()))?;
            let watched = first.port();
            let sentinels = (0..3)
                .map(|_| sentinel(watched))
                .collect::<Result<_, _>>()?;
            let all = Self {
                redis: [first, second],
                sentinels,
            };
            all.wait()?;
            Ok(all)
        })
        .await
    }

    /// The URL of the one that writes, whichever that is, with the login.
    #[must_use]
    pub fn url(&self) -> SecretText {
        let hosts: Vec<String> = self
            .sentinels
            .iter()
            .map(|(_, port)| format!("{USER}:{PASSWORD_IN_URL}@127.0.0.1:{port}"))
            .collect();
        SecretText::new(format!("redis+sentinel://{}/{NAME}", hosts.join(",")))
    }

    /// The one that writes, as the sentinels see it.
    ///
    /// # Errors
    /// [`ServerError`] where none of them says.
    pub fn primary(&self) -> Result<&Redis, ServerError> {
        let words = self
            .sentinels
            .iter()
            .find_map(|(_, port)| ask(*port, "GET-MASTER-ADDR-BY-NAME", 5).ok());
        let port = words.and_then(|words| words.last()?.parse().ok());
        let mut all = self.redis.iter();
        all.find(|redis| Some(redis.port()) == port)
            .ok_or_else(|| unclear("no sentinel names one of ours"))
    }

    /// Ends one of the sentinels for good. The others go on.
    pub fn lose_a_sentinel(&mut self) {
        self.sentinels.truncate(2);
    }

    fn wait(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + READY;
        for (_, port) in &self.sentinels {
            loop {
                let quorum = ask(*port, "CKQUORUM", 1).unwrap_or_default();
                let copies = ask(*port, "REPLICAS", 1).unwrap_or_default();
                let knows_all = quorum.concat().contains("OK 3 usable");
                if knows_all && copies.concat() == "*1" {
                    break;
                }
                if Instant::now() > deadline {
                    return Err(unclear("they do not find each other"));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }
}

fn unclear(why: &str) -> ServerError {
    ServerError::NotReady {
        program: "redis-sentinel",
        log: why.to_owned(),
    }
}

/// The first lines of what a sentinel answers.
fn ask(port: u16, what: &str, lines: usize) -> std::io::Result<Vec<String>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "SENTINEL {what} {NAME}\r\n")?;
    BufReader::new(stream).lines().take(lines).collect()
}

fn sentinel(watched: u16) -> Result<(Guarded, u16), ServerError> {
    let daemon = need("redis-server", PACKAGE)?;
    let folder = tempfile::tempdir().map_err(ServerError::io("no temporary folder"))?;
    let ids = Ids::of("redis")?;
    Ids::own(ids, folder.path())?;
    let port = free_port()?;
    let settings = format!(
        "bind 127.0.0.1\nprotected-mode no\nport {port}\ndir {}\n\
         sentinel monitor {NAME} 127.0.0.1 {watched} 2\n\
         sentinel auth-user {NAME} {USER}\nsentinel auth-pass {NAME} \"{PASSWORD}\"\n\
         sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 5000\n",
        folder.path().display()
    );
    // They write down there what they learn.
    let file = folder.path().join("sentinel.conf");
    std::fs::write(&file, settings).map_err(ServerError::io("the sentinel's settings"))?;
    Ids::own(ids, &file)?;
    let mut command = ids.map_or_else(Vec::new, Ids::switch);
    command.extend([
        daemon.display().to_string(),
        file.display().to_string(),
        "--sentinel".to_owned(),
    ]);
    let daemon = Daemon {
        program: "redis-sentinel",
        command,
        ready: "+monitor master",
        ending: "KILL",
    };
    Ok((Guarded::start(daemon, folder)?, port))
}

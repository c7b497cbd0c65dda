//! Servers that are there already, named by variables, instead of private ones: for machines on which none may be started,
//! and for other versions than Debian's.
//!
//! | variable | a URL as Nova writes it |
//! | --- | --- |
//! | `NOVA_TEST_MARIADB_URL` | `mysql+pymysql://nova:…@host:3306/nova_api` |
//! | `NOVA_TEST_POSTGRES_URL` | `postgresql+psycopg2://nova:…@host:5432/nova_api` |
//! | `NOVA_TEST_REDIS_URL` | `redis://nova:…@host:6379/` |
//! | `NOVA_TEST_RABBITMQ_URL` | `rabbit://nova:…@host:5672/nova_cell1` |
//!
//! The login may do everything in the databases and virtual hosts that a test asks for, and they are there: nothing is made
//! on a server of somebody else's. Tests that stop, kill or fill servers start their own, whatever the variables say.

use std::env;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use cells::{DatabaseLocation, Engine, Host, SecretText, TransportLocation};

use super::error::ServerError;
use super::setup::blocking;
use super::{MariaDb, Postgres, RabbitMq, Redis};

/// Longest time that one may take to be connected to.
const ANSWER: Duration = Duration::from_secs(5);

/// A server that somebody else runs.
#[derive(Debug)]
pub struct Existing {
    url: SecretText,
}

/// A server for a test: the one that a variable names, or else a private one.
#[derive(Debug)]
pub enum Available<S> {
    /// Somebody else's.
    Existing(Existing),
    /// Our own.
    Private(S),
}

/// Where a URL of the right kind leads.
type Place = fn(&SecretText) -> Option<(Host, u16)>;

impl Existing {
    /// The server that this variable names, if it is set.
    async fn named(variable: &'static str, place: Place) -> Result<Option<Self>, ServerError> {
        let Some(url) = env::var_os(variable) else {
            return Ok(None);
        };
        let wrong = |why| ServerError::Existing { variable, why };
        let url = url.into_string().map_err(|_| wrong("is not UTF-8"))?;
        let url = SecretText::new(url);
        let (host, port) = place(&url).ok_or(wrong("is no URL of such a server"))?;
        let answers = move || {
            let host = host.to_string();
            let addresses = (host.trim_matches(['[', ']']), port).to_socket_addrs();
            let answers = addresses
                .into_iter()
                .flatten()
                .any(|address| TcpStream::connect_timeout(&address, ANSWER).is_ok());
            match answers {
                true => Ok(()),
                false => Err(wrong("names a server that does not answer")),
            }
        };
        blocking(answers).await?;
        Ok(Some(Self { url }))
    }

    /// The URL of one of its databases or virtual hosts, with the login and the options of the variable's own.
    fn url(&self, name: &str) -> SecretText {
        let (scheme, rest) = self.url.expose().split_once("://").unwrap_or_default();
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, format!("?{query}")),
            None => (rest, String::new()),
        };
        let place = rest.split('/').next().unwrap_or_default();
        SecretText::new(format!("{scheme}://{place}/{name}{query}"))
    }
}

fn database(url: &SecretText, wanted: Engine) -> Option<(Host, u16)> {
    match DatabaseLocation::from_url(url) {
        Ok(DatabaseLocation::Server(server)) if server.engine == wanted => {
            Some((server.host, server.port))
        }
        _ => None,
    }
}

fn broker(url: &SecretText, scheme: &str) -> Option<(Host, u16)> {
    match TransportLocation::from_url(url) {
        Ok(TransportLocation::Broker(broker)) if url.expose().starts_with(scheme) => {
            let first = broker.hosts.into_iter().next()?;
            Some((first.host, first.port))
        }
        _ => None,
    }
}

impl Available<MariaDb> {
    /// The one that `NOVA_TEST_MARIADB_URL` names, which has these databases, or a private one.
    ///
    /// # Errors
    /// [`ServerError`] where the named one does not answer, or none can be started.
    pub async fn start(databases: &[&str]) -> Result<Self, ServerError> {
        let place = |url: &SecretText| database(url, Engine::MySql);
        match Existing::named("NOVA_TEST_MARIADB_URL", place).await? {
            Some(existing) => Ok(Self::Existing(existing)),
            None => MariaDb::start(databases).await.map(Self::Private),
        }
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretText {
        match self {
            Self::Existing(existing) => existing.url(database),
            Self::Private(server) => server.url(database),
        }
    }
}

impl Available<Postgres> {
    /// The one that `NOVA_TEST_POSTGRES_URL` names, which has these databases, or a private one.
    ///
    /// # Errors
    /// [`ServerError`] where the named one does not answer, or none can be started.
    pub async fn start(databases: &[&str]) -> Result<Self, ServerError> {
        let place = |url: &SecretText| database(url, Engine::PostgreSql);
        match Existing::named("NOVA_TEST_POSTGRES_URL", place).await? {
            Some(existing) => Ok(Self::Existing(existing)),
            None => Postgres::start(databases).await.map(Self::Private),
        }
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> SecretText {
        match self {
            Self::Existing(existing) => existing.url(database),
            Self::Private(server) => server.url(database),
        }
    }
}

impl Available<Redis> {
    /// The one that `NOVA_TEST_REDIS_URL` names, or a private one.
    ///
    /// # Errors
    /// [`ServerError`] where the named one does not answer, or none can be started.
    pub async fn start() -> Result<Self, ServerError> {
        let place = |url: &SecretText| broker(url, "redis");
        match Existing::named("NOVA_TEST_REDIS_URL", place).await? {
            Some(existing) => Ok(Self::Existing(existing)),
            None => Redis::start().await.map(Self::Private),
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> SecretText {
        match self {
            Self::Existing(existing) => existing.url.clone(),
            Self::Private(server) => server.url(),
        }
    }
}

impl Available<RabbitMq> {
    /// The one that `NOVA_TEST_RABBITMQ_URL` names, which has these virtual hosts, or a private one.
    ///
    /// # Errors
    /// [`ServerError`] where the named one does not answer, or none can be started.
    pub async fn start(virtual_hosts: &[&str]) -> Result<Self, ServerError> {
        let place = |url: &SecretText| broker(url, "rabbit");
        match Existing::named("NOVA_TEST_RABBITMQ_URL", place).await? {
            Some(existing) => Ok(Self::Existing(existing)),
            None => RabbitMq::start(virtual_hosts).await.map(Self::Private),
        }
    }

    /// The URL of one of its virtual hosts.
    #[must_use]
    pub fn url(&self, virtual_host: &str) -> SecretText {
        match self {
            Self::Existing(existing) => existing.url(virtual_host),
            Self::Private(server) => server.url(virtual_host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_of_the_same_server_keeps_login_and_options() {
        let existing = |url: &str| Existing { url: url.into() };
        for (url, expected) in [
            (
                "mysql://u:p@h:1/a?charset=utf8",
                "mysql://u:p@h:1/b?charset=utf8",
            ),
            ("mysql://u:p@h", "mysql://u:p@h/b"),
            ("rabbit://u:p@h,u:p@i:2/a", "rabbit://u:p@h,u:p@i:2/b"),
        ] {
            assert_eq!(existing(url).url("b").expose(), expected);
        }
    }

    #[test]
    fn a_url_must_be_one_of_such_a_server() {
        let mysql = SecretText::from("mysql+pymysql://u:p@db/nova");
        assert!(database(&mysql, Engine::MySql).is_some());
        assert!(database(&mysql, Engine::PostgreSql).is_none());
        let redis = SecretText::from("rediss://u:p@r/");
        assert!(broker(&redis, "redis").is_some());
        assert!(broker(&redis, "rabbit").is_none());
    }
}

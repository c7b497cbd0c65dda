//! One connection to Redis: made within a budget over a socket of our own, and ended with this handle.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisConnectionInfo, RedisError, Value,
    cmd,
};
use cells::{
    Broker, BrokerHost, BrokerKind, CellError, CellMapping, ErrorClass, Host, Leg, SecretText,
};
use context::Deadline;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use super::classify::classify;
use super::keys::Keys;
use crate::address::Addresses;
use crate::bus::broker::{Alive, Cut, Tls, dial, first_of, out_of_time, server_name};
use crate::options::ConnectorOptions;

/// Where a Redis is and how it is used.
pub(super) struct Place {
    hosts: Vec<BrokerHost>,
    database: i64,
    /// The name by which the hosts, which are sentinels then, know the Redis that writes.
    sentinels_of: Option<String>,
    addresses: Addresses,
    tls: Option<Tls>,
    pub(super) connect_timeout: Duration,
    pub(super) keys: Keys,
    /// Requests that may wait in one stream.
    pub(super) queue: usize,
    pub(super) monitor: Duration,
}

impl Place {
    pub(super) fn new(
        broker: &Broker,
        mapping: &CellMapping,
        options: &ConnectorOptions,
    ) -> Result<Self, CellError> {
        let is_sentinel = broker.kind == BrokerKind::RedisSentinel;
        let database = match broker.virtual_host.as_str() {
            "/" if is_sentinel => {
                let detail =
                    "sentinels need the name of what they watch: redis+sentinel://host/name";
                return Err(CellError::new(ErrorClass::Configuration, detail));
            }
            _ if is_sentinel => Ok(0),
            "/" => Ok(0),
            number => number.parse(),
        };
        Ok(Self {
            hosts: broker.hosts.clone(),
            sentinels_of: is_sentinel.then(|| broker.virtual_host.clone()),
            database: database.map_err(|error| CellError::new(ErrorClass::Configuration, error))?,
            addresses: Addresses::of_cell(mapping, Leg::Transport),
            tls: Tls::of(broker),
            connect_timeout: options.connect_timeout,
            keys: Keys::new(&options.bus_exchange),
            queue: options.bus_queue.max(1),
            monitor: Duration::from_secs(options.bus_monitor.as_secs().max(2)),
        })
    }
}

/// Which part of a Redis is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Whoever is there.
    Any,
    /// The one that writes, which may be another one at any time.
    Primary,
}

pub(super) struct Link {
    role: Role,
    connection: MultiplexedConnection,
    driver: AbortHandle,
    _cut: Cut,
}

impl Alive for Link {
    fn is_alive(&self) -> bool {
        !self.driver.is_finished()
    }

    async fn answers(&self) -> bool {
        let mut connection = self.connection.clone();
        match self.role {
            Role::Any => {
                let ping = cmd("PING");
                ping.query_async::<String>(&mut connection).await.is_ok()
            }
            Role::Primary => matches!(is_primary(&mut connection).await, Ok(true)),
        }
    }
}

impl Link {
    /// Connects to one of the hosts, or to the one that they name, and logs in.
    pub(super) async fn open(place: &Place, deadline: Deadline) -> Result<Self, CellError> {
        let to = |host| async move {
            match &place.sentinels_of {
                None => Self::to(place, &place.addresses, host, Role::Any).await,
                Some(name) => Self::named(place, host, name, deadline).await,
            }
        };
        first_of(&place.hosts, place.connect_timeout, deadline, to).await
    }

    /// Connects to the one that a sentinel names, with the login that stands at the sentinel.
    async fn named(
        place: &Place,
        sentinel: &BrokerHost,
        name: &str,
        deadline: Deadline,
    ) -> Result<Self, CellError> {
        let asked = Self::to(place, &place.addresses, &nobody_at(sentinel), Role::Any).await?;
        let primary = match primary_of(&asked, name, deadline).await {
            // One that wants a login has the same one.
            Err(error) if error.class() == ErrorClass::Authentication => {
                let asked = Self::to(place, &place.addresses, sentinel, Role::Any).await?;
                primary_of(&asked, name, deadline).await?
            }
            primary => primary?,
        };
        let (host, port) = primary;
        let primary = BrokerHost {
            host,
            port,
            ..sentinel.clone()
        };
        let addresses = place.addresses.of_named_hosts();
        let mut link = Self::to(place, &addresses, &primary, Role::Primary).await?;
        // What a sentinel has not noticed yet, Redis itself knows.
        match is_primary(&mut link.connection).await {
            Ok(true) => Ok(link),
            Ok(false) => {
                let detail = "the Redis that the sentinel names does not write";
                Err(CellError::new(ErrorClass::Unreachable, detail))
            }
            Err(error) => Err(classify(error)),
        }
    }

    async fn to(
        place: &Place,
        addresses: &Addresses,
        host: &BrokerHost,
        role: Role,
    ) -> Result<Self, CellError> {
        let (socket, cut) = dial(addresses, host).await?;
        // The driver's options are made for one connection: they hold the password in clear.
        let mut login = RedisConnectionInfo::default().set_db(place.database);
        if let Some(user) = &host.user {
            login = login.set_username(user);
        }
        if let Some(password) = host.password.as_ref().map(SecretText::expose) {
            login = login.set_password(password);
        }
        match &place.tls {
            None => Self::over(&login, socket, cut, role).await,
            Some(tls) => {
                let connector = TlsConnector::from(tls.config().await?);
                let shaken = connector.connect(server_name(&host.host)?, socket).await;
                let shaken = shaken.map_err(|error| CellError::new(ErrorClass::Tls, error))?;
                Self::over(&login, shaken, cut, role).await
            }
        }
    }

    async fn over(
        login: &RedisConnectionInfo,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        cut: Cut,
        role: Role,
    ) -> Result<Self, CellError> {
        // Every wait is bounded here, by its own budget.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(login, stream, config)
            .await
            .map_err(classify)?;
        Ok(Self {
            role,
            connection,
            driver: tokio::spawn(driver).abort_handle(),
            _cut: cut,
        })
    }

    /// Asks Redis and waits, no longer than the deadline.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        command: &Cmd,
        deadline: Deadline,
    ) -> Result<T, CellError> {
        let mut connection = self.connection.clone();
        let asked = command.query_async::<T>(&mut connection);
        match timeout_at(deadline.instant().into(), asked).await {
            Ok(answer) => answer.map_err(classify),
            Err(_) => Err(out_of_time("Redis did not answer within the budget")),
        }
    }

    /// The same for several commands.
    pub(super) async fn all(
        &self,
        commands: &Pipeline,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        let mut connection = self.connection.clone();
        let asked = commands.query_async::<()>(&mut connection);
        match timeout_at(deadline.instant().into(), asked).await {
            Ok(answer) => answer.map_err(classify),
            Err(_) => Err(out_of_time("Redis did not answer within the budget")),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A sentinel as somebody without a login sees it.
fn nobody_at(sentinel: &BrokerHost) -> BrokerHost {
    BrokerHost {
        user: None,
        password: None,
        ..sentinel.clone()
    }
}

/// Where a sentinel says that the Redis which writes is.
async fn primary_of(
    sentinel: &Link,
    name: &str,
    deadline: Deadline,
) -> Result<(Host, u16), CellError> {
    let mut ask = cmd("SENTINEL");
    ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let named: Result<Option<(String, u16)>, CellError> = sentinel.ask(&ask, deadline).await;
    let named = named.map_err(|error| match error.class() {
        ErrorClass::Statement => {
            CellError::new(ErrorClass::Configuration, "the host is no sentinel")
        }
        _ => error,
    });
    let Some((host, port)) = named? else {
        let detail = "the sentinel does not know that name";
        return Err(CellError::new(ErrorClass::Configuration, detail));
    };
    let host = match host.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(host),
    };
    Ok((host, port))
}

async fn is_primary(connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
    let role = cmd("ROLE").query_async::<Vec<Value>>(connection).await?;
    Ok(matches!(role.first(), Some(Value::BulkString(role)) if role == b"master"))
}

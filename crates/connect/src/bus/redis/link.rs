//! One connection to Redis: made within a budget over a socket of our own, and ended with this handle.

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisConnectionInfo, cmd};
use cells::{Broker, BrokerHost, CellError, CellMapping, ErrorClass, Leg, SecretText};
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
        let database = match broker.virtual_host.as_str() {
            "/" => Ok(0),
            number => number.parse(),
        };
        Ok(Self {
            hosts: broker.hosts.clone(),
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

pub(super) struct Link {
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
        let ping = cmd("PING");
        ping.query_async::<String>(&mut connection).await.is_ok()
    }
}

impl Link {
    /// Connects to one of the hosts and logs in.
    pub(super) async fn open(place: &Place, deadline: Deadline) -> Result<Self, CellError> {
        let to = |host| Self::to(place, host);
        first_of(&place.hosts, place.connect_timeout, deadline, to).await
    }

    async fn to(place: &Place, host: &BrokerHost) -> Result<Self, CellError> {
        let (socket, cut) = dial(&place.addresses, host).await?;
        // The driver's options are made for one connection: they hold the password in clear.
        let mut login = RedisConnectionInfo::default().set_db(place.database);
        if let Some(user) = &host.user {
            login = login.set_username(user);
        }
        if let Some(password) = host.password.as_ref().map(SecretText::expose) {
            login = login.set_password(password);
        }
        match &place.tls {
            None => Self::over(&login, socket, cut).await,
            Some(tls) => {
                let connector = TlsConnector::from(tls.config().await?);
                let shaken = connector.connect(server_name(&host.host)?, socket).await;
                let shaken = shaken.map_err(|error| CellError::new(ErrorClass::Tls, error))?;
                Self::over(&login, shaken, cut).await
            }
        }
    }

    async fn over(
        login: &RedisConnectionInfo,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        cut: Cut,
    ) -> Result<Self, CellError> {
        // Every wait is bounded here, by its own budget.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) = MultiplexedConnection::new_with_config(login, stream, config)
            .await
            .map_err(classify)?;
        Ok(Self {
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

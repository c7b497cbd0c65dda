//! The Redis that carries invalidations, as this host's own configuration names it; and connections to it.

use std::fmt;
use std::io;
use std::sync::Arc;

use cells::{
    Broker, BrokerHost, BrokerKind, CellError, ErrorClass, InvalidUrl, SecretText,
    TransportLocation,
};
use context::Deadline;
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates,
};
use tokio::time::timeout_at;

/// A Redis and a channel on it. Cheap to clone; connects when it is used.
#[derive(Clone)]
pub struct RedisPush(Arc<Place>);

struct Place {
    broker: Broker,
    channel: String,
}

/// The Redis that carries invalidations cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// Its URL makes no sense.
    #[error("the URL of the invalidations' channel is malformed")]
    Url(#[source] InvalidUrl),
    /// It is another kind of broker, or there are several hosts: who announces and who listens must meet on one.
    #[error("invalidations need the URL of one Redis")]
    NotOneRedis,
    /// Redis takes any bytes for a channel's name; these names are printable and short, so that logs can show them.
    #[error("the channel's name is not 1 to 64 printable characters")]
    Name,
}

impl RedisPush {
    /// The channel of this name on the Redis at this URL: `redis://user:password@host:port/`, or `rediss://` for TLS with
    /// a verified certificate, by the authorities in `?ssl_ca_file=` or the system's.
    ///
    /// # Errors
    /// [`PushError`], which repeats nothing of the URL.
    pub fn new(url: &SecretText, channel: &str) -> Result<Self, PushError> {
        let location = TransportLocation::from_url(url).map_err(PushError::Url)?;
        let broker = match location {
            TransportLocation::Broker(broker) if broker.hosts.len() == 1 => *broker,
            _ => return Err(PushError::NotOneRedis),
        };
        if !matches!(broker.kind, BrokerKind::Redis | BrokerKind::RedisTls) {
            return Err(PushError::NotOneRedis);
        }
        let printable = channel.chars().all(|c| c.is_ascii_graphic());
        if !printable || !(1..=64).contains(&channel.len()) {
            return Err(PushError::Name);
        }
        Ok(Self(Arc::new(Place {
            broker,
            channel: channel.to_owned(),
        })))
    }

    /// The channel's name.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.0.channel
    }

    /// Connects and logs in. What the server sends unasked goes to `pushed`, where there is one.
    pub(super) async fn connect(
        &self,
        pushed: Option<impl AsyncPushSender>,
        deadline: Deadline,
    ) -> Result<MultiplexedConnection, CellError> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(deadline.remaining()))
            .set_response_timeout(Some(deadline.remaining()));
        if let Some(pushed) = pushed {
            config = config.set_push_sender(pushed);
        }
        let client = self.client()?;
        within(
            deadline,
            client.get_multiplexed_async_connection_with_config(&config),
        )
        .await
    }

    /// The driver's options are made for one connection: they hold the password in clear.
    fn client(&self) -> Result<Client, CellError> {
        let Some(BrokerHost {
            user,
            password,
            host,
            port,
            ..
        }) = self.0.broker.hosts.first()
        else {
            return Err(CellError::new(ErrorClass::Internal, "no host"));
        };
        let tls = self.0.broker.asks_for_tls();
        let host = host.to_string().trim_matches(['[', ']']).to_owned();
        let address = match tls {
            true => ConnectionAddr::TcpTls {
                host,
                port: *port,
                insecure: false,
                tls_params: None,
            },
            false => ConnectionAddr::Tcp(host, *port),
        };
        let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
        if let Some(user) = user {
            login = login.set_username(user);
        }
        if let Some(password) = password {
            login = login.set_password(password.expose());
        }
        let place = address.into_connection_info().map_err(failed)?;
        let place = place.set_redis_settings(login);
        match tls {
            false => Client::open(place),
            true => Client::build_with_tls(
                place,
                TlsCertificates {
                    client_tls: None,
                    root_cert: self.authorities()?,
                },
            ),
        }
        .map_err(failed)
    }

    fn authorities(&self) -> Result<Option<Vec<u8>>, CellError> {
        let Some(file) = self.0.broker.option("ssl_ca_file") else {
            return Ok(None);
        };
        let read = std::fs::read(file);
        let read = read.map_err(|error| CellError::new(ErrorClass::Configuration, error))?;
        Ok(Some(read))
    }
}

impl fmt::Debug for RedisPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPush")
            .field("channel", &self.0.channel)
            .finish_non_exhaustive()
    }
}

/// Waits for Redis, and no longer than that.
pub(super) async fn within<T>(
    deadline: Deadline,
    asked: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, CellError> {
    match timeout_at(deadline.instant().into(), asked).await {
        Ok(answered) => answered.map_err(failed),
        Err(late) => Err(CellError::new(ErrorClass::Timeout, late)),
    }
}

/// Who should act, by what Redis or the driver says.
pub(super) fn failed(error: RedisError) -> CellError {
    use redis::{ErrorKind, ServerErrorKind};
    let login = ["WRONGPASS", "NOAUTH", "NOPERM"];
    let class = match error.kind() {
        _ if error.code().is_some_and(|code| login.contains(&code)) => ErrorClass::Authentication,
        ErrorKind::AuthenticationFailed => ErrorClass::Authentication,
        ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::TryAgain) => {
            ErrorClass::Overloaded
        }
        ErrorKind::Server(_) | ErrorKind::Extension => ErrorClass::Statement,
        ErrorKind::InvalidClientConfig => ErrorClass::Configuration,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => ErrorClass::Decode,
        _ if error.is_timeout() => ErrorClass::Timeout,
        _ if in_tls(&error) => ErrorClass::Tls,
        _ => ErrorClass::Unreachable,
    };
    CellError::new(class, error)
}

fn in_tls(error: &RedisError) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        // The driver keeps its causes behind a reference count, and that is what `source` gives.
        let shared = error.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>();
        let inside = match shared {
            Some(shared) => shared.downcast_ref::<io::Error>(),
            None => error.downcast_ref::<io::Error>(),
        };
        let inner = inside.and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_redis_and_a_printable_name() {
        let new = |url: &str, name: &str| RedisPush::new(&SecretText::from(url), name);
        assert!(new("redis://u:hunter2@h:6379/", "nova_cells").is_ok());
        for url in [
            "rabbit://u:hunter2@h/",
            "redis+sentinel://h/x",
            "redis://h1,h2/",
            "none:///",
        ] {
            assert!(
                matches!(new(url, "x"), Err(PushError::NotOneRedis)),
                "{url}"
            );
        }
        for name in ["", "a b", "a\n", &"x".repeat(65)] {
            assert!(
                matches!(new("redis://h/", name), Err(PushError::Name)),
                "{name}"
            );
        }
        let malformed = new("redis://u:hunter2@h:0/", "x").unwrap_err();
        assert!(!format!("{malformed:?}").contains("hunter2"));
        let debug = format!("{:?}", new("redis://u:hunter2@h/", "x").unwrap());
        assert_eq!(debug, "RedisPush { channel: \"x\", .. }");
    }
}

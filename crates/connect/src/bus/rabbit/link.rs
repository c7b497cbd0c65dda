//! One connection to a broker: made within a budget, closed in the background, cut where closing takes too long.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use async_compat::Compat;
use cells::{BrokerHost, CellError, ErrorClass};
use context::Deadline;
use lapin::tcp::RustlsConnector;
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::classify::classify;
use super::login::Login;
use super::place::Place;
use super::runtime::{self, quiet};
use super::{CLOSING, topology};
use crate::bus::broker::{Alive, Cut, dial, first_of, out_of_time, server_name};

pub(super) struct Link {
    /// Taken when dropped.
    open: Option<(Connection, Cut, DropGuard)>,
    /// Confirms what it publishes.
    pub(super) publisher: Channel,
    /// Set once replies are read over this connection.
    pub(super) replies: OnceCell<()>,
    /// Told when the connection has ended.
    pub(super) ended: CancellationToken,
    runtime: Handle,
}

impl Alive for Link {
    fn is_alive(&self) -> bool {
        self.connection()
            .is_ok_and(|open| open.status().connected())
            && self.publisher.status().connected()
    }

    async fn answers(&self) -> bool {
        // A blocked one is not read by the broker, and has told us so.
        self.is_blocked() || self.ping().await.is_ok()
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
        let stream = secured(place, host, socket).await?;
        let mut uri = AMQPUri {
            vhost: place.virtual_host.clone(),
            ..AMQPUri::default()
        };
        uri.query.heartbeat = Some(place.heartbeat);
        // For the driver's own messages; it does not connect.
        uri.authority.host = host.host.to_string();
        uri.authority.port = host.port;
        let name = format!("nova-cells:{}", std::process::id());
        let properties = ConnectionProperties::default()
            .with_connection_name(name.into())
            .with_auth_provider(Login::of(host));
        let stream = Mutex::new(Some(stream));
        let give = move |_: AMQPUri, _: async_rs::Runtime<runtime::Kit>| {
            runtime::quieten_thread();
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                // A second connection is for us to make, not for the driver.
                let gone = || std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
                stream.ok_or_else(|| gone().into())
            }
        };
        // Ends the driver's tasks, also where it never gets so far as to be connected.
        let ended = CancellationToken::new();
        let runtime = runtime::current(ended.clone());
        let over = ended.clone().drop_guard();
        let connected = quiet(Connection::connector(uri, runtime, give, properties));
        let connection = connected.await.map_err(classify)?;
        let publisher = quiet(topology::confirming(&connection))
            .await
            .map_err(classify)?;
        Ok(Self {
            open: Some((connection, cut, over)),
            publisher,
            replies: OnceCell::new(),
            ended,
            runtime: Handle::current(),
        })
    }

    /// Whether the broker takes no messages at the moment.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection().is_ok_and(|open| open.status().blocked())
    }

    /// A new channel.
    pub(super) async fn channel(&self) -> Result<Channel, lapin::Error> {
        quiet(self.connection()?.create_channel()).await
    }

    fn connection(&self) -> Result<&Connection, lapin::Error> {
        let gone = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        self.open
            .as_ref()
            .map(|(connection, ..)| connection)
            .ok_or_else(|| gone().into())
    }

    /// Asks the broker for a sign of life: a channel that is opened and closed.
    pub(super) async fn ping(&self) -> Result<(), lapin::Error> {
        let channel = self.channel().await?;
        quiet(channel.close(200, "OK".into())).await
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some((connection, cut, over)) = self.open.take() {
            self.runtime.spawn(quiet(async move {
                let _closed = timeout(CLOSING, connection.close(200, "OK".into())).await;
                drop((cut, over));
            }));
        }
    }
}

type Stream = AsyncTcpStream<Compat<TcpStream>>;

async fn secured(place: &Place, host: &BrokerHost, socket: TcpStream) -> Result<Stream, CellError> {
    let plain = AsyncTcpStream::Plain(Compat::new(socket));
    let Some(tls) = &place.tls else {
        return Ok(plain);
    };
    let connector = RustlsConnector::from(tls.config().await?);
    let name = server_name(&host.host)?.to_str().into_owned();
    let shaken = quiet(plain.into_rustls(&connector, &name)).await;
    shaken.map_err(|error| CellError::new(ErrorClass::Tls, error))
}

/// Bounds the driver's work.
pub(super) async fn bounded<T>(
    deadline: Deadline,
    work: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, CellError> {
    let end: Instant = deadline.instant().into();
    match timeout_at(end, quiet(work)).await {
        Ok(done) => done.map_err(classify),
        Err(_) => Err(out_of_time("the broker did not answer within the budget")),
    }
}

//! Reaching a database server at an address that was checked, whatever its driver would do with the name.
//!
//! The drivers have one field for the host: they connect to it, and verify the certificate against it. Without TLS, and
//! where the mapping names an address, they are handed the address. With TLS and a name they need the name; so the
//! connection to the checked address is made here, and the driver is handed a [relay](super::relay) to it, through which
//! it speaks TLS with the server itself.
//!
//! What holds then: bytes go only to addresses that passed the check, a name that changes its addresses between check
//! and use changes nothing, and with TLS the server has, besides, proved the mapping's host name.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use cells::{DatabaseServer, Host};
use tokio::net::TcpStream;

use super::relay::Relay;
use crate::address::Addresses;

/// How one server is reached.
pub(super) struct Dial {
    host: Host,
    port: u16,
    /// Whether the driver has to know the name, too.
    by_name: bool,
    addresses: Addresses,
}

/// What a driver is told to connect to.
pub(super) enum Door {
    /// This host, which is an address.
    Address(String),
    /// This socket, in the name of this host.
    Socket {
        /// The host, for the certificate.
        name: String,
        /// The socket: the whole path.
        path: PathBuf,
    },
}

impl Dial {
    pub(super) fn new(server: &DatabaseServer, addresses: Addresses) -> Self {
        Self {
            by_name: server.tls.required && matches!(server.host, Host::Name(_)),
            host: server.host.clone(),
            port: server.port,
            addresses,
        }
    }

    /// Connects to the first of the host's addresses that answers, by what `connect` does with a door to it. Gives the
    /// address, too: a name may have several servers behind it.
    pub(super) async fn connect<C, F>(
        &self,
        connect: impl Fn(Door) -> F,
    ) -> Result<(C, SocketAddr), sqlx::Error>
    where
        F: Future<Output = Result<C, sqlx::Error>>,
    {
        let mut last = None;
        for at in self.addresses.resolve(&self.host, self.port).await? {
            match self.connect_to(at, &connect).await {
                Ok(connection) => return Ok((connection, at)),
                // The system's word that nothing is there, and not what a server said.
                Err(sqlx::Error::Io(error)) if error.raw_os_error().is_some() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last
            .unwrap_or_else(|| io::Error::from(io::ErrorKind::NotFound))
            .into())
    }

    /// Connects to the server at this address, which [`connect`](Self::connect) gave.
    pub(super) async fn connect_to<C, F>(
        &self,
        at: SocketAddr,
        connect: impl Fn(Door) -> F,
    ) -> Result<C, sqlx::Error>
    where
        F: Future<Output = Result<C, sqlx::Error>>,
    {
        if !self.by_name {
            return connect(Door::Address(at.ip().to_string())).await;
        }
        let server = TcpStream::connect(at).await?;
        let relay = Relay::new(server, self.port)?;
        let door = Door::Socket {
            name: self.host.to_string(),
            path: relay.path().to_owned(),
        };
        // If the driver fails before it has come to the relay, the relay ends here, too.
        let relayed = async { relay.serve().await.map_err(sqlx::Error::from) };
        let (connection, ()) = tokio::try_join!(connect(door), relayed)?;
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use cells::{DatabaseLocation, Leg};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UnixStream};

    use super::*;
    use crate::address::tests::mapping;

    /// A dial to a name that no resolver knows, as if it had these addresses.
    async fn dial(port: u16, tls: &str, networks: &str, addresses: &[&str]) -> Dial {
        let url = format!("mysql://nova:s@db.test:{port}/nova{tls}");
        let mapping = mapping(&url, networks).await;
        let DatabaseLocation::Server(server) = mapping.database() else {
            panic!("a server");
        };
        let resolved: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let addresses = Addresses::of_cell(&mapping, Leg::Database).resolving_to(&resolved);
        Dial::new(server, addresses)
    }

    #[tokio::test]
    async fn without_tls_the_driver_is_told_the_address_and_never_the_name() {
        let dial = dial(3306, "", "\"10.1.0.7\"", &["192.0.2.1", "10.1.0.7"]).await;
        let told = dial.connect(async |door| match door {
            Door::Address(address) => Ok(address),
            Door::Socket { .. } => panic!("no relay is needed"),
        });
        let (told, at) = told.await.unwrap();
        assert_eq!(
            (told.as_str(), at),
            ("10.1.0.7", "10.1.0.7:3306".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn with_tls_the_driver_has_the_name_and_its_bytes_go_to_the_checked_address() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let dial = dial(port, "?ssl_ca=/ca.pem", "\"127.0.0.1\"", &["127.0.0.1"]).await;
        let connect = async |door| match door {
            Door::Socket { name, path } => {
                assert_eq!(name, "db.test");
                let mut driver = UnixStream::connect(path).await?;
                driver.write_all(b"hello").await?;
                Ok(driver)
            }
            Door::Address(_) => panic!("the certificate is the name's"),
        };
        let (connected, accepted) = tokio::join!(dial.connect(connect), server.accept());
        let (_driver, _) = connected.unwrap();
        let mut hello = [0; 5];
        accepted.unwrap().0.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello, b"hello");
    }

    #[tokio::test]
    async fn an_address_where_nothing_is_gives_way_to_the_next() {
        let server = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let both = ["127.0.0.1", "127.0.0.2"];
        for tls in ["", "?ssl_ca=/ca.pem"] {
            let dial = dial(port, tls, "\"127.0.0.0/8\"", &both).await;
            let connect = async |door| match door {
                Door::Address(address) => {
                    let ip: IpAddr = address.parse().unwrap();
                    Ok(TcpStream::connect((ip, port)).await.map(drop)?)
                }
                Door::Socket { path, .. } => Ok(UnixStream::connect(path).await.map(drop)?),
            };
            let ((), at) = dial.connect(connect).await.unwrap();
            assert_eq!(at, server.local_addr().unwrap());
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_is_not_connected_to() {
        for tls in ["", "?ssl_ca=/ca.pem"] {
            let dial = dial(3306, tls, "\"10.1.0.0/16\"", &["192.0.2.1"]).await;
            let connect =
                async |_: Door| -> Result<(), sqlx::Error> { panic!("not to be reached") };
            match dial.connect(connect).await.unwrap_err() {
                sqlx::Error::Io(error) => assert!(crate::address::refused(&error)),
                other => panic!("{other}"),
            }
        }
    }
}

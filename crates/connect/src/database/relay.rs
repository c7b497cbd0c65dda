//! A door to a connection that is already made, for drivers that would make their own: a socket of this machine that
//! takes one visitor, this process, and then passes bytes on, both ways.
//!
//! What passes is TLS between the driver and the server. Linux only, where such a socket needs no file.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::path::{Path, PathBuf};

use tokio::io::copy;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use uuid::Uuid;

/// The door and what is behind it.
pub(super) struct Relay {
    path: PathBuf,
    listener: UnixListener,
    server: TcpStream,
}

impl Relay {
    /// A door to this server. Its name cannot be guessed, and ends as PostgreSQL's driver wants it.
    pub(super) fn new(server: TcpStream, port: u16) -> io::Result<Self> {
        server.set_nodelay(true)?;
        let name = format!("nova-cells-{}/.s.PGSQL.{port}", Uuid::new_v4().simple());
        let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            path: PathBuf::from(format!("\0{name}")),
            listener: UnixListener::from_std(listener)?,
            server,
        })
    }

    /// The socket's path. It begins with a zero byte: a name without a file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets this process in, closes the door behind it, and passes bytes on in the background until either side ends.
    ///
    /// # Cancel safety
    /// Dropped before it is done, the door and the connection behind it are closed.
    pub(super) async fn serve(self) -> io::Result<()> {
        let own = std::process::id();
        let visitor = loop {
            let (visitor, _) = self.listener.accept().await?;
            let process = visitor.peer_cred()?.pid();
            if process.is_some_and(|id| u32::try_from(id) == Ok(own)) {
                break visitor;
            }
        };
        tokio::spawn(pass(visitor, self.server));
        Ok(())
    }
}

/// When one side ends, what it sent has been passed on, and the other side is told by the closed connection.
async fn pass(driver: UnixStream, server: TcpStream) {
    let (mut from_driver, mut to_driver) = driver.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let ended = tokio::select! {
        sent = copy(&mut from_driver, &mut to_server) => sent,
        received = copy(&mut from_server, &mut to_driver) => received,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a relayed connection broke");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (UnixStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (far, _) = listener.accept().await.unwrap();
        let relay = Relay::new(near.unwrap(), 5432).unwrap();
        let path = relay.path().to_owned();
        let (visitor, served) = tokio::join!(UnixStream::connect(path), relay.serve());
        served.unwrap();
        (visitor.unwrap(), far)
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_and_whoever_ends_ends_both() {
        let (mut driver, mut server) = pair().await;
        driver.write_all(b"ping").await.unwrap();
        let mut four = [0; 4];
        server.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"ping");
        server.write_all(b"pong").await.unwrap();
        drop(server);
        let mut rest = Vec::new();
        driver.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"pong");

        let (driver, mut server) = pair().await;
        drop(driver);
        assert_eq!(server.read(&mut four).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_door_takes_one_visitor() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await;
        let relay = Relay::new(near.unwrap(), 1).unwrap();
        let path = relay.path().to_owned();
        let (first, served) = tokio::join!(UnixStream::connect(&path), relay.serve());
        served.unwrap();
        let _first = first.unwrap();
        assert!(UnixStream::connect(&path).await.is_err());
    }
}

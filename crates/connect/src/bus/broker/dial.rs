//! Connecting to one host of a broker: at an address that the mapping's check let pass, and with a handle that ends the
//! connection whatever the driver does with it.

use std::io;
use std::net::{Shutdown, TcpStream as Socket};

use cells::{BrokerHost, CellError, ErrorClass};
use tokio::net::TcpStream;

use crate::address::{Addresses, refused};

/// Ends a connection when dropped: the driver, which may wait for the peer for ever, reads its end.
#[derive(Debug)]
pub(in crate::bus) struct Cut(Socket);

impl Drop for Cut {
    fn drop(&mut self) {
        // One that is closed already is what is wanted.
        let _closed = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection to one host, at the first of its addresses that answers. The caller bounds the time.
pub(in crate::bus) async fn dial(
    addresses: &Addresses,
    host: &BrokerHost,
) -> Result<(TcpStream, Cut), CellError> {
    let candidates = addresses
        .resolve(&host.host, host.port)
        .await
        .map_err(|error| {
            let class = match refused(&error) {
                true => ErrorClass::Configuration,
                false => ErrorClass::Unreachable,
            };
            CellError::new(class, error)
        })?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in candidates {
        match connect(address).await {
            Ok(connected) => return Ok(connected),
            Err(error) => last = error,
        }
    }
    Err(CellError::new(ErrorClass::Unreachable, last))
}

async fn connect(address: std::net::SocketAddr) -> io::Result<(TcpStream, Cut)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let cut = Cut(stream.try_clone()?);
    Ok((TcpStream::from_std(stream)?, cut))
}

/// The hosts in an order of their own for each connection, as oslo.messaging shuffles them: many clients do not all come
/// to the first one.
pub(in crate::bus) fn in_some_order(hosts: &[BrokerHost]) -> Vec<&BrokerHost> {
    let mut hosts: Vec<&BrokerHost> = hosts.iter().collect();
    hosts.sort_by_cached_key(|_| uuid::Uuid::new_v4());
    hosts
}

//! Connecting to one of a broker's hosts: at an address that the mapping's check let pass, and with a handle that ends the
//! connection whatever the driver does with it.

use std::future::Future;
use std::io;
use std::net::{Shutdown, TcpStream as Socket};
use std::time::Duration;

use cells::{BrokerHost, CellError, ErrorClass};
use context::Deadline;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::failure::{out_of_time, worse};
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

/// What `connect` gives for the first host that it succeeds with, and the worst of their errors where it does with none. The
/// hosts come in an order of their own each time, as oslo.messaging shuffles them: many clients do not all come to the first
/// one. A host that is silent leaves the others their share of the time.
pub(in crate::bus) async fn first_of<'h, L, F>(
    hosts: &'h [BrokerHost],
    at_most: Duration,
    deadline: Deadline,
    connect: impl Fn(&'h BrokerHost) -> F,
) -> Result<L, CellError>
where
    F: Future<Output = Result<L, CellError>>,
{
    let mut hosts: Vec<&BrokerHost> = hosts.iter().collect();
    hosts.sort_by_cached_key(|_| uuid::Uuid::new_v4());
    let mut left = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    let mut failed = None;
    for host in hosts {
        let share = (deadline.remaining() / left).min(at_most);
        left -= 1;
        match timeout(share, connect(host)).await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(error)) => failed = Some(worse(failed, error)),
            Err(_) => failed = Some(worse(failed, out_of_time("no connection in time"))),
        }
    }
    Err(failed.unwrap_or_else(|| out_of_time("no connection in time")))
}

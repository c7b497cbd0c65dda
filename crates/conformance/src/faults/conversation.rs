//! One connection through the proxy: two pumps, and what becomes of them when the fault sets in.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::plan::{Fault, Progress};

const BUFFER: usize = 16 * 1024;

/// Passes bytes until both sides have ended, or the fault says otherwise.
pub(super) async fn hold(
    client: TcpStream,
    server: TcpStream,
    progress: Progress,
    struck: &AtomicUsize,
) {
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let progress = Mutex::new(progress);
    let moved = Notify::new();
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let ended = {
        let upward = up(&mut from_client, &mut to_server, &progress, &moved);
        let downward = down(&mut from_server, &mut to_client, &progress, &moved, struck);
        tokio::pin!(upward, downward);
        tokio::select! {
            // A server may still have something to say to a client that ended; or does not notice, as without a proxy.
            _ = &mut upward => downward.await.unwrap_or(End::Quiet),
            ended = &mut downward => match ended {
                Ok(End::Quiet) => {
                    let _gone = upward.await;
                    End::Quiet
                }
                Ok(End::Reset) => End::Reset,
                // The client is gone.
                Err(_) => End::Quiet,
            },
        }
    };
    if let End::Reset = ended {
        for socket in [
            from_client.unsplit(to_client),
            from_server.unsplit(to_server),
        ] {
            // Closed with this, it is a reset.
            let _as_it_is = socket.set_zero_linger();
        }
    }
}

enum End {
    Quiet,
    Reset,
}

async fn up(
    from: &mut ReadHalf<TcpStream>,
    to: &mut WriteHalf<TcpStream>,
    progress: &Mutex<Progress>,
    moved: &Notify,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        // Before the server can answer.
        progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .client_said(&buffer[..read]);
        to.write_all(&buffer[..read]).await?;
        moved.notify_one();
    }
}

async fn down(
    from: &mut ReadHalf<TcpStream>,
    to: &mut WriteHalf<TcpStream>,
    progress: &Mutex<Progress>,
    moved: &Notify,
    struck: &AtomicUsize,
) -> io::Result<End> {
    let mut first = true;
    let mut fault = || {
        let fault = progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fault();
        if fault.is_some() && std::mem::take(&mut first) {
            struck.fetch_add(1, Ordering::AcqRel);
        }
        fault
    };
    let mut buffer = vec![0; BUFFER];
    loop {
        // Some faults do not wait until the server says something.
        match fault() {
            Some(Fault::Reset) => return Ok(End::Reset),
            Some(Fault::HalfClose) => {
                to.shutdown().await?;
                return Ok(End::Quiet);
            }
            _ => {}
        }
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            () = moved.notified() => continue,
        };
        if read == 0 {
            to.shutdown().await?;
            return Ok(End::Quiet);
        }
        let passes = progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .server_said(&buffer[..read]);
        to.write_all(&buffer[..passes]).await?;
        match fault() {
            None | Some(Fault::Reset | Fault::HalfClose) => {}
            Some(Fault::Drip(interval)) => {
                for byte in &buffer[passes..read] {
                    tokio::time::sleep(interval).await;
                    to.write_all(std::slice::from_ref(byte)).await?;
                }
            }
            Some(Fault::Garbage) => {
                // 0xFF and not noise: long lengths, unknown types, in every protocol there is.
                let noise = vec![0xFF; (read - passes).max(1)];
                to.write_all(&noise).await?;
                return swallow(from).await;
            }
            Some(Fault::BlackHole | Fault::Refuse | Fault::Ignore) => return swallow(from).await,
        }
    }
}

/// Takes what the server says, so that it does not notice, and passes nothing on.
async fn swallow(from: &mut ReadHalf<TcpStream>) -> io::Result<End> {
    let mut buffer = vec![0; BUFFER];
    while from.read(&mut buffer).await? > 0 {}
    // The client is not told; it ends when it wants to.
    Ok(End::Quiet)
}

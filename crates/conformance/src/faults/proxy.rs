//! The proxy's door: where clients come in, what new conversations are to suffer, and how many there are.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::conversation;
use super::plan::{Fault, Plan, Progress, Step};

/// How long a port is waited for that was ours.
const PATIENCE: Duration = Duration::from_secs(5);

/// A door to a server, on the loopback. Ends with its handle, and everything that passes with it.
#[derive(Debug)]
pub struct FaultProxy {
    inner: Arc<Inner>,
    door: Mutex<Option<Door>>,
}

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    server: SocketAddr,
    plan: Mutex<Option<Plan>>,
    open: AtomicUsize,
    accepted: AtomicUsize,
    struck: AtomicUsize,
    conversations: Mutex<JoinSet<()>>,
}

/// What stands at the address.
#[derive(Debug)]
enum Door {
    Open(JoinHandle<()>),
    /// Bound, and nobody listens: the system refuses.
    Refusing(#[expect(dead_code, reason = "held, so that the port stays")] TcpSocket),
    /// Listened at, and never opened. Its queue is full of these.
    Ignoring(
        #[expect(dead_code, reason = "held, so that the port stays")] TcpListener,
        #[expect(dead_code, reason = "held, so that the queue stays full")] Vec<TcpStream>,
    ),
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Self::Open(accepting) = self {
            accepting.abort();
        }
    }
}

impl FaultProxy {
    /// A proxy for this server. Connections pass unharmed until told otherwise.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let inner = Arc::new(Inner {
            address: listener.local_addr()?,
            server,
            plan: Mutex::new(None),
            open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            struck: AtomicUsize::new(0),
            conversations: Mutex::new(JoinSet::new()),
        });
        let door = Door::Open(tokio::spawn(accept(listener, Arc::clone(&inner))));
        Ok(Self {
            inner,
            door: Mutex::new(Some(door)),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.inner.address.port()
    }

    /// Breaks connections that come from now on, each when its steps have happened; without steps, at once. Those that are
    /// there already stay as they are.
    ///
    /// # Errors
    /// Where the system does not let the port be taken again.
    pub async fn inflict(&self, fault: Fault, steps: &[Step]) -> io::Result<()> {
        *self.inner.lock_plan() = Some(Plan {
            fault,
            steps: steps.to_vec(),
        });
        match fault {
            Fault::Refuse => {
                self.take_door().await;
                let socket = self.bound().await?;
                *self.lock_door() = Some(Door::Refusing(socket));
            }
            Fault::Ignore => {
                self.take_door().await;
                let listener = self.bound().await?.listen(1)?;
                let queued = fill(self.inner.address).await;
                *self.lock_door() = Some(Door::Ignoring(listener, queued));
            }
            _ => self.admit().await?,
        }
        Ok(())
    }

    /// New connections pass unharmed. Those that are broken stay so.
    ///
    /// # Errors
    /// As [`inflict`](Self::inflict).
    pub async fn heal(&self) -> io::Result<()> {
        *self.inner.lock_plan() = None;
        self.admit().await
    }

    /// Ends every connection through it.
    pub fn cut(&self) {
        self.inner.lock_conversations().abort_all();
    }

    async fn admit(&self) -> io::Result<()> {
        if let Some(Door::Open(_)) = &*self.lock_door() {
            return Ok(());
        }
        self.take_door().await;
        let listener = self.bound().await?.listen(1024)?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&self.inner)));
        *self.lock_door() = Some(Door::Open(accepting));
        Ok(())
    }

    /// The same port again. For the moment in which nobody had it, somebody's own end of a connection may have got it.
    async fn bound(&self) -> io::Result<TcpSocket> {
        let begun = Instant::now();
        loop {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            match socket.bind(self.inner.address) {
                Ok(()) => return Ok(socket),
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && begun.elapsed() < PATIENCE =>
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How many connections there are through it at this moment.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.open.load(Ordering::Acquire)
    }

    /// How many there were since it began.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.inner.accepted.load(Ordering::Acquire)
    }

    /// In how many the moment of a fault has come since it began.
    #[must_use]
    pub fn struck(&self) -> usize {
        self.inner.struck.load(Ordering::Acquire)
    }

    fn lock_door(&self) -> std::sync::MutexGuard<'_, Option<Door>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Away with what stands there, and not only soon.
    async fn take_door(&self) {
        let door = self.lock_door().take();
        if let Some(mut door) = door
            && let Door::Open(accepting) = &mut door
        {
            accepting.abort();
            let _aborted = accepting.await;
        }
    }
}

impl Inner {
    fn lock_plan(&self) -> std::sync::MutexGuard<'_, Option<Plan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_conversations(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.conversations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Fills the queue of a listener that accepts nothing: as many connections as it takes without waiting.
async fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let mut queued = Vec::new();
    loop {
        let connecting = TcpStream::connect(address);
        let patience = Duration::from_millis(50);
        match tokio::time::timeout(patience, connecting).await {
            Ok(Ok(stream)) => queued.push(stream),
            // The system gave no answer: full.
            Ok(Err(_)) | Err(_) => return queued,
        }
    }
}

/// Counts one conversation for as long as it lasts.
struct Counted(Arc<Inner>);

impl Counted {
    fn one(inner: &Arc<Inner>) -> Self {
        inner.open.fetch_add(1, Ordering::AcqRel);
        inner.accepted.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(inner))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let (held, counted) = (Arc::clone(&inner), Counted::one(&inner));
        let mut conversations = inner.lock_conversations();
        while conversations.try_join_next().is_some() {}
        conversations.spawn(async move {
            let _counted = counted;
            let plan = held.lock_plan().clone();
            // A server that is not there is what the client meets, too: its connection ends.
            if let Ok(server) = TcpStream::connect(held.server).await {
                conversation::hold(client, server, Progress::new(plan), &held.struck).await;
            }
        });
    }
}

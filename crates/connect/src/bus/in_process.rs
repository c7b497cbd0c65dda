//! A bus inside this process: for tests, for the embedded cloud, and as the plainest example of what a bus has to do.
//!
//! Requests expire with their caller's budget, also while they wait; queues are bounded; a topic without a server is
//! refused at once instead of being waited for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use cells::{CellError, ErrorClass};
use context::Deadline;
use serde_json::Value;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::dispatch::{AT_ONCE, dispatch};
use super::message::{BusTarget, CallError, Endpoint, RemoteError, RpcRequest};
use super::transport::{Serving, Transport};

/// The buses of one connector, by name: cells with the same name share one.
#[derive(Clone)]
pub(crate) struct InProcessBuses {
    buses: Arc<Mutex<HashMap<String, Weak<InProcess>>>>,
    queue: usize,
}

impl InProcessBuses {
    pub(crate) fn new(queue: usize) -> Self {
        Self {
            buses: Arc::default(),
            queue: queue.max(1),
        }
    }

    pub(super) fn bus(&self, name: &str) -> Arc<InProcess> {
        let mut buses = self.buses.lock().unwrap_or_else(PoisonError::into_inner);
        buses.retain(|_, bus| bus.strong_count() > 0);
        if let Some(bus) = buses.get(name).and_then(Weak::upgrade) {
            return bus;
        }
        let bus = Arc::new(InProcess {
            servers: Mutex::default(),
            queue: self.queue,
        });
        buses.insert(name.to_owned(), Arc::downgrade(&bus));
        bus
    }
}

impl Default for InProcessBuses {
    fn default() -> Self {
        Self::new(crate::ConnectorOptions::default().bus_queue)
    }
}

impl fmt::Debug for InProcessBuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessBuses").finish_non_exhaustive()
    }
}

pub(super) struct InProcess {
    servers: Mutex<Vec<Server>>,
    queue: usize,
}

struct Server {
    topic: String,
    name: String,
    queue: mpsc::Sender<Delivery>,
}

struct Delivery {
    request: RpcRequest,
    deadline: Deadline,
    reply: Option<oneshot::Sender<Result<Value, RemoteError>>>,
}

impl InProcess {
    /// The queues of the servers that a target means. Those of servers that have gone are forgotten.
    fn queues(&self, topic: &str, server: Option<&str>) -> Vec<mpsc::Sender<Delivery>> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|server| !server.queue.is_closed());
        servers
            .iter()
            .filter(|known| known.topic == topic && server.is_none_or(|name| known.name == name))
            .map(|known| known.queue.clone())
            .collect()
    }

    fn send(&self, target: &BusTarget, delivery: Delivery) -> Result<(), CellError> {
        // The one with the most room first: a slow server does not hold up a topic that others serve, too.
        let mut queues = self.queues(&target.topic, target.server.as_deref());
        queues.sort_by_key(|queue| std::cmp::Reverse(queue.capacity()));
        match queues.first() {
            Some(queue) => queue.try_send(delivery).map_err(refused),
            None => Err(nobody()),
        }
    }
}

fn nobody() -> CellError {
    CellError::new(ErrorClass::Unreachable, "no server listens on this topic")
}

fn refused(error: TrySendError<Delivery>) -> CellError {
    match error {
        TrySendError::Full(_) => {
            CellError::new(ErrorClass::Overloaded, "the server's queue is full")
        }
        TrySendError::Closed(_) => nobody(),
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn check(&self, _: Deadline) -> Result<(), CellError> {
        Ok(())
    }

    async fn call(
        &self,
        target: BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<Value, CallError> {
        let (reply, answer) = oneshot::channel();
        let delivery = Delivery {
            request,
            deadline,
            reply: Some(reply),
        };
        self.send(&target, delivery).map_err(CallError::Bus)?;
        match timeout_at(deadline.instant().into(), answer).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(CallError::Remote(error)),
            // The server lets go of a request at the end of its budget, too.
            Ok(Err(_)) if !deadline.remaining().is_zero() => Err(CallError::Bus(CellError::new(
                ErrorClass::Unreachable,
                "the server stopped before it answered",
            ))),
            Ok(Err(_)) | Err(_) => Err(CallError::Bus(CellError::new(
                ErrorClass::Timeout,
                "no answer within the budget",
            ))),
        }
    }

    async fn cast(
        &self,
        target: BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        let delivery = Delivery {
            request,
            deadline,
            reply: None,
        };
        self.send(&target, delivery)
    }

    async fn fanout(
        &self,
        topic: String,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        let mut full = Ok(());
        for queue in self.queues(&topic, None) {
            let delivery = Delivery {
                request: request.clone(),
                deadline,
                reply: None,
            };
            match queue.try_send(delivery) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(error) => full = Err(refused(error)),
            }
        }
        full
    }

    async fn serve(
        &self,
        topic: String,
        server: String,
        endpoint: Arc<dyn Endpoint>,
        _: Deadline,
    ) -> Result<Serving, CellError> {
        let (queue, deliveries) = mpsc::channel(self.queue);
        let task = tokio::spawn(serve(endpoint, deliveries)).abort_handle();
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.push(Server {
            topic,
            name: server,
            queue,
        });
        Ok(Serving { task })
    }
}

async fn serve(endpoint: Arc<dyn Endpoint>, mut deliveries: mpsc::Receiver<Delivery>) {
    // Dropped with this task, and every request in it.
    let mut running = JoinSet::new();
    loop {
        if running.len() >= AT_ONCE {
            running.join_next().await;
            continue;
        }
        tokio::select! {
            delivery = deliveries.recv() => match delivery {
                Some(delivery) => {
                    running.spawn(answer(Arc::clone(&endpoint), delivery));
                }
                None => return,
            },
            Some(_) = running.join_next() => {}
        }
    }
}

async fn answer(endpoint: Arc<dyn Endpoint>, delivery: Delivery) {
    let Delivery {
        request,
        deadline,
        reply,
    } = delivery;
    if deadline.remaining().is_zero() {
        return;
    }
    let work = dispatch(&*endpoint, request, deadline);
    match reply {
        // Nobody waits for a cast, so only its own expiry while queued counts.
        None => drop(work.await),
        Some(reply) => {
            if let Ok(answer) = timeout_at(deadline.instant().into(), work).await {
                // Refused where the caller has gone.
                drop(reply.send(answer));
            }
        }
    }
}

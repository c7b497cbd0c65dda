//! Redis as a bus: streams and consumer groups, in oslo.messaging's envelope. oslo.messaging has no such bus, so this one is
//! between our own processes.
//!
//! | key, after `nova-bus:<exchange>:` | what |
//! | --- | --- |
//! | `queue:<topic>`, `queue:<topic>.<server>` | streams of requests, read by the group `servers` |
//! | `fanout:<topic>:<instance>` | a stream for each server that lives, of its fanouts |
//! | `servers:<topic>` | instances by the time until which they live |
//! | `reply:<client>` | a stream of each client's replies |
//! | `done:<unique id>` | requests that were executed, for an hour |
//!
//! A request stays in its stream until it has been executed: at least once. One whose server gives no sign of life any more
//! goes to another, unless it was executed and only not taken out. Time is Redis's own, never a client's.
//!
//! `redis+sentinel://` has sentinels for hosts. They are asked for each connection where the Redis that writes is, and that
//! one is asked whether it does. A new one has what its predecessor has told it by then: what was taken in the last moment
//! before may be lost, which `min-replicas-to-write` of Redis narrows down and nothing here can mend.

mod classify;
mod client;
mod keys;
mod link;
mod replies;
mod server;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use cells::{Broker, CellError, CellMapping};
use context::Deadline;
use serde_json::Value;

use self::client::Client;
use self::link::Place;
use super::message::{BusTarget, CallError, Endpoint, RpcRequest};
use super::transport::{Serving, Transport};
use crate::options::ConnectorOptions;

/// What callers hold. Servers outlive it.
struct Redis(Arc<Client>);

impl Drop for Redis {
    fn drop(&mut self) {
        self.0.over.cancel();
    }
}

/// A handle on a Redis; waits for nothing.
///
/// # Errors
/// Configuration, where the URL makes no sense for Redis.
pub(super) fn open(
    broker: &Broker,
    mapping: &CellMapping,
    options: &ConnectorOptions,
) -> Result<Arc<dyn Transport>, CellError> {
    let place = Place::new(broker, mapping, options)?;
    Ok(Arc::new(Redis(Client::new(place))))
}

#[async_trait]
impl Transport for Redis {
    async fn check(&self, deadline: Deadline) -> Result<(), CellError> {
        self.0.check(deadline).await
    }

    async fn call(
        &self,
        target: BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<Value, CallError> {
        self.0.call(&target, request, deadline).await
    }

    async fn cast(
        &self,
        target: BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        self.0.cast(&target, request, deadline).await
    }

    async fn fanout(
        &self,
        topic: String,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        self.0.fanout(&topic, request, deadline).await
    }

    async fn serve(
        &self,
        topic: String,
        server: String,
        endpoint: Arc<dyn Endpoint>,
        deadline: Deadline,
    ) -> Result<Serving, CellError> {
        server::serve(&self.0, &topic, &server, endpoint, deadline).await
    }

    fn close(&self) {
        self.0.close();
    }
}

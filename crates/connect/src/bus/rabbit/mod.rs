//! RabbitMQ, in oslo.messaging's format: our clients call Nova's services, and Nova's clients call ours (nova-facts 7).
//!
//! One connection sends requests and reads replies, and each [`serve`](super::CellBus::serve) has one of its own, so that a
//! broker that stops reading from senders does not stop servers. There is no pool: everything is confirmed out of order
//! over one channel, and what a second connection would add is a second thread of the driver.

mod classify;
mod client;
mod link;
mod listener;
mod login;
mod place;
mod publish;
mod replier;
mod replies;
mod runtime;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cells::{Broker, CellError, CellMapping};
use context::Deadline;
use serde_json::Value;

use self::client::Client;
use self::place::Place;
use super::message::{BusTarget, CallError, Endpoint, RpcRequest};
use super::transport::{Serving, Transport};
use crate::options::ConnectorOptions;

/// What callers hold. Servers outlive it.
struct Rabbit(Arc<Client>);

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.0.over.cancel();
    }
}

/// A handle on a broker; waits for nothing.
///
/// # Errors
/// Configuration, where the URL's options make no sense.
pub(super) fn open(
    broker: &Broker,
    mapping: &CellMapping,
    options: &ConnectorOptions,
) -> Result<Arc<dyn Transport>, CellError> {
    let place = Place::new(broker, mapping, options)?;
    Ok(Arc::new(Rabbit(Client::new(place))))
}

/// How long a lost connection is left alone before the next try, the first and the longest time.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long closing may take before the socket is cut.
const CLOSING: Duration = Duration::from_secs(2);

#[async_trait]
impl Transport for Rabbit {
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
        listener::serve(&self.0, topic, server, endpoint, deadline).await
    }

    fn close(&self) {
        self.0.close();
    }
}

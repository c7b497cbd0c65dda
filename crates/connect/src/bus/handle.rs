//! A lazy handle on one cell's bus.

use std::fmt;
use std::sync::Arc;

use cells::{Broker, BrokerKind, CellError, CellMapping, ErrorClass, TransportLocation};
use context::Deadline;
use serde_json::Value;

use super::in_process::InProcessBuses;
use super::message::{BusTarget, CallError, Endpoint, RpcRequest};
use super::transport::{Refusing, Serving, Transport};
use crate::options::ConnectorOptions;

/// A cell's bus. Cheap to clone; clones share the connection. Opening one waits for nothing.
#[derive(Clone)]
pub struct CellBus {
    transport: Arc<dyn Transport>,
    masked: Arc<str>,
}

impl CellBus {
    /// A handle on a cell's bus.
    ///
    /// # Errors
    /// [`ErrorClass::Configuration`] for `none:///`, which is no bus. Callers do not get here: a cell without a bus has no
    /// messaging leg.
    pub(crate) fn of_cell(
        mapping: &CellMapping,
        options: &ConnectorOptions,
        in_process: &InProcessBuses,
    ) -> Result<Self, CellError> {
        let location = mapping.transport();
        let transport: Arc<dyn Transport> = match location {
            TransportLocation::None => {
                return Err(CellError::new(ErrorClass::Configuration, "there is no bus"));
            }
            TransportLocation::InProcess { name } => in_process.bus(name),
            TransportLocation::Broker(broker) => {
                open(broker, mapping, options).unwrap_or_else(|error| Arc::new(Refusing(error)))
            }
        };
        Ok(Self {
            transport,
            masked: location.to_string().into(),
        })
    }

    /// Closes its connections. Calls that wait fail.
    pub(crate) fn close(&self) {
        self.transport.close();
    }

    /// Asks whether the bus takes messages: connects and logs in.
    ///
    /// # Errors
    /// [`CellError`] with the reason's class.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn check(&self, deadline: Deadline) -> Result<(), CellError> {
        self.transport.check(deadline).await
    }

    /// Sends a request and waits for its answer. The request expires with the deadline, wherever it is by then. Where that
    /// is farther off than [`ConnectorOptions::bus_monitor`], the server has to give signs of life while it works.
    ///
    /// # Errors
    /// [`CallError::Remote`] with what the other side said, [`CallError::Bus`] where no answer came. With
    /// [`ErrorClass::Timeout`], [`ErrorClass::Unreachable`] or [`ErrorClass::Decode`] the request may have been delivered and
    /// executed, or may still be until it expires: the connection may have been lost after it was sent, and the answer with
    /// it. With any other class it was not.
    ///
    /// # Cancel safety
    /// A dropped call may be executed all the same; its answer is thrown away.
    pub async fn call(
        &self,
        target: BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<Value, CallError> {
        self.transport.call(target, request, deadline).await
    }

    /// Sends a request that nobody answers. `Ok` says the bus has it, not that it was executed. On a broker it does not
    /// expire: the deadline is for sending it.
    ///
    /// # Errors
    /// [`CellError`] where the bus did not say by the deadline that it has it, and where no server has ever listened on the
    /// topic. With [`ErrorClass::Timeout`], [`ErrorClass::Unreachable`] or [`ErrorClass::Decode`] it may be on its way all the
    /// same: the connection may have been lost after it was sent. Sent again it may be executed twice.
    ///
    /// # Cancel safety
    /// A dropped cast may have been sent.
    pub async fn cast(
        &self,
        target: BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        self.transport.cast(target, request, deadline).await
    }

    /// Sends a request to every server of a topic.
    ///
    /// # Errors
    /// As [`cast`](Self::cast).
    ///
    /// # Cancel safety
    /// As [`cast`](Self::cast).
    pub async fn fanout(
        &self,
        topic: impl Into<String>,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError> {
        self.transport.fanout(topic.into(), request, deadline).await
    }

    /// Serves requests for a topic under a server's name until the returned guard is dropped.
    ///
    /// # Errors
    /// [`CellError`] where serving could not be set up by the deadline.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing is served.
    pub async fn serve(
        &self,
        topic: impl Into<String>,
        server: impl Into<String>,
        endpoint: impl Endpoint,
        deadline: Deadline,
    ) -> Result<Serving, CellError> {
        let endpoint = Arc::new(endpoint);
        self.transport
            .serve(topic.into(), server.into(), endpoint, deadline)
            .await
    }
}

/// What speaks to a broker, where this build has it.
fn open(
    broker: &Broker,
    mapping: &CellMapping,
    options: &ConnectorOptions,
) -> Result<Arc<dyn Transport>, CellError> {
    match broker.kind {
        BrokerKind::Rabbit => rabbit(broker, mapping, options),
        BrokerKind::Redis | BrokerKind::RedisTls | BrokerKind::RedisSentinel => {
            redis(broker, mapping, options)
        }
    }
}

#[cfg(feature = "rabbitmq")]
use super::rabbit::open as rabbit;
#[cfg(feature = "redis")]
use super::redis::open as redis;

#[cfg(not(feature = "rabbitmq"))]
fn rabbit(
    _: &Broker,
    _: &CellMapping,
    _: &ConnectorOptions,
) -> Result<Arc<dyn Transport>, CellError> {
    absent("this build has no RabbitMQ connector")
}

#[cfg(not(feature = "redis"))]
fn redis(
    _: &Broker,
    _: &CellMapping,
    _: &ConnectorOptions,
) -> Result<Arc<dyn Transport>, CellError> {
    absent("this build has no Redis connector")
}

#[cfg(not(all(feature = "rabbitmq", feature = "redis")))]
fn absent(detail: &'static str) -> Result<Arc<dyn Transport>, CellError> {
    Err(CellError::new(ErrorClass::Configuration, detail))
}

impl fmt::Debug for CellBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CellBus").field(&self.masked).finish()
    }
}

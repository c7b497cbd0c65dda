//! A lazy handle on one cell's bus.

use std::fmt;
use std::sync::Arc;

use cells::{BrokerKind, CellError, ErrorClass, TransportLocation};
use context::Deadline;
use serde_json::Value;

use super::in_process::InProcessBuses;
use super::message::{BusTarget, CallError, Endpoint, RpcRequest};
use super::transport::{Absent, Serving, Transport};

/// A cell's bus. Cheap to clone; clones share the connection. Opening one waits for nothing.
#[derive(Clone)]
pub struct CellBus {
    transport: Arc<dyn Transport>,
    masked: Arc<str>,
}

impl CellBus {
    /// A handle on the bus at this place.
    ///
    /// # Errors
    /// [`ErrorClass::Configuration`] for `none:///`, which is no bus. Callers do not get here: a cell without a bus has no
    /// messaging leg.
    pub(crate) fn open(
        location: &TransportLocation,
        in_process: &InProcessBuses,
    ) -> Result<Self, CellError> {
        let transport: Arc<dyn Transport> = match location {
            TransportLocation::None => {
                return Err(CellError::new(ErrorClass::Configuration, "there is no bus"));
            }
            TransportLocation::InProcess { name } => in_process.bus(name),
            TransportLocation::Broker(broker) => Arc::new(Absent(match broker.kind {
                BrokerKind::Rabbit => "RabbitMQ",
                BrokerKind::Redis | BrokerKind::RedisTls => "Redis",
            })),
        };
        Ok(Self {
            transport,
            masked: location.to_string().into(),
        })
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

    /// Sends a request and waits for its answer. The request expires with the deadline, wherever it is by then.
    ///
    /// # Errors
    /// [`CallError::Remote`] with what the other side said, [`CallError::Bus`] where no answer came.
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

    /// Sends a request that nobody answers. `Ok` says the bus has it, not that it was executed.
    ///
    /// # Errors
    /// [`CellError`] where the bus did not take it by the deadline.
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

impl fmt::Debug for CellBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CellBus").field(&self.masked).finish()
    }
}

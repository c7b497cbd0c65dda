//! What one kind of bus has to bring: the seam inside this crate.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cells::CellError;
use context::Deadline;
use serde_json::Value;
use tokio::task::AbortHandle;

use super::message::{BusTarget, CallError, Endpoint, RpcRequest};

#[async_trait]
pub(crate) trait Transport: Send + Sync {
    async fn check(&self, deadline: Deadline) -> Result<(), CellError>;

    async fn call(
        &self,
        target: BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<Value, CallError>;

    async fn cast(
        &self,
        target: BusTarget,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError>;

    async fn fanout(
        &self,
        topic: String,
        request: RpcRequest,
        deadline: Deadline,
    ) -> Result<(), CellError>;

    async fn serve(
        &self,
        topic: String,
        server: String,
        endpoint: Arc<dyn Endpoint>,
        deadline: Deadline,
    ) -> Result<Serving, CellError>;

    /// Closes what is open, since its place or password is no longer right. Must not block.
    fn close(&self) {}
}

/// A server that runs until this is dropped.
#[must_use = "the server stops when this is dropped"]
pub struct Serving {
    pub(super) task: AbortHandle,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}

/// A bus that cannot be used, whoever asks: it opens like any other and says so at the first use.
pub(crate) struct Refusing(pub(crate) CellError);

#[async_trait]
impl Transport for Refusing {
    async fn check(&self, _: Deadline) -> Result<(), CellError> {
        Err(self.0.clone())
    }

    async fn call(&self, _: BusTarget, _: RpcRequest, _: Deadline) -> Result<Value, CallError> {
        Err(CallError::Bus(self.0.clone()))
    }

    async fn cast(&self, _: BusTarget, _: RpcRequest, _: Deadline) -> Result<(), CellError> {
        Err(self.0.clone())
    }

    async fn fanout(&self, _: String, _: RpcRequest, _: Deadline) -> Result<(), CellError> {
        Err(self.0.clone())
    }

    async fn serve(
        &self,
        _: String,
        _: String,
        _: Arc<dyn Endpoint>,
        _: Deadline,
    ) -> Result<Serving, CellError> {
        Err(self.0.clone())
    }
}

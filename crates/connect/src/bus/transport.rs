//! What one kind of bus has to bring: the seam inside this crate.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cells::{CellError, ErrorClass};
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

/// A broker that this build cannot speak to: opens like any other and says so at the first use.
pub(crate) struct Absent(pub(crate) &'static str);

impl Absent {
    fn error(&self) -> CellError {
        CellError::new(
            ErrorClass::Configuration,
            format!("this build has no {} connector", self.0),
        )
    }
}

#[async_trait]
impl Transport for Absent {
    async fn check(&self, _: Deadline) -> Result<(), CellError> {
        Err(self.error())
    }

    async fn call(&self, _: BusTarget, _: RpcRequest, _: Deadline) -> Result<Value, CallError> {
        Err(CallError::Bus(self.error()))
    }

    async fn cast(&self, _: BusTarget, _: RpcRequest, _: Deadline) -> Result<(), CellError> {
        Err(self.error())
    }

    async fn fanout(&self, _: String, _: RpcRequest, _: Deadline) -> Result<(), CellError> {
        Err(self.error())
    }

    async fn serve(
        &self,
        _: String,
        _: String,
        _: Arc<dyn Endpoint>,
        _: Deadline,
    ) -> Result<Serving, CellError> {
        Err(self.error())
    }
}

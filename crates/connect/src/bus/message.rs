//! What travels: requests, answers, and errors of the other side, which are data here and never code.

use async_trait::async_trait;
use cells::CellError;
use context::Deadline;
use serde_json::{Map, Value};

/// Who a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusTarget {
    /// The service's topic: `compute`, `conductor`, `scheduler`.
    pub topic: String,
    /// One server of it, by its host; any of them where there is none.
    pub server: Option<String>,
}

impl BusTarget {
    /// Any server of a topic.
    #[must_use]
    pub fn topic(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            server: None,
        }
    }

    /// One server of a topic.
    #[must_use]
    pub fn server(topic: impl Into<String>, server: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            server: Some(server.into()),
        }
    }
}

/// One request, as oslo.messaging has them (nova-facts 7.3).
#[derive(Clone, PartialEq)]
pub struct RpcRequest {
    /// The endpoint's namespace; the null one where there is none.
    pub namespace: Option<String>,
    /// The version asked for, `X.Y`.
    pub version: String,
    /// The method's name.
    pub method: String,
    /// The arguments by name.
    pub args: Map<String, Value>,
    /// The request context, by its keys without `_context_`. May hold a token.
    pub context: Map<String, Value>,
}

impl RpcRequest {
    /// A request for a method, in version 1.0 of the null namespace.
    #[must_use]
    pub fn new(method: impl Into<String>, args: Map<String, Value>) -> Self {
        Self {
            namespace: None,
            version: "1.0".into(),
            method: method.into(),
            args,
            context: Map::new(),
        }
    }
}

impl std::fmt::Debug for RpcRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments may hold passwords (an instance's admin password travels this way), the context holds a token.
        f.debug_struct("RpcRequest")
            .field("namespace", &self.namespace)
            .field("version", &self.version)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// What the other side says went wrong: data, of which nothing is ever instantiated by name (W-26).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the remote side answered with {class}")]
#[non_exhaustive]
pub struct RemoteError {
    /// The name of its exception.
    pub class: String,
    /// The module that exception is in.
    pub module: String,
    /// Its message. May hold anything; not part of `Display`.
    pub message: String,
}

impl RemoteError {
    /// An error as an endpoint answers it.
    #[must_use]
    pub fn new(class: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class: class.into(),
            module: "nova.exception".into(),
            message: message.into(),
        }
    }
}

/// A call without a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The bus failed, or no answer came in time. The request may have been executed.
    #[error("the call got no answer")]
    Bus(#[source] CellError),
    /// The other side answered with an error.
    #[error("the call failed on the other side")]
    Remote(#[source] RemoteError),
}

/// Serves requests of one topic.
#[async_trait]
pub trait Endpoint: Send + Sync + 'static {
    /// Answers one request. The result of a cast or a fanout goes nowhere.
    ///
    /// # Errors
    /// [`RemoteError`], which is sent to the caller.
    ///
    /// # Cancel safety
    /// The future is dropped when the caller's budget ends.
    async fn handle(&self, request: RpcRequest, deadline: Deadline) -> Result<Value, RemoteError>;
}

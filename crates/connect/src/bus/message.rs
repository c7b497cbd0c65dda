//! What travels: requests, answers, and errors of the other side, which are data here and never code.

use async_trait::async_trait;
use cells::CellError;
use context::Deadline;
use serde_json::{Map, Value};

use super::carried::CarriedContext;

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
#[derive(Clone)]
pub struct RpcRequest {
    /// The endpoint's namespace; the null one where there is none.
    pub namespace: Option<String>,
    /// The version asked for, `X.Y`.
    pub version: String,
    /// The method's name.
    pub method: String,
    /// The arguments by name.
    pub args: Map<String, Value>,
    /// The request context. On arrival it is its sender's word, until it is read with a policy.
    pub context: CarriedContext,
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
            context: CarriedContext::default(),
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
// Its sender chose the name: nothing in it breaks a log line.
#[error("the remote side answered with {}", .class.escape_debug())]
#[non_exhaustive]
pub struct RemoteError {
    /// The name of its exception, cut to 255 characters.
    pub class: String,
    /// The module that exception is in, likewise.
    pub module: String,
    /// Its message, cut to 8192 characters. May hold anything; not part of `Display`.
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

    /// An error of a class in another module than Nova's exceptions.
    #[must_use]
    pub fn of(module: &str, class: &str, message: impl Into<String>) -> Self {
        Self {
            class: class.into(),
            module: module.into(),
            message: message.into(),
        }
    }
}

/// A call without a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The bus failed, or no answer came in time. The request may have been executed; by which classes it may have, see
    /// [`CellBus::call`](crate::CellBus::call).
    #[error("the call got no answer")]
    Bus(#[source] CellError),
    /// The other side answered with an error.
    #[error("the call failed on the other side")]
    Remote(#[source] RemoteError),
}

/// Serves requests of one topic.
///
/// Requests of another namespace or of a version that is not served do not reach it, nor do methods whose names begin with
/// an underscore: they are answered as oslo.messaging answers them.
#[async_trait]
pub trait Endpoint: Send + Sync + 'static {
    /// The namespace it serves; the null one where there is none.
    fn namespace(&self) -> Option<&str> {
        None
    }

    /// The newest version it serves, `X.Y`: requests of the same major version and no newer minor one reach it.
    fn version(&self) -> &str {
        "1.0"
    }

    /// Answers one request. The result of a cast or a fanout goes nowhere.
    ///
    /// # Errors
    /// [`RemoteError`], which is sent to the caller.
    ///
    /// # Cancel safety
    /// The future is dropped when the caller's budget ends.
    async fn handle(&self, request: RpcRequest, deadline: Deadline) -> Result<Value, RemoteError>;
}

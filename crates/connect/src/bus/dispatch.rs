//! What every server does with a request before and after its endpoint: whom it is for, which version it asks for, and
//! what becomes of a panic. The answers are oslo.messaging's (nova-facts 7.4).

use std::panic::AssertUnwindSafe;

use context::Deadline;
use futures_util::FutureExt;
use serde_json::Value;

use super::message::{Endpoint, RemoteError, RpcRequest};
use super::oslo;

/// Requests that one server works on at once (`executor_thread_pool_size` of oslo.messaging).
pub(super) const AT_ONCE: usize = 64;

const DISPATCHER: &str = "oslo_messaging.rpc.dispatcher";

/// Has a request answered.
pub(super) async fn dispatch(
    endpoint: &dyn Endpoint,
    request: RpcRequest,
    deadline: Deadline,
) -> Result<Value, RemoteError> {
    let is_served = request.namespace.as_deref() == endpoint.namespace()
        && oslo::is_served(endpoint.version(), &request.version);
    if !is_served {
        return Err(RemoteError::of(
            DISPATCHER,
            "UnsupportedVersion",
            format!(
                "Endpoint does not support RPC version {}. Attempted method: {}",
                request.version, request.method
            ),
        ));
    }
    if request.method.is_empty() || request.method.starts_with('_') {
        return Err(no_such_method(&request.method));
    }
    let work = AssertUnwindSafe(endpoint.handle(request, deadline)).catch_unwind();
    work.await.unwrap_or_else(|_panic| {
        let message = "the server failed while it worked on the request";
        Err(RemoteError::of("builtins", "RuntimeError", message))
    })
}

/// The answer to a method that nobody has.
fn no_such_method(method: &str) -> RemoteError {
    let message = format!("Endpoint does not support RPC method {method}");
    RemoteError::of(DISPATCHER, "NoSuchMethod", message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use serde_json::Map;

    use super::*;

    struct Compute;

    #[async_trait]
    impl Endpoint for Compute {
        fn namespace(&self) -> Option<&str> {
            Some("compute_task")
        }

        fn version(&self) -> &str {
            "6.5"
        }

        #[expect(clippy::panic, reason = "what the test is about")]
        async fn handle(&self, request: RpcRequest, _: Deadline) -> Result<Value, RemoteError> {
            match request.method.as_str() {
                "fall" => panic!("on purpose"),
                _ => Ok(Value::Bool(true)),
            }
        }
    }

    async fn asked(namespace: Option<&str>, version: &str, method: &str) -> String {
        let mut request = RpcRequest::new(method, Map::new());
        request.namespace = namespace.map(str::to_owned);
        request.version = version.to_owned();
        let deadline = Deadline::after(Duration::from_secs(10));
        match dispatch(&Compute, request, deadline).await {
            Ok(_) => "answered".into(),
            Err(error) => error.class,
        }
    }

    #[tokio::test]
    async fn requests_are_decided_as_oslo_messaging_decides_them() {
        let ours = Some("compute_task");
        for (namespace, version, method, expected) in [
            (ours, "6.0", "ping", "answered"),
            (ours, "6.6", "ping", "UnsupportedVersion"),
            (ours, "5.0", "ping", "UnsupportedVersion"),
            (ours, "", "ping", "UnsupportedVersion"),
            (None, "6.0", "ping", "UnsupportedVersion"),
            (Some("other"), "6.0", "_init", "UnsupportedVersion"),
            (ours, "6.0", "_init", "NoSuchMethod"),
            (ours, "6.0", "", "NoSuchMethod"),
            (ours, "6.0", "fall", "RuntimeError"),
        ] {
            assert_eq!(
                asked(namespace, version, method).await,
                expected,
                "{namespace:?} {version} {method}"
            );
        }
    }
}

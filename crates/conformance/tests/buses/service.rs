//! A service that notes what it is asked, and can be made to wait.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use connect::{Endpoint, RemoteError, RpcRequest};
use context::Deadline;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

#[derive(Clone)]
pub(crate) struct Service {
    name: String,
    asked: Arc<Mutex<Vec<RpcRequest>>>,
    /// `hang` goes on for one request for each permit.
    pub(crate) gate: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            asked: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    /// What it was asked with this method.
    pub(crate) fn asked(&self, method: &str) -> Vec<RpcRequest> {
        let asked = self.asked.lock().unwrap();
        let asked = asked.iter().filter(|request| request.method == method);
        asked.cloned().collect()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.asked(method).len()
    }
}

#[async_trait]
impl Endpoint for Service {
    fn version(&self) -> &str {
        "6.5"
    }

    async fn handle(&self, request: RpcRequest, _: Deadline) -> Result<Value, RemoteError> {
        self.asked.lock().unwrap().push(request.clone());
        match request.method.as_str() {
            "who" => Ok(json!(self.name)),
            "echo" => Ok(request.args.get("arg").cloned().unwrap_or(Value::Null)),
            "note" => Ok(Value::Null),
            "hang" => {
                self.gate.acquire().await.unwrap().forget();
                Ok(json!("done"))
            }
            "lose" => Err(RemoteError::new(
                "InstanceNotFound",
                "Instance abc could not be found.",
            )),
            other => Err(RemoteError::of("builtins", "AttributeError", other)),
        }
    }
}

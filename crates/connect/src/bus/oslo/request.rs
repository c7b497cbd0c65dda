//! Requests: what a client asks, and where it wants the answer.

use std::time::Duration;

use serde_json::{Map, Value};

use super::envelope::{self, Unreadable};
use crate::bus::carried::CarriedContext;
use crate::bus::message::RpcRequest;

/// A request as it came from the wire.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Arrived {
    /// What is asked.
    pub request: RpcRequest,
    /// The message's own id: a second one with the same id is the same message.
    pub unique_id: Option<String>,
    /// Where the answer goes; none for casts.
    pub reply: Option<ReplyTo>,
    /// How long the caller waits without a sign of life before it gives up.
    pub monitor: Option<Duration>,
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyTo {
    /// The caller's queue.
    pub queue: String,
    /// The call it answers.
    pub call: String,
}

const CONTEXT: &str = "_context_";

/// The longest name of a queue that a broker takes (a short string of AMQP).
const MAX_QUEUE: usize = 255;

/// Reads a request. What is wrong inside a readable envelope is the dispatcher's to answer, as in oslo.messaging: a method
/// without a name becomes an empty one, arguments that are not an object become none.
///
/// # Errors
/// [`Unreadable`]: the message is dropped and nobody is told.
pub fn read_request(content_type: Option<&str>, body: &[u8]) -> Result<Arrived, Unreadable> {
    let message = envelope::unwrap(content_type, body)?;
    let (mut carried, mut rest) = (Map::new(), Map::new());
    for (key, value) in message {
        match key.strip_prefix(CONTEXT) {
            Some(key) => carried.insert(key.to_owned(), value),
            None => rest.insert(key, value),
        };
    }
    let mut text = |key: &str| match rest.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (call, queue) = (text("_msg_id"), text("_reply_q"));
    let unique_id = text("_unique_id");
    let request = RpcRequest {
        namespace: text("namespace"),
        method: text("method").unwrap_or_default(),
        version: match rest.remove("version") {
            None => "1.0".into(),
            Some(Value::String(version)) => version,
            // Serves no one: the dispatcher says so.
            Some(_) => String::new(),
        },
        args: match rest.remove("args") {
            Some(Value::Object(args)) => args,
            _ => Map::new(),
        },
        context: CarriedContext::arrived(carried),
    };
    let monitor = rest.get("_timeout").and_then(Value::as_u64);
    Ok(Arrived {
        request,
        unique_id,
        reply: call.zip(queue).and_then(|(call, queue)| {
            (queue.len() <= MAX_QUEUE).then_some(ReplyTo { queue, call })
        }),
        monitor: monitor
            .filter(|seconds| (2..=86_400).contains(seconds))
            .map(Duration::from_secs),
    })
}

/// Writes a request. A call says where its answer goes and how long its caller waits without a sign of life.
pub(crate) fn write_request(
    mut request: RpcRequest,
    unique_id: &str,
    reply: Option<(&ReplyTo, Option<Duration>)>,
) -> Vec<u8> {
    let mut message = Map::new();
    let mut put = |key: &str, value: Value| message.insert(key.to_owned(), value);
    put("method", request.method.into());
    put("args", Value::Object(request.args));
    put("version", request.version.into());
    if let Some(namespace) = request.namespace {
        put("namespace", namespace.into());
    }
    put("_unique_id", unique_id.into());
    if let Some((reply, monitor)) = reply {
        put("_msg_id", reply.call.as_str().into());
        put("_reply_q", reply.queue.as_str().into());
        let seconds = monitor.map(|interval| interval.as_secs().max(2));
        put("_timeout", seconds.map_or(Value::Null, Value::from));
    }
    for (key, value) in request.context.drain() {
        message.insert(format!("{CONTEXT}{key}"), value);
    }
    envelope::wrap(message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bus::oslo::CONTENT_TYPE;

    /// One call and its reply, as RabbitMQ saw them between Nova's own client and server.
    const CAPTURED: &str = include_str!("captured.json");

    fn read(message: &Value) -> Arrived {
        read_request(Some(CONTENT_TYPE), message.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_nova_sent_is_read_and_written_alike() {
        let captured: Value = serde_json::from_str(CAPTURED).unwrap();
        let body = captured[0]["raw_body"].as_str().unwrap();
        let arrived = read_request(Some(CONTENT_TYPE), body.as_bytes()).unwrap();
        assert_eq!(arrived.request.method, "ping");
        assert_eq!(arrived.request.version, "5.0");
        assert_eq!(arrived.request.args["arg"], "hello");
        assert_eq!(
            arrived.request.context.get("user_name"),
            Some(&json!("demo"))
        );
        let reply = arrived.reply.unwrap();
        assert_eq!(reply.call, "cfc54b14ea104f2d888b0278672c7021");
        let id = arrived.unique_id.unwrap();
        let written = write_request(arrived.request, &id, Some((&reply, None)));
        let inner =
            |body: &[u8]| Value::Object(envelope::unwrap(Some(CONTENT_TYPE), body).unwrap());
        assert_eq!(inner(&written), inner(body.as_bytes()));
    }

    #[test]
    fn everything_but_the_envelope_may_be_missing() {
        let arrived = read(&json!({}));
        assert_eq!(
            (
                arrived.request.method.as_str(),
                arrived.request.version.as_str()
            ),
            ("", "1.0")
        );
        assert_eq!((arrived.reply, arrived.monitor), (None, None));
    }

    #[test]
    fn an_answer_needs_both_a_call_and_a_queue_that_can_exist() {
        assert_eq!(read(&json!({"_msg_id": "a"})).reply, None);
        assert_eq!(read(&json!({"_reply_q": "a"})).reply, None);
        assert_eq!(read(&json!({"_msg_id": 1, "_reply_q": "a"})).reply, None);
        let long = "q".repeat(256);
        assert_eq!(read(&json!({"_msg_id": "a", "_reply_q": long})).reply, None);
        assert!(
            read(&json!({"_msg_id": "a", "_reply_q": "b"}))
                .reply
                .is_some()
        );
    }

    #[test]
    fn a_monitor_is_a_number_of_at_least_two_seconds() {
        for (value, expected) in [
            (json!(60), Some(60)),
            (json!(2), Some(2)),
            (json!(1), None),
            (json!(0), None),
            (json!(null), None),
            (json!(-3), None),
            (json!(2.5), None),
            (json!("60"), None),
            (json!(true), None),
        ] {
            let read = read(&json!({"_timeout": value})).monitor;
            assert_eq!(read, expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn odd_kinds_are_left_to_the_dispatcher() {
        let odd =
            read(&json!({"method": 7, "version": 1.0, "args": [1], "namespace": null, "extra": 1}));
        assert_eq!(odd.request.method, "");
        assert_eq!(odd.request.version, "");
        assert!(odd.request.args.is_empty() && odd.request.namespace.is_none());
    }
}

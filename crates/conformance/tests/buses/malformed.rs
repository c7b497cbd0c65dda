//! Messages that no client of ours would send, published as they are: each is decided as oslo.messaging decides it.

use std::time::Duration;

use connect::{Answer, Reply, read_reply};
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use nova_conformance::RabbitMq;
use serde_json::{Value, json};

use crate::service::Service;
use crate::{open, soon};

/// A client that writes whatever it is told.
pub(crate) struct Raw {
    channel: Channel,
    replies: Consumer,
    _connection: Connection,
}

const REPLIES: &str = "reply_raw";

impl Raw {
    pub(crate) async fn new(server: &RabbitMq, virtual_host: &str) -> Self {
        let url = server.url(virtual_host);
        let url = url.expose().replacen("rabbit", "amqp", 1);
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&url, properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions::default();
        channel
            .queue_declare(REPLIES.into(), options, FieldTable::default())
            .await
            .unwrap();
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let replies = channel
            .basic_consume(REPLIES.into(), "".into(), options, FieldTable::default())
            .await
            .unwrap();
        Self {
            channel,
            replies,
            _connection: connection,
        }
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    async fn publish(&self, key: &str, content_type: Option<&str>, body: &str) {
        let mut properties = BasicProperties::default();
        if let Some(content_type) = content_type {
            properties = properties.with_content_type(content_type.into());
        }
        let options = BasicPublishOptions::default();
        self.channel
            .basic_publish(
                "nova".into(),
                key.into(),
                options,
                body.as_bytes(),
                properties,
            )
            .await
            .unwrap();
    }

    /// The next reply, of whichever call.
    async fn reply(&mut self) -> Reply {
        let next = tokio::time::timeout(Duration::from_secs(60), self.replies.next());
        let delivery = next.await.unwrap().unwrap().unwrap();
        read_reply(Some("application/json"), &delivery.data).unwrap()
    }
}

const JSON: Option<&str> = Some("application/json");

fn wrapped(version: &Value, message: &Value) -> String {
    json!({"oslo.version": version, "oslo.message": message.to_string()}).to_string()
}

fn asking(call: &str, method: &str) -> Value {
    json!({"method": method, "args": {"arg": call}, "version": "6.0", "_msg_id": call, "_reply_q": REPLIES})
}

pub(crate) async fn suite(server: &RabbitMq) {
    let service = Service::new("host1");
    let bus = open(&server.url("cell1"));
    let _serving = bus
        .serve("odd", "host1", service.clone(), soon())
        .await
        .unwrap();
    let mut raw = Raw::new(server, "cell1").await;
    let two = json!("2.0");

    // Dropped, and nobody is told. The call after each is answered, so the server lives, and it is the first answer.
    let good = wrapped(&two, &asking("x", "echo"));
    let dropped = [
        (None, good.clone()),
        (Some("application/octet-stream"), good.clone()),
        (JSON, wrapped(&json!("1.0"), &asking("x", "echo"))),
        (JSON, wrapped(&json!("2.1"), &asking("x", "echo"))),
        (JSON, wrapped(&json!(2.0), &asking("x", "echo"))),
        (JSON, "[]".into()),
        (JSON, "not JSON".into()),
        (JSON, "{\"oslo.version\"".into()),
        (JSON, String::new()),
        (
            JSON,
            json!({"oslo.version": "2.0", "oslo.message": "["}).to_string(),
        ),
        (
            JSON,
            json!({"oslo.version": "2.0", "oslo.message": {}}).to_string(),
        ),
        // Executed, but there is nowhere to answer to.
        (
            JSON,
            wrapped(
                &two,
                &json!({"method": "note", "version": "6.0", "_msg_id": "x"}),
            ),
        ),
        (
            JSON,
            wrapped(
                &two,
                &json!({"method": "note", "version": "6.0", "_reply_q": REPLIES}),
            ),
        ),
        (
            JSON,
            wrapped(
                &two,
                &json!({"method": "note", "version": "6.0", "_msg_id": "x", "_reply_q": "q".repeat(400)}),
            ),
        ),
        (
            JSON,
            wrapped(
                &two,
                &json!({"method": "note", "version": "6.0", "_msg_id": "x", "_reply_q": "gone"}),
            ),
        ),
    ];
    for (n, (content_type, body)) in dropped.into_iter().enumerate() {
        raw.publish("odd.host1", content_type, &body).await;
        let call = format!("after-{n}");
        raw.publish("odd.host1", JSON, &wrapped(&two, &asking(&call, "echo")))
            .await;
        let reply = raw.reply().await;
        assert_eq!(
            (reply.call, reply.answer),
            (call.clone(), Answer::Result(json!(call))),
            "{body}"
        );
    }
    assert_eq!(service.count("note"), 4);

    // Answered.
    let with = |key: &str, value: Value| {
        let mut message = asking("c", "echo");
        message[key] = value;
        message
    };
    for (message, expected) in [
        (asking("c", "echo"), None),
        (with("extra", json!({"a": 1})), None),
        (with("_timeout", json!("soon")), None),
        (with("_timeout", json!(1)), None),
        (with("_context_is_admin", json!("maybe")), None),
        (
            with("namespace", json!("other")),
            Some("UnsupportedVersion"),
        ),
        (with("version", json!("7.0")), Some("UnsupportedVersion")),
        (with("version", json!("6.9")), Some("UnsupportedVersion")),
        (with("version", json!(6)), Some("UnsupportedVersion")),
        (with("method", json!("__init__")), Some("NoSuchMethod")),
        (with("method", json!(7)), Some("NoSuchMethod")),
        (with("method", json!("nonesuch")), Some("AttributeError")),
    ] {
        raw.publish("odd.host1", JSON, &wrapped(&two, &message))
            .await;
        let reply = raw.reply().await;
        let class = match reply.answer {
            Answer::Failed(error) => Some(error.class),
            _ => None,
        };
        assert_eq!(class.as_deref(), expected, "{message}");
        assert!(reply.ending);
    }
    // Without an envelope; and without the version key, which asks for 1.0.
    raw.publish("odd.host1", JSON, &asking("bare", "echo").to_string())
        .await;
    assert_eq!(raw.reply().await.answer, Answer::Result(json!("bare")));

    // The same message twice is one message.
    let mut twice = asking("twice", "note");
    twice["_unique_id"] = json!("0123");
    for _ in 0..2 {
        raw.publish("odd.host1", JSON, &wrapped(&two, &twice)).await;
    }
    raw.publish("odd.host1", JSON, &wrapped(&two, &asking("last", "echo")))
        .await;
    // Requests are worked on beside each other: the later one may be answered first.
    let mut answered = [raw.reply().await.call, raw.reply().await.call];
    answered.sort();
    assert_eq!(answered, ["last", "twice"]);
    assert_eq!(service.count("note"), 5);
}

//! What comes from a bus: requests, and replies to calls, bare or in oslo.messaging's envelope.

use std::sync::Arc;

use connect::{Answer, Arrived, Unreadable, read_reply, read_request};
use context::{TrustPolicy, WireRules};
use serde_json::{Map, Value, json};

use crate::text::{check_debug, check_error, text};
use crate::wire_context::check_admin;

const JSON: Option<&str> = Some("application/json");
const ENVELOPE: [&str; 2] = ["oslo.version", "oslo.message"];

/// As they come, and as the message inside a good envelope.
pub(crate) fn run(data: &[u8]) {
    for other in [None, Some(""), Some("application/octet-stream")] {
        let request = read_request(other, data).map(drop);
        assert_eq!(request, Err(Unreadable::ContentType));
        assert_eq!(
            read_reply(other, data).map(drop),
            Err(Unreadable::ContentType)
        );
    }
    request(data);
    reply(data);
    let Some(text) = text(data) else { return };
    let wrapped = json!({"oslo.version": "2.0", "oslo.message": text}).to_string();
    request(wrapped.as_bytes());
    reply(wrapped.as_bytes());
    same(data, wrapped.as_bytes());
}

/// A message is the same with an envelope as without one, unless it looks like one itself.
fn same(bare: &[u8], wrapped: &[u8]) {
    let Ok(message) = serde_json::from_slice::<Map<String, Value>>(bare) else {
        assert_eq!(
            read_request(JSON, wrapped).map(drop),
            Err(Unreadable::Inside)
        );
        return;
    };
    if ENVELOPE.iter().all(|key| message.contains_key(*key)) {
        return;
    }
    let (Ok(one), Ok(other)) = (read_request(JSON, bare), read_request(JSON, wrapped)) else {
        panic!("an object is a message");
    };
    let said = |arrived: &Arrived| {
        let request = &arrived.request;
        let words = (
            request.method.clone(),
            request.version.clone(),
            request.namespace.clone(),
        );
        let ids = (arrived.unique_id.clone(), arrived.reply.clone());
        (words, ids, arrived.monitor, request.args.clone())
    };
    assert_eq!(said(&one), said(&other));
    for (key, value) in &message {
        let Some(key) = key.strip_prefix("_context_") else {
            continue;
        };
        for arrived in [&one, &other] {
            assert_eq!(arrived.request.context.get(key), Some(value), "{key}");
        }
    }
    assert_eq!(read_reply(JSON, bare), read_reply(JSON, wrapped));
}

fn request(body: &[u8]) {
    let arrived = match read_request(JSON, body) {
        Ok(arrived) => arrived,
        Err(error) => return check_error(&error, 0),
    };
    check_debug(&arrived, body.len());
    // Passwords travel among the arguments, tokens in the context.
    let shown = format!("{:?}", arrived.request);
    let mut silent = arrived.request.clone();
    silent.args.clear();
    silent.context = Default::default();
    assert_eq!(shown, format!("{silent:?}"));
    if let Some(reply) = &arrived.reply {
        assert!(reply.queue.len() <= 255, "no broker has such a queue");
    }
    if let Some(monitor) = arrived.monitor {
        assert!(
            (2..=86_400).contains(&monitor.as_secs()),
            "{monitor:?} of patience"
        );
    }
    let rules = WireRules::default();
    for trust in [TrustPolicy::Recompute, TrustPolicy::Refuse] {
        let carried = arrived.request.context.clone();
        match carried.believe(&rules, trust, Arc::default()) {
            Ok(ctx) => check_admin(&ctx),
            Err(error) => check_error(&error, body.len()),
        }
    }
}

fn reply(body: &[u8]) {
    let reply = match read_reply(JSON, body) {
        Ok(reply) => reply,
        Err(error) => return check_error(&error, 0),
    };
    check_debug(&reply, body.len());
    match reply.answer {
        Answer::Result(result) => {
            let written = result.to_string();
            assert!(
                written.len() <= 64 + 8 * body.len(),
                "{} bytes",
                written.len()
            );
        }
        Answer::Failed(error) => {
            check_error(&error, body.len());
            let long = |text: &str| text.chars().count();
            assert!(long(&error.class) <= 255 && long(&error.module) <= 255);
            assert!(long(&error.message) <= 8192);
        }
        // Garbled, or what later versions add.
        _ => {}
    }
}

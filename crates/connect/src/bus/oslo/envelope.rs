//! The envelope: `{"oslo.version": "2.0", "oslo.message": "<JSON text>"}`, the message being JSON inside a JSON string.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::CONTENT_TYPE;

/// Why a message is dropped without an answer, as oslo.messaging drops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It does not say that it is JSON.
    #[error("the message's content type is not application/json")]
    ContentType,
    /// It is longer than anybody reads.
    #[error("the message is too long")]
    TooLong,
    /// It is not JSON, or not an object.
    #[error("the message is not a JSON object")]
    NotAnObject,
    /// Its envelope is of another version.
    #[error("the message's envelope is of another version")]
    Version,
    /// The envelope's message is not a JSON text.
    #[error("the message inside the envelope is not a JSON text")]
    Inside,
    /// A reply that does not say whose it is.
    #[error("the reply does not say which call it answers")]
    NoCall,
}

/// The most bytes of one message that are read. RabbitMQ takes no more than 128 MiB; what Nova sends stays far below.
const MAX_BYTES: usize = 16 << 20;

const VERSION: &str = "oslo.version";
const MESSAGE: &str = "oslo.message";

/// Puts a message into its envelope.
pub(super) fn wrap(message: Map<String, Value>) -> Vec<u8> {
    let inner = Zeroizing::new(Value::Object(message).to_string());
    let mut outer = Vec::with_capacity(inner.len() + inner.len() / 8 + 64);
    outer.extend_from_slice(br#"{"oslo.version": "2.0", "oslo.message": "#);
    // Into memory: a text can always be written.
    let written = serde_json::to_writer(&mut outer, inner.as_str());
    debug_assert!(written.is_ok());
    outer.push(b'}');
    outer
}

/// Takes a message out of its envelope. One without an envelope is taken as the bare message.
pub(super) fn unwrap(
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Map<String, Value>, Unreadable> {
    if content_type != Some(CONTENT_TYPE) {
        return Err(Unreadable::ContentType);
    }
    if body.len() > MAX_BYTES {
        return Err(Unreadable::TooLong);
    }
    let outer: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| Unreadable::NotAnObject)?;
    let (Some(version), Some(message)) = (outer.get(VERSION), outer.get(MESSAGE)) else {
        return Ok(outer);
    };
    let is_ours = version
        .as_str()
        .is_some_and(|asked| is_served("2.0", asked));
    if !is_ours {
        return Err(Unreadable::Version);
    }
    let text = message.as_str().ok_or(Unreadable::Inside)?;
    serde_json::from_str(text).map_err(|_| Unreadable::Inside)
}

/// Whether what serves `served` takes what asks for `asked`: the same major version, and nothing newer. Revisions count
/// where the minor versions are the same.
pub(in crate::bus) fn is_served(served: &str, asked: &str) -> bool {
    let read = |text: &str| -> Option<(u32, u32, u32)> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let (major, minor) = (parts.next()??, parts.next()??);
        let revision = parts.next().unwrap_or(Some(0))?;
        Some((major, minor, revision))
    };
    match (read(served), read(asked)) {
        (Some(served), Some(asked)) => {
            served.0 == asked.0 && (asked.1, asked.2) <= (served.1, served.2)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &str) -> Result<Value, Unreadable> {
        unwrap(Some(CONTENT_TYPE), body.as_bytes()).map(Value::Object)
    }

    #[test]
    fn what_is_wrapped_comes_out_again() {
        let message = json!({"method": "ping", "args": {"arg": "a \"quoted\" \\ \u{1F600}\n"}});
        let wrapped = wrap(message.as_object().unwrap().clone());
        assert_eq!(
            unwrap(Some(CONTENT_TYPE), &wrapped).map(Value::Object),
            Ok(message)
        );
    }

    #[test]
    fn versions_are_texts_of_the_same_major_and_no_newer_minor() {
        let with = |version: &str| {
            read(&format!(
                r#"{{"oslo.version": {version}, "oslo.message": "{{}}"}}"#
            ))
        };
        for version in [r#""2.0""#, r#""2.0.0""#] {
            assert_eq!(with(version), Ok(json!({})), "{version}");
        }
        for version in [
            r#""1.0""#,
            r#""2.1""#,
            r#""3.0""#,
            r#""2.0.1""#,
            r#""2""#,
            r#""two""#,
            "2.0",
            "null",
            "[]",
        ] {
            assert_eq!(with(version), Err(Unreadable::Version), "{version}");
        }
    }

    #[test]
    fn a_message_without_an_envelope_is_taken_as_it_is() {
        for bare in [
            r#"{"method": "ping"}"#,
            r#"{"oslo.version": "9.9", "method": "ping"}"#,
            r#"{"oslo.message": "{}", "method": "ping"}"#,
        ] {
            assert_eq!(read(bare).unwrap()["method"], "ping");
        }
    }

    #[test]
    fn what_is_no_json_object_is_dropped() {
        for body in ["", "x", "[]", "\"text\"", "7", "{", "{\"a\": NaN}", "\u{0}"] {
            assert_eq!(read(body), Err(Unreadable::NotAnObject), "{body}");
        }
        for inside in ["\"x\"", "\"[]\"", "{}", "7", "null", "\"7\""] {
            let body = format!(r#"{{"oslo.version": "2.0", "oslo.message": {inside}}}"#);
            assert_eq!(read(&body), Err(Unreadable::Inside), "{inside}");
        }
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        assert_eq!(read(&deep), Err(Unreadable::NotAnObject));
    }

    #[test]
    fn only_json_that_says_so_is_read() {
        for content_type in [None, Some("application/octet-stream"), Some("")] {
            assert_eq!(unwrap(content_type, b"{}"), Err(Unreadable::ContentType));
        }
        let long = vec![b' '; MAX_BYTES + 1];
        assert_eq!(unwrap(Some(CONTENT_TYPE), &long), Err(Unreadable::TooLong));
    }

    #[test]
    fn a_server_serves_its_major_version_up_to_its_minor_one() {
        for (served, asked, expected) in [
            ("6.5", "6.0", true),
            ("6.5", "6.5", true),
            ("6.5", "6.6", false),
            ("6.5", "5.0", false),
            ("6.5", "6", false),
            ("6.5.2", "6.5.3", false),
            ("6.5", "6.4.9", true),
            ("1.0", "x.y", false),
        ] {
            assert_eq!(is_served(served, asked), expected, "{served} {asked}");
        }
    }
}

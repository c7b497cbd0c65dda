//! Replies: the result, the failure, or only a sign of life of a server that still works on a call.

use serde_json::{Map, Value};

use super::envelope::{self, Unreadable};
use super::{failure, fresh_id};
use crate::bus::message::RemoteError;

/// A reply as it came from the wire.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The call it answers.
    pub call: String,
    /// What it says.
    pub answer: Answer,
    /// Whether it is the last one.
    pub ending: bool,
}

/// What a reply says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// The result; null in a sign of life.
    Result(Value),
    /// The other side failed. Wins over a result.
    Failed(RemoteError),
    /// The other side failed, and how cannot be read.
    Garbled,
}

/// Reads a reply.
///
/// # Errors
/// [`Unreadable`]: nobody's reply.
pub fn read_reply(content_type: Option<&str>, body: &[u8]) -> Result<Reply, Unreadable> {
    let mut message = envelope::unwrap(content_type, body)?;
    let Some(Value::String(call)) = message.remove("_msg_id") else {
        return Err(Unreadable::NoCall);
    };
    let answer = match message.remove("failure") {
        None | Some(Value::Null | Value::Bool(false)) => {
            Answer::Result(message.remove("result").unwrap_or(Value::Null))
        }
        Some(Value::String(text)) if text.is_empty() => {
            Answer::Result(message.remove("result").unwrap_or(Value::Null))
        }
        Some(failed) => failure::read(&failed).map_or(Answer::Garbled, Answer::Failed),
    };
    let ending = message.get("ending") == Some(&Value::Bool(true));
    Ok(Reply {
        call,
        answer,
        ending,
    })
}

/// Writes the last reply to a call.
pub(crate) fn write_reply(call: &str, answer: Result<Value, RemoteError>) -> Vec<u8> {
    let (result, failed) = match answer {
        Ok(result) => (result, Value::Null),
        Err(error) => (Value::Null, failure::write(&error).into()),
    };
    written(call, result, failed, true)
}

/// Writes a sign of life.
pub(crate) fn heartbeat(call: &str) -> Vec<u8> {
    written(call, Value::Null, Value::Null, false)
}

fn written(call: &str, result: Value, failed: Value, ending: bool) -> Vec<u8> {
    let mut message = Map::new();
    message.insert("result".into(), result);
    message.insert("failure".into(), failed);
    message.insert("ending".into(), ending.into());
    message.insert("_msg_id".into(), call.into());
    message.insert("_unique_id".into(), fresh_id().into());
    envelope::wrap(message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bus::oslo::CONTENT_TYPE;

    const CAPTURED: &str = include_str!("captured.json");

    fn read(body: &[u8]) -> Result<Reply, Unreadable> {
        read_reply(Some(CONTENT_TYPE), body)
    }

    #[test]
    fn what_nova_answered_is_read() {
        let captured: Value = serde_json::from_str(CAPTURED).unwrap();
        let reply = read(captured[1]["raw_body"].as_str().unwrap().as_bytes()).unwrap();
        assert!(reply.ending);
        assert_eq!(reply.call, "cfc54b14ea104f2d888b0278672c7021");
        let result = json!({"service": "compute", "arg": "hello"});
        assert_eq!(reply.answer, Answer::Result(result));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let done = read(&write_reply("c", Ok(json!([1])))).unwrap();
        assert_eq!(
            (done.answer, done.ending),
            (Answer::Result(json!([1])), true)
        );
        let error = RemoteError::new("NoValidHost", "none");
        let failed = read(&write_reply("c", Err(error.clone()))).unwrap();
        assert_eq!(
            (failed.answer, failed.ending),
            (Answer::Failed(error), true)
        );
        let alive = read(&heartbeat("c")).unwrap();
        assert_eq!(
            (alive.answer, alive.ending),
            (Answer::Result(Value::Null), false)
        );
    }

    #[test]
    fn a_failure_wins_over_a_result_and_is_not_made_up() {
        let both = json!({"_msg_id": "c", "result": 1, "failure": "{\"class\": \"X\"}"});
        let both = read(both.to_string().as_bytes()).unwrap();
        assert!(matches!(both.answer, Answer::Failed(_)) && !both.ending);
        let garbled = json!({"_msg_id": "c", "failure": {"class": "X"}});
        let garbled = read(garbled.to_string().as_bytes()).unwrap();
        assert_eq!(garbled.answer, Answer::Garbled);
    }

    #[test]
    fn a_reply_that_answers_no_call_is_nobodys() {
        for body in ["{}", "{\"_msg_id\": 7}", "{\"_msg_id\": null}"] {
            assert_eq!(read(body.as_bytes()), Err(Unreadable::NoCall));
        }
    }
}

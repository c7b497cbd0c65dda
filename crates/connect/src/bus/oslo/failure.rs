//! Remote errors: JSON text inside a reply, naming a Python exception. Here it stays data (W-26): a name, a module and a
//! message, each cut to a size. Tracebacks, arguments and attributes are neither kept nor sent.

use serde_json::{Value, json};

use crate::bus::message::RemoteError;

/// The most characters of a name.
const MAX_NAME: usize = 255;
/// The most characters of a message.
const MAX_MESSAGE: usize = 8192;

/// Reads what a server says went wrong; `None` where that itself cannot be read.
pub(super) fn read(failure: &Value) -> Option<RemoteError> {
    let failure: Value = serde_json::from_str(failure.as_str()?).ok()?;
    let text = |key: &str, most: usize| {
        let text = failure.get(key).and_then(Value::as_str).unwrap_or_default();
        text.chars().take(most).collect::<String>()
    };
    let class = failure.get("class").and_then(Value::as_str)?;
    Some(RemoteError {
        // A relayed error's class and module carry a mark of it.
        class: cut(class.strip_suffix("_Remote").unwrap_or(class), MAX_NAME),
        module: text("module", MAX_NAME),
        message: text("message", MAX_MESSAGE),
    })
}

/// Writes an endpoint's error as a Python client expects it. It rebuilds the exception from `args` where it knows the class.
pub(super) fn write(error: &RemoteError) -> String {
    let message = cut(&error.message, MAX_MESSAGE);
    json!({
        "class": cut(&error.class, MAX_NAME),
        "module": cut(&error.module, MAX_NAME),
        "message": message,
        "tb": [],
        "args": [message],
        "kwargs": {},
    })
    .to_string()
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_nova_keeps_its_name_and_message_and_nothing_else() {
        let text = r#"{"class": "InstanceNotFound", "module": "nova.exception", "message": "Instance abc could not be found.",
            "tb": ["Traceback, /usr/lib/python3/secret.py"], "args": ["x"], "kwargs": {"code": 404}}"#;
        let error = read(&json!(text)).unwrap();
        assert_eq!(
            error,
            RemoteError::new("InstanceNotFound", "Instance abc could not be found.")
        );
        let sent = write(&error);
        assert!(!sent.contains("secret.py"));
        assert_eq!(read(&json!(sent)), Some(error));
    }

    #[test]
    fn a_relayed_errors_mark_is_taken_off() {
        let text = r#"{"class": "NoValidHost_Remote", "module": "nova.exception_Remote"}"#;
        assert_eq!(read(&json!(text)).unwrap().class, "NoValidHost");
    }

    #[test]
    fn what_is_kept_has_a_size() {
        let text =
            json!({"class": "X".repeat(1000), "module": 7, "message": "\u{e9}".repeat(100_000)});
        let error = read(&json!(text.to_string())).unwrap();
        assert_eq!(error.class.len(), MAX_NAME);
        assert_eq!(error.module, "");
        assert_eq!(error.message.chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn what_is_no_failure_is_not_made_up() {
        for odd in [
            json!("x"),
            json!("[]"),
            json!("{}"),
            json!({"class": "X"}),
            json!(7),
        ] {
            assert_eq!(read(&odd), None, "{odd}");
        }
    }
}

//! oslo.messaging's wire format, version 2.0 (nova-facts 7.3 and 7.5): bytes in, data out. No broker, no waiting.
//!
//! Whatever comes in is somebody else's text: what cannot be read is named and dropped, nothing of it is ever instantiated
//! or repeated in an error, and what is kept of a remote error has a size. Unlike Python's reader, JSON's own rules hold:
//! `NaN`, lone surrogates and more than 128 nested levels are not JSON.

mod envelope;
mod failure;
mod reply;
mod request;

pub use envelope::Unreadable;
pub(super) use envelope::is_served;
pub use reply::{Answer, Reply, read_reply};
pub(crate) use reply::{heartbeat, write_reply};
pub(crate) use request::write_request;
pub use request::{Arrived, ReplyTo, read_request};

/// `content_type` of every message.
pub(crate) const CONTENT_TYPE: &str = "application/json";

/// 32 hexadecimal digits nobody else has.
pub(crate) fn fresh_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

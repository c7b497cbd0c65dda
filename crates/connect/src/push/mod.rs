//! Push over Redis: whoever changes a mapping announces it, and every process that listens looks again at once.
//!
//! Redis only carries bytes. Messages are signed, numbered and dated by the cells' own sender, and judged by their gate;
//! so whoever has the Redis can hold messages back, which costs the time until the next periodic load, and can do no
//! more. Redis drops what is published while nobody listens, so a listener that was away loads everything anew.

mod announcer;
mod channel;
mod place;

pub use announcer::Announcer;
pub use place::{PushError, RedisPush};

//! Push: a peer that changed a mapping tells everybody, and everybody looks again at once instead of at the next reload.
//!
//! A message can only make a service look again, never tell it what is true; so the worst that a forger could do is to
//! keep it busy. Messages are authenticated (HMAC-SHA-256), numbered per sender, dated, and limited in rate. Numbers
//! that are missing, and a channel that was lost, mean that everything is looked at again. What carries the messages is
//! an [`InvalidationChannel`]; real ones are in the crate of the connectors.

mod channel;
mod gate;
mod message;

pub use channel::{ChannelLost, InvalidationChannel, InvalidationSource};
pub use gate::{GatePolicy, InvalidationGate, Verdict};
pub use message::{InvalidationKey, InvalidationSender};

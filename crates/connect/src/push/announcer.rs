//! Announcing: the process that changed a mapping, or revoked a token, tells those that listen.

use std::time::SystemTime;

use cells::{CellError, Invalidation, InvalidationKey, InvalidationSender, SealError};
use context::Deadline;
use redis::PushInfo;
use redis::aio::SendError;

use super::place::{RedisPush, within};

/// Announces changes to every listener. Keep one for the life of a process: it numbers its messages.
#[derive(Debug)]
pub struct Announcer {
    place: RedisPush,
    sender: InvalidationSender,
}

impl Announcer {
    /// An announcer that signs with this key, which listeners must have, too.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn new(place: RedisPush, key: InvalidationKey) -> Result<Self, SealError> {
        let sender = InvalidationSender::new(key)?;
        Ok(Self { place, sender })
    }

    /// Announces a change. Gives how many listened, as Redis counts them; what they make of it is theirs. Announce after
    /// the change is committed: who hears it loads at once.
    ///
    /// # Errors
    /// [`CellError`] where Redis did not take it by the deadline. Listeners then see the change at their next periodic load, and
    /// believe a token for as long as they remember it.
    ///
    /// # Cancel safety
    /// May have been announced or not. Announcing twice does no harm.
    pub async fn announce(&self, what: Invalidation, deadline: Deadline) -> Result<u64, CellError> {
        // Changes are rare: a connection for each costs less than one that is looked after for weeks.
        let nothing_pushed = None::<fn(PushInfo) -> Result<(), SendError>>;
        let mut connection = self.place.connect(nothing_pushed, deadline).await?;
        let message = self.sender.message(what, SystemTime::now());
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(self.place.channel()).arg(message);
        within(deadline, publish.query_async(&mut connection)).await
    }
}

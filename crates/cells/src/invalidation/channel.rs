//! The seam to whatever carries messages, and the loop that acts on them.

use std::time::Duration;

use async_trait::async_trait;
use context::{Deadline, RevokedTokens};

use crate::cells::Cells;
use crate::connector::CellConnector;
use crate::error::CellError;
use crate::upkeep::Invalidation;

use super::gate::{InvalidationGate, Verdict};

/// The channel is gone; subscribe anew.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the channel of invalidations is lost")]
pub struct ChannelLost(#[source] pub CellError);

/// Carries messages from peers.
#[async_trait]
pub trait InvalidationChannel: Send + Sync {
    /// The next message, whatever it is: messages are judged by a gate, not by the channel.
    ///
    /// # Errors
    /// [`ChannelLost`] where messages may have been missed.
    ///
    /// # Cancel safety
    /// A dropped future may lose the message that was about to come; its number will be missed.
    async fn receive(&self) -> Result<Vec<u8>, ChannelLost>;
}

/// Where channels come from, for a process that must have a new one whenever one is lost.
#[async_trait]
pub trait InvalidationSource: Send + Sync + 'static {
    /// Subscribes. Every message sent after this is on the channel, or the channel is lost.
    ///
    /// # Errors
    /// [`CellError`] where that did not come about by the deadline.
    ///
    /// # Cancel safety
    /// Dropped before it is done, nothing is subscribed to.
    async fn subscribe(
        &self,
        deadline: Deadline,
    ) -> Result<Box<dyn InvalidationChannel>, CellError>;
}

/// Tells whoever watches the figures that a channel is followed: `nova_cells_push_up` is 1 then, and 0 else. A process
/// that should be told of changes and is not lives by its timer alone.
struct Up;

impl Up {
    fn begin() -> Self {
        metrics::gauge!("nova_cells_push_up").set(1.0);
        Self
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        metrics::gauge!("nova_cells_push_up").set(0.0);
    }
}

impl<C: CellConnector> Cells<C> {
    /// Judges one message and forgets what it names, or has the gate's listener forget it. Gives what it was; a
    /// [`refresh`](Self::refresh) is due where the message was authentic, new and not of a token.
    pub fn receive(&self, gate: &InvalidationGate, message: &[u8]) -> Verdict {
        let verdict = gate.judge(message);
        match verdict {
            Verdict::Accepted(Invalidation::Token(token)) => {
                gate.tell_of_tokens(RevokedTokens::One(token));
            }
            Verdict::Accepted(what) => {
                self.invalidate(what);
            }
            Verdict::AfterGap(what) => {
                self.invalidate(what);
                self.suspect();
                gate.tell_of_tokens(RevokedTokens::Unknown);
            }
            Verdict::TooMany => {
                self.ask_for_reload();
                gate.tell_of_tokens(RevokedTokens::Unknown);
            }
            Verdict::Replayed | Verdict::OutOfDate | Verdict::Forged | Verdict::Malformed => {
                tracing::debug!(verdict = verdict.as_str(), "invalidation not acted on");
            }
        }
        verdict
    }

    /// Acts on a channel's messages until it is lost: forgets what they name and loads the mappings again, each load
    /// within the budget. What was missed before the subscription, and by the loss, is caught up with by a load of its
    /// own at either end. Loads that fail stay due; the upkeep's timer repeats them.
    ///
    /// # Cancel safety
    /// May be dropped at any time; what was forgotten stays so, and a load stays due.
    pub async fn follow(
        &self,
        channel: &dyn InvalidationChannel,
        gate: &InvalidationGate,
        budget: Duration,
    ) -> ChannelLost {
        let _up = Up::begin();
        self.suspect();
        gate.tell_of_tokens(RevokedTokens::Unknown);
        self.reload(budget).await;
        loop {
            match channel.receive().await {
                Ok(message) => match self.receive(gate, &message) {
                    Verdict::Accepted(Invalidation::Token(_)) => {}
                    Verdict::Accepted(_) | Verdict::AfterGap(_) => self.reload(budget).await,
                    _ => {}
                },
                Err(lost) => {
                    self.suspect();
                    gate.tell_of_tokens(RevokedTokens::Unknown);
                    self.reload(budget).await;
                    return lost;
                }
            }
        }
    }

    async fn reload(&self, budget: Duration) {
        let deadline = Deadline::after_at(self.0.keeper.clock.now(), budget);
        if let Err(error) = self.refresh(deadline).await {
            tracing::warn!(class = %error.class(), "the mappings could not be loaded after an invalidation");
        }
    }
}

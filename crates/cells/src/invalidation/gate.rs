//! The gate: what of the messages that come in is to be acted on.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use context::RevokedTokens;

use crate::clock::Clock;
use crate::upkeep::Invalidation;

use super::message::{InvalidationKey, Message, Unread, read};

/// The limits of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatePolicy {
    /// How far a message's date may be from now, either way. Numbers are remembered for as long.
    pub window: Duration,
    /// Messages that may be acted on at once.
    pub burst: u32,
    /// Time until one more may.
    pub refill: Duration,
    /// Senders known at once.
    pub senders: usize,
}

impl Default for GatePolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(120),
            burst: 16,
            refill: Duration::from_millis(500),
            senders: 1024,
        }
    }
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// To be acted on.
    Accepted(Invalidation),
    /// To be acted on, and messages before it are missing: everything is to be looked at again.
    AfterGap(Invalidation),
    /// Authentic, and more than may be acted on one by one: everything is to be looked at again, in its time.
    TooMany,
    /// Seen before, or older than one seen before.
    Replayed,
    /// Its date is too far from now.
    OutOfDate,
    /// Nobody with the key made it.
    Forged,
    /// Not a message.
    Malformed,
}

impl Verdict {
    /// The name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::AfterGap(_) => "after-gap",
            Self::TooMany => "too-many",
            Self::Replayed => "replayed",
            Self::OutOfDate => "out-of-date",
            Self::Forged => "forged",
            Self::Malformed => "malformed",
        }
    }
}

/// Judges messages: authentic, new, of now, not too many. Memory is bounded whatever comes in.
pub struct InvalidationGate {
    key: InvalidationKey,
    policy: GatePolicy,
    clock: Arc<dyn Clock>,
    /// Who hears of revoked tokens.
    tokens: Option<Box<dyn Fn(RevokedTokens) + Send + Sync>>,
    state: Mutex<State>,
}

struct State {
    senders: HashMap<[u8; 16], Known>,
    tokens: u32,
    refilled: Instant,
}

#[derive(Clone, Copy)]
struct Known {
    sequence: u64,
    sent: SystemTime,
}

impl InvalidationGate {
    /// A gate for messages under this key.
    #[must_use]
    pub fn new(key: InvalidationKey, policy: GatePolicy, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            senders: HashMap::new(),
            tokens: policy.burst,
            refilled: clock.now(),
        };
        Self {
            key,
            policy,
            clock,
            tokens: None,
            state: Mutex::new(state),
        }
    }

    /// Has whatever remembers tokens hear of those that were revoked, from [`Cells::receive`](crate::Cells::receive) and
    /// [`Cells::follow`](crate::Cells::follow). Where messages were missed, or the channel was lost, it hears that all are in
    /// doubt. Called from within both, so it must be quick.
    #[must_use]
    pub fn tokens(mut self, hear: impl Fn(RevokedTokens) + Send + Sync + 'static) -> Self {
        self.tokens = Some(Box::new(hear));
        self
    }

    pub(super) fn tell_of_tokens(&self, revoked: RevokedTokens) {
        if let Some(hear) = &self.tokens {
            hear(revoked);
        }
    }

    /// Judges one message.
    #[must_use]
    pub fn judge(&self, bytes: &[u8]) -> Verdict {
        let verdict = match read(bytes, &self.key) {
            Err(Unread::Malformed) => Verdict::Malformed,
            Err(Unread::Forged) => Verdict::Forged,
            Ok(message) => self.judge_authentic(&message),
        };
        metrics::counter!("nova_cells_invalidations_total", "verdict" => verdict.as_str())
            .increment(1);
        verdict
    }

    fn judge_authentic(&self, message: &Message) -> Verdict {
        let wall = self.clock.wall();
        if distance(wall, message.sent) > self.policy.window {
            return Verdict::OutOfDate;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.senders.get(&message.sender).copied();
        if known.is_some_and(|known| message.sequence <= known.sequence) {
            return Verdict::Replayed;
        }
        if known.is_none() && state.senders.len() >= self.policy.senders {
            // Whose last message is out of the window cannot be replayed, so it need not be remembered.
            let window = self.policy.window;
            state
                .senders
                .retain(|_, known| distance(wall, known.sent) <= window);
            if state.senders.len() >= self.policy.senders {
                return Verdict::TooMany;
            }
        }
        let sent = known.map_or(message.sent, |known| known.sent.max(message.sent));
        let now = Known {
            sequence: message.sequence,
            sent,
        };
        state.senders.insert(message.sender, now);
        // A token is forgotten in no time; the limit is there for what costs a load.
        let is_token = matches!(message.what, Invalidation::Token(_));
        if !is_token && !state.take(self.clock.now(), &self.policy) {
            return Verdict::TooMany;
        }
        let expected = known.map_or(1, |known| known.sequence.saturating_add(1));
        match message.sequence == expected {
            true => Verdict::Accepted(message.what),
            false => Verdict::AfterGap(message.what),
        }
    }

    #[cfg(test)]
    fn senders(&self) -> usize {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .senders
            .len()
    }
}

impl State {
    fn take(&mut self, now: Instant, policy: &GatePolicy) -> bool {
        let waited = now.saturating_duration_since(self.refilled);
        let refill = policy.refill.max(Duration::from_millis(1));
        let earned = u32::try_from(waited.as_nanos() / refill.as_nanos()).unwrap_or(u32::MAX);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(policy.burst);
            self.refilled = now;
        }
        let left = self.tokens.checked_sub(1);
        self.tokens = left.unwrap_or(0);
        left.is_some()
    }
}

fn distance(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b)
        .unwrap_or_else(|before| before.duration())
}

impl fmt::Debug for InvalidationGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidationGate")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::InvalidationSender;
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn senders_beyond_the_limit_are_not_remembered_and_old_ones_make_room() {
        let (clock, key) = (ManualClock::default(), InvalidationKey::generate().unwrap());
        let policy = GatePolicy {
            senders: 4,
            burst: 100,
            ..GatePolicy::default()
        };
        let gate = InvalidationGate::new(key.clone(), policy, Arc::new(clock.clone()));
        let send = || {
            let sender = InvalidationSender::new(key.clone()).unwrap();
            gate.judge(sender.message(Invalidation::All, clock.wall()).as_bytes())
        };
        for _ in 0..4 {
            assert_eq!(send(), Verdict::Accepted(Invalidation::All));
        }
        assert_eq!((send(), gate.senders()), (Verdict::TooMany, 4));
        clock.advance(Duration::from_secs(121));
        assert_eq!(
            (send(), gate.senders()),
            (Verdict::Accepted(Invalidation::All), 1)
        );
    }
}

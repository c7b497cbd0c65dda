//! Wipes tokens at their end while contexts that hold them live on.
//!
//! It has no thread and no clock: whoever runs one (a service's housekeeping loop) asks for
//! [`next_end`](TokenKeeper::next_end), waits that long and calls [`wipe_ended`](TokenKeeper::wipe_ended).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use super::secret::{AuthToken, Slot};

/// Knows the tokens that have an end; holds none of them alive.
#[derive(Default, Clone)]
pub struct TokenKeeper(Arc<Mutex<BTreeMap<SystemTime, Vec<Weak<Slot>>>>>);

impl TokenKeeper {
    /// Watches a token; tokens without an end need no watching.
    pub fn watch(&self, token: &AuthToken) {
        if let Some(end) = token.expires_at() {
            let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let tokens = ends.entry(end).or_default();
            tokens.retain(|slot| slot.strong_count() > 0);
            tokens.push(Arc::downgrade(token.slot()));
        }
    }

    /// The earliest end among the watched tokens that somebody still holds.
    #[must_use]
    pub fn next_end(&self) -> Option<SystemTime> {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|_, tokens| tokens.iter().any(|slot| slot.strong_count() > 0));
        ends.first_key_value().map(|(end, _)| *end)
    }

    /// Wipes every watched token that has ended by `now`, and says how many that were.
    pub fn wipe_ended(&self, now: SystemTime) -> usize {
        let ended = {
            let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut later = ends.split_off(&now);
            // An end at exactly `now` has come.
            let at_now = later.remove(&now);
            let mut ended = std::mem::replace(&mut *ends, later);
            ended.extend(at_now.map(|tokens| (now, tokens)));
            ended
        };
        let live = ended.into_values().flatten();
        live.filter_map(|slot| slot.upgrade())
            .map(|slot| slot.wipe())
            .count()
    }
}

impl std::fmt::Debug for TokenKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKeeper").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tokens_are_wiped_at_their_end_while_others_live() {
        let start = SystemTime::now();
        let keeper = TokenKeeper::default();
        let until = |seconds| {
            let end = start + Duration::from_secs(seconds);
            let token = AuthToken::parse_until("x".repeat(40), end).unwrap();
            keeper.watch(&token);
            token
        };
        let (early, late) = (until(100), until(200));
        drop(until(50));
        assert_eq!(keeper.next_end(), early.expires_at());
        assert_eq!(keeper.wipe_ended(start + Duration::from_secs(99)), 0);
        assert_eq!(keeper.wipe_ended(start + Duration::from_secs(100)), 1);
        assert!(early.is_wiped() && !late.is_wiped());
        assert_eq!(keeper.next_end(), late.expires_at());
    }
}

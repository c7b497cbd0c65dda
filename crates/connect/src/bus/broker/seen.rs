//! The ids of the last messages: one that comes again is the same message, delivered twice.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// oslo.messaging remembers 16; a broker that was restarted may bring back more.
const REMEMBERED: usize = 4096;

/// What one server has taken. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::bus) struct Seen(Arc<Mutex<Ids>>);

#[derive(Debug, Default)]
struct Ids {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    /// Whether this id is new; it is not any longer. A message without an id always is.
    pub(in crate::bus) fn is_new(&self, id: Option<&str>) -> bool {
        let Some(id) = id else { return true };
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ids.known.insert(id.to_owned()) {
            return false;
        }
        ids.order.push_back(id.to_owned());
        if ids.order.len() > REMEMBERED
            && let Some(oldest) = ids.order.pop_front()
        {
            ids.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_and_the_oldest_are_forgotten() {
        let seen = Seen::default();
        assert!(seen.is_new(Some("a")));
        assert!(!seen.clone().is_new(Some("a")));
        assert!(seen.is_new(None) && seen.is_new(None));
        for n in 0..REMEMBERED {
            assert!(seen.is_new(Some(&n.to_string())));
        }
        assert!(seen.is_new(Some("a")));
    }
}

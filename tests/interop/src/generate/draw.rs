//! Drawing values with a seeded generator; a thin layer over [`Rng`] that cannot come back empty.

use conformance::Rng;
use serde_json::Value;

/// Draws from what it is given.
pub trait Draw {
    /// One of these.
    ///
    /// # Panics
    /// Where there is none.
    fn one<T: Clone>(&mut self, from: &[T]) -> T;

    /// A JSON value from a list of them.
    fn json(&mut self, from: &Value) -> Value;

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64;
}

impl Draw for Rng {
    fn one<T: Clone>(&mut self, from: &[T]) -> T {
        match self.pick(from) {
            Some(one) => one.clone(),
            None => panic!("nothing to draw from"),
        }
    }

    fn json(&mut self, from: &Value) -> Value {
        match from.as_array() {
            Some(list) => self.one(list),
            None => panic!("not a list: {from}"),
        }
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }
}

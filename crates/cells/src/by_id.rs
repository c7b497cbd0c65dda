//! Maps by cell id, with a hash made for them: one wide multiplication instead of a pass of SipHash at each targeting.
//!
//! Ids that are looked up may be anybody's, but what is *in* these maps are rows of `cell_mappings`, which only operators
//! write; and that is what an attacker would have to choose to make them collide. The hash is keyed all the same, afresh
//! in each process, so that no choice of uuids collides in more than one.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use crate::id::CellId;

/// A map by cell id.
pub(crate) type ById<V> = HashMap<CellId, V, Keyed>;

/// An empty one with room for so many.
pub(crate) fn with_room<V>(cells: usize) -> ById<V> {
    HashMap::with_capacity_and_hasher(cells, Keyed::default())
}

/// This process's keys.
#[derive(Clone, Copy)]
pub(crate) struct Keyed([u64; 2]);

impl Default for Keyed {
    fn default() -> Self {
        static KEYS: OnceLock<[u64; 2]> = OnceLock::new();
        // The standard library's own random keys, by what they make of two numbers.
        Self(*KEYS.get_or_init(|| {
            let random = RandomState::new();
            [random.hash_one(1), random.hash_one(2)]
        }))
    }
}

impl BuildHasher for Keyed {
    type Hasher = Folding;

    #[inline]
    fn build_hasher(&self) -> Folding {
        Folding {
            keys: self.0,
            hash: 0,
        }
    }
}

/// Multiplies what it is given, keyed, and folds the two halves of the product.
pub(crate) struct Folding {
    keys: [u64; 2],
    hash: u64,
}

impl Hasher for Folding {
    #[inline]
    fn write_u128(&mut self, value: u128) {
        let high = u64::try_from(value >> 64).unwrap_or_default();
        let low = u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default();
        let product = u128::from(high ^ self.keys[0]) * u128::from(low ^ self.keys[1] ^ self.hash);
        let folded = (product >> 64) ^ (product & u128::from(u64::MAX));
        self.hash = u64::try_from(folded).unwrap_or_default();
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(16) {
            let mut wide = [0; 16];
            wide[..chunk.len()].copy_from_slice(chunk);
            self.write_u128(u128::from_le_bytes(wide));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use uuid::Uuid;

    #[test]
    fn ids_that_differ_in_little_are_spread_over_the_whole_table() {
        let keyed = Keyed::default();
        let hash = |n: u128| keyed.hash_one(CellId::new(Uuid::from_u128(n)));
        for shift in [0, 32, 64, 112] {
            let all = (0..4096_u128).map(|n| hash(n << shift));
            let (low, high): (HashSet<u64>, HashSet<u64>) =
                all.map(|hash| (hash & 0xFFFF, hash >> 57)).unzip();
            // 4096 balls into 65536 boxes hit 3968 by chance, and every one of 128.
            assert!(
                low.len() > 3700,
                "{} of the low bits, at {shift}",
                low.len()
            );
            assert_eq!(high.len(), 128, "of the high bits, at {shift}");
        }
    }
}

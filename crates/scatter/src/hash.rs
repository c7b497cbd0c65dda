//! Tables by cell, with a hash that costs next to nothing.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use cells::CellId;

/// A table by cell.
pub(crate) type CellMap<V> = HashMap<CellId, V, BuildHasherDefault<Fold>>;

/// Cell ids are random already: folding their bytes is hash enough, and cheaper than the default against attackers that
/// the operator's own table does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = (self.0.rotate_left(23) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ (mixed >> 29);
        }
    }

    /// The length of the bytes, which is the same for every id.
    fn write_usize(&mut self, _: usize) {}
}

//! Maps by cell id, with a hash that costs a few multiplications instead of a pass of SipHash at each targeting.
//!
//! Ids that are looked up may be anybody's, but what is *in* these maps are rows of `cell_mappings`, which only operators
//! write; and that is what an attacker would have to choose to make them collide. The hash is keyed all the same, afresh
//! in each process, so that no choice of uuids collides in more than one.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::id::CellId;

/// A map by cell id.
pub(crate) type ById<V> = HashMap<CellId, V, RandomState>;

/// An empty one with room for so many.
pub(crate) fn with_room<V>(cells: usize) -> ById<V> {
    HashMap::with_capacity_and_hasher(cells, RandomState::default())
}

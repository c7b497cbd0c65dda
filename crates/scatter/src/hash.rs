//! Tables by cell, with a hash that costs next to nothing.

use std::collections::HashMap;

use cells::CellId;
use foldhash::quality::FixedState;

/// A table by cell. Its hash has no secret key: who is in there are the operator's own cells, and a model check needs the
/// same run twice.
pub(crate) type CellMap<V> = HashMap<CellId, V, FixedState>;

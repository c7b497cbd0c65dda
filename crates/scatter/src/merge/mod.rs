//! Rows of many cells in one order, given out as soon as their place is certain.
//!
//! Each cell's work sends its rows, sorted, in batches through a [`RowSink`]; a [`Merged`] gives them out in the order of
//! their keys, ties broken by the order in which the cells were asked for. A row is given out when no unfinished cell can
//! still send one that precedes it (low watermark): a cell that has sent rows cannot go back behind its last one. Cells
//! run ahead of the reader by a bounded number of rows and bytes. Nova pulls its cells one after the other in the
//! caller's thread, and its order is lost when a cell's order is not Python's (W-20, W-22); here they run at the same
//! time, and a cell whose rows are not in order has failed.

mod memory;
mod policy;
mod queue;
mod sink;
mod stream;
mod tournament;

pub use memory::{MergeSorted, merge_sorted};
pub use policy::{CellRows, MergePolicy, MissingCells};
pub use sink::RowSink;
pub use stream::{Merged, MergedRow};

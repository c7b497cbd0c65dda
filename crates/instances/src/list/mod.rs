//! Listing, finding and counting servers over all cells.

mod batch;

mod error;
mod page;

mod merge;
mod pace;

mod count;
mod gather;
mod markers;
mod one;
mod servers;
mod statements;
mod stubs;

pub use batch::BatchStrategy;
pub use count::{CountReport, ServerCounts, Tally};
pub use error::{ListError, MissingCells};
pub use markers::Markers;
pub use page::{DownCells, Page, ServerStub};
pub use servers::Servers;

//! SQL for one cell, for each kind of database, and reading the answers. Nothing is sent from here but in `fetch`.

mod collation;
mod dialect;
mod fetch;
mod narrow;
mod projection;
mod range;
mod select;
mod writer;

#[cfg(test)]
mod tests;

pub use dialect::TextOrder;

pub(crate) use collation::{CellText, Collation, TextRule, cell_text};
pub(crate) use fetch::{fetch_count, fetch_one, fetch_page};
pub(crate) use range::Range;
pub(crate) use select::{page, segments_of};
pub(crate) use writer::Sql;

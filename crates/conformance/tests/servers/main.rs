//! Listing, finding and counting servers over several cells, compared with one plain query over all of them.

// `cfg(test)` marks helpers, too, as tests: a failed `unwrap` there is a failed test.
#[cfg(test)]
mod batches;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod collations;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod cursors;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod down_cells;
#[cfg(test)]
mod fidelity;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod markers;
#[cfg(test)]
mod paging;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod protected;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod scope;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod support;
#[cfg(test)]
mod unreadable;

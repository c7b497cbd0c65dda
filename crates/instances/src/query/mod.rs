//! What is asked: which servers, in which order, how many, after which one.

mod filter;
mod scope;
mod status;

use uuid::Uuid;

use crate::order::SortBy;

pub use filter::{NameFilter, ServerFilter};
pub use scope::ScopeError;
pub use status::{Status, UnknownStatus};

pub(crate) use scope::{Owner, ScopedQuery};

/// Rows of a page where the caller names no limit: Nova's `[api]max_limit`.
pub const DEFAULT_LIMIT: u32 = 1_000;

/// Most rows of one page. Longer lists are read page by page, so that memory stays bounded.
pub const MAX_LIMIT: u32 = 100_000;

/// One page of a list of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerQuery {
    /// Which servers.
    pub filter: ServerFilter,
    /// The order; empty means newest first. `uuid` is appended where missing, so that it is total.
    pub sort: Vec<SortBy>,
    /// Most rows of the page, [`DEFAULT_LIMIT`] by default; 0 gives an empty page and asks no cell.
    pub limit: u32,
    /// Start after this server: it may be deleted, and need not match the filter.
    pub marker: Option<Uuid>,
}

impl Default for ServerQuery {
    fn default() -> Self {
        Self {
            filter: ServerFilter::default(),
            sort: Vec::new(),
            limit: DEFAULT_LIMIT,
            marker: None,
        }
    }
}

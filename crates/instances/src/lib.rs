//! One ordered list of servers over all cells: nothing lost, nothing twice, and no cell that holds up the others.
//!
//! [`Servers`] lists, finds and counts the rows of Nova's table `instances` in every cell at once. A list has a total
//! **order** ([`SortBy`], `uuid` last), with NULLs smaller than every value on every database, and is read page by page:
//! after a **marker** (a server's id, as in Nova's API), or after a [`PageCursor`], which carries the position itself and
//! remembers what cells that did not answer have left open. What a missing cell means is the caller's choice
//! ([`DownCells`]); a page names every cell's outcome.
//! A service whose callers page on by marker keeps one [`Markers`], so that the end of a page given a moment ago costs no
//! look-up.
//!
//! Contexts that are not an administrator's see their own project's servers and no others; the statements are written
//! from nothing but a query that was confined first.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use nova_instances::{DownCells, ListError, Page, ServerQuery, Servers};
//! # use cells::Cells;
//! # use connect::{NovaApi, NovaConnector};
//! # use context::RequestContext;
//! # use scatter::TokioExecutor;
//! # async fn newest(
//! #     ctx: &RequestContext, cells: &Cells<NovaConnector>, api: &NovaApi, executor: TokioExecutor,
//! # ) -> Result<Page, ListError> {
//! let servers = Servers::new(ctx, cells, executor)
//!     .api(api)
//!     .timeout(Duration::from_secs(5));
//! let query = ServerQuery { limit: 50, ..ServerQuery::default() };
//! servers.list(&query, DownCells::Skip).await
//! # }
//! ```

mod order;

mod query;

mod server;

pub mod entity;
mod sql;

mod session;

mod cursor;

mod list;

pub use cursor::{CursorError, CursorKey, PageCursor};
pub use list::{
    BatchStrategy, CountReport, DownCells, ListError, Markers, MissingCells, Page, ServerCounts,
    ServerStub, Servers, Tally,
};
pub use order::{Direction, InvalidSort, InvalidStamp, SortBy, SortKey, Stamp};
pub use query::{
    DEFAULT_LIMIT, MAX_LIMIT, NameFilter, ScopeError, ServerFilter, ServerQuery, Status,
    UnknownStatus,
};
pub use server::Server;
pub use session::{database_answers, reading};
pub use sql::TextOrder;

/// The README's example, compiled and kept true.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

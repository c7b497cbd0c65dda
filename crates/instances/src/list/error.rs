//! Why there is no answer at all. A cell that is missing is no error as long as the caller takes a page without it.

use std::fmt;

use cells::{CellError, SelectError};
use scatter::{Missing, Outcome};
use uuid::Uuid;

use crate::cursor::CursorError;
use crate::query::ScopeError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The context may not ask this.
    #[error("the query is not allowed")]
    Scope(#[source] ScopeError),
    /// There are no such cells.
    #[error("no cells to ask")]
    Select(#[source] SelectError),
    /// No server has the marker's id, or the context may not see it (W-35).
    #[error("marker {0} could not be found")]
    MarkerNotFound(Uuid),
    /// The marker's cell, or one of those it may be in, did not answer. A cursor goes on without it.
    #[error("marker {marker} could not be looked up: {missing}")]
    MarkerUnreachable {
        /// The marker.
        marker: Uuid,
        /// The cells that did not answer.
        missing: MissingCells,
    },
    /// A cell did not answer, and the caller wants all or nothing.
    #[error("{0}")]
    CellsDown(MissingCells),
    /// The API database is needed for this and did not answer.
    #[error("the API database did not answer")]
    Api(#[source] CellError),
    /// The cursor is not one of ours, or not of this query.
    #[error("the cursor cannot be used")]
    Cursor(#[source] CursorError),
}

/// The cells that did not answer.
#[derive(Debug)]
pub struct MissingCells(pub Vec<Missing>);

impl fmt::Display for MissingCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 {
            "a cell did not answer:"
        } else {
            "cells did not answer:"
        })?;
        for (at, cell) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { " " } else { ", " })?;
            write!(f, "{} {}", cell.cell, cell.outcome.kind())?;
            if let Outcome::Failed(failure) = &cell.outcome {
                write!(f, " ({}, id {})", failure.class(), failure.id())?;
            }
        }
        Ok(())
    }
}

impl From<ScopeError> for ListError {
    fn from(error: ScopeError) -> Self {
        Self::Scope(error)
    }
}

impl From<SelectError> for ListError {
    fn from(error: SelectError) -> Self {
        Self::Select(error)
    }
}

impl From<CursorError> for ListError {
    fn from(error: CursorError) -> Self {
        Self::Cursor(error)
    }
}

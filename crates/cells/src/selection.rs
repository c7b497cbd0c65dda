//! Which cells a piece of work is for.

use std::sync::Arc;

use crate::id::CellId;
use crate::label::CellLabel;
use crate::mapping::CellMapping;
use crate::problem::InvalidMapping;

/// Which of the current cells are asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Selection {
    /// All of them, cell0 and disabled ones included, as Nova's `scatter_gather_all_cells` does.
    #[default]
    All,
    /// All but cell0.
    WithoutCell0,
    /// All that are not disabled, as the scheduler does.
    Enabled,
    /// These, in this order.
    Only(Vec<CellId>),
}

/// A row that did not become a mapping.
#[derive(Debug, Clone)]
pub struct RejectedMapping {
    label: CellLabel,
    problems: Arc<InvalidMapping>,
}

impl RejectedMapping {
    pub(crate) fn new(label: CellLabel, problems: InvalidMapping) -> Self {
        Self {
            label,
            problems: Arc::new(problems),
        }
    }

    /// What reports call it.
    #[must_use]
    pub fn label(&self) -> &CellLabel {
        &self.label
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> &InvalidMapping {
        &self.problems
    }

    /// The same, to be kept beyond this value.
    #[must_use]
    pub fn shared_problems(&self) -> Arc<InvalidMapping> {
        Arc::clone(&self.problems)
    }
}

/// One row of the current mappings: a cell that can be asked, or one that is accounted for as rejected.
#[derive(Debug, Clone)]
pub enum Choice {
    /// It can be asked.
    Cell(CellMapping),
    /// Its mapping was refused.
    Rejected(RejectedMapping),
}

impl Choice {
    /// What reports call it.
    #[must_use]
    pub fn label(&self) -> &CellLabel {
        match self {
            Self::Cell(mapping) => mapping.label(),
            Self::Rejected(rejected) => rejected.label(),
        }
    }
}

/// Why a selection gives no cells to ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// There are no mappings at all, or none is left by the selection. Nova only logs this and answers with nothing (W-10).
    #[error("no cells are configured")]
    NoCells,
    /// Ids that no mapping has.
    #[error("unknown cells: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Unknown(Vec<CellId>),
    /// The same id twice: it would be asked twice and counted once (W-33).
    #[error("cell {0} is named twice")]
    Twice(CellId),
}

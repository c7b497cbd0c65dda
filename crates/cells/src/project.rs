//! Selection by project: the cells that hold something of it, as Nova's `CellMappingList.get_by_project_id`.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use context::{Deadline, ProjectId};

use crate::cells::Cells;
use crate::connector::CellConnector;
use crate::error::CellError;
use crate::id::CellId;
use crate::selection::{Choice, SelectError, Selection};

/// Knows which cells a project has instances in: `nova_api.instance_mappings`.
#[async_trait]
pub trait ProjectCells: Send + Sync + 'static {
    /// The cells of a project, in any order, with or without repetitions. Instances that have no cell yet count for none.
    ///
    /// # Errors
    /// [`CellError`] where that could not be found out by the deadline.
    ///
    /// # Cancel safety
    /// Reading changes nothing.
    async fn cells_of(
        &self,
        project: &ProjectId,
        deadline: Deadline,
    ) -> Result<Vec<CellId>, CellError>;
}

/// Why a project's cells are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectSelectError {
    /// The project's instances could not be looked up.
    #[error("the project's cells could not be looked up")]
    Lookup(#[source] CellError),
    /// A cell of the project is not among the mappings: they are older than the project's newest instance, or damaged.
    #[error("the project has cells that are not among the mappings")]
    Select(#[source] SelectError),
}

impl<C: CellConnector> Cells<C> {
    /// The cells a project has instances in, in the order of the mappings; none at all for a project without instances,
    /// which is no error. Rows that were refused are part of the answer.
    ///
    /// # Errors
    /// [`ProjectSelectError`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn select_project(
        &self,
        projects: &dyn ProjectCells,
        project: &ProjectId,
        deadline: Deadline,
    ) -> Result<Vec<Choice>, ProjectSelectError> {
        let cells = projects.cells_of(project, deadline).await;
        let cells: HashSet<CellId> = cells
            .map_err(ProjectSelectError::Lookup)?
            .into_iter()
            .collect();
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        // Asked for by id, so that an id nobody knows is an error and not left out.
        let snapshot = self.snapshot();
        let mut order = HashMap::new();
        for (n, choice) in snapshot.choices().iter().enumerate() {
            order.entry(choice.label().id()).or_insert(n);
        }
        let mut named: Vec<CellId> = cells.into_iter().collect();
        named.sort_unstable_by_key(|id| order.get(&Some(*id)).copied());
        let chosen = snapshot.select(&Selection::Only(named));
        let chosen = chosen.map_err(ProjectSelectError::Select)?;
        Ok(chosen)
    }
}

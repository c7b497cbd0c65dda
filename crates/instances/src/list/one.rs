//! Finding one server: by its mapping where the API database is at hand, in all cells at once otherwise.

use std::sync::Arc;

use cells::{CellConnector, Choice, Selection};
use connect::{CellDb, InstanceMapping};
use scatter::{AsyncExecutor, CellReport, Missing, Rejection};
use uuid::Uuid;

use crate::order::{Rank, SortValue};
use crate::query::{Owner, ScopedQuery};
use crate::server::{Row, Server};
use crate::session::reading;
use crate::sql::fetch_one;

use super::error::{ListError, MissingCells};
use super::servers::{Call, Servers};

/// What became of looking for one server.
enum Found {
    Row(Box<Row>),
    Nowhere,
    /// Not where it was looked for, but these cells did not answer.
    Unknown(Vec<Missing>),
}

impl<C, E> Servers<'_, C, E>
where
    C: CellConnector<Database = CellDb>,
    E: AsyncExecutor,
{
    /// One server; none where there is no such server or the context may not see it, and for deleted ones unless the
    /// context reads those.
    ///
    /// # Errors
    /// [`ListError::CellsDown`] where its cell did not answer, or, without the API database, one of those it may be in.
    ///
    /// # Cancel safety
    /// Nothing is changed anywhere; dropping the future gives the question up.
    pub async fn get(&self, uuid: Uuid) -> Result<Option<Server>, ListError> {
        let query = ScopedQuery::of_one(uuid, self.ctx)?;
        match self.call().find(query, uuid).await? {
            Found::Row(row) => Ok(Some(row.server)),
            Found::Nowhere => Ok(None),
            Found::Unknown(missing) => Err(ListError::CellsDown(MissingCells(missing))),
        }
    }
}

impl<C, E> Call<'_, C, E>
where
    C: CellConnector<Database = CellDb>,
    E: AsyncExecutor,
{
    /// Where a marker stands in the query's order.
    pub(super) async fn position_of(
        &self,
        scoped: &ScopedQuery,
        marker: Uuid,
    ) -> Result<Vec<SortValue>, ListError> {
        match self.find(scoped.anything_owned(marker), marker).await? {
            Found::Row(row) => Ok(Rank::values(&row.rank)),
            Found::Nowhere => Err(ListError::MarkerNotFound(marker)),
            Found::Unknown(missing) => Err(ListError::MarkerUnreachable {
                marker,
                missing: MissingCells(missing),
            }),
        }
    }

    async fn find(&self, query: ScopedQuery, uuid: Uuid) -> Result<Found, ListError> {
        let Some(api) = self.servers.api else {
            let choices = self.servers.cells.select(&Selection::All)?;
            return Ok(self.ask(query, choices).await);
        };
        let mapping = api
            .instance_mapping(uuid, self.deadline)
            .await
            .map_err(ListError::Api)?;
        // Asked before any cell: an answer that differs by whether a cell is up would tell whose server it is (W-35).
        let Some(mapping) = mapping.filter(|mapping| is_owned(query.owner(), mapping)) else {
            return Ok(Found::Nowhere);
        };
        let (Some(cell), Some(label)) = (mapping.cell_id(), mapping.cell) else {
            return Ok(Found::Nowhere);
        };
        Ok(match self.choice(cell)? {
            Some(choice) => self.ask(query, vec![choice]).await,
            None => Found::Unknown(vec![CellReport::rejected(label, Rejection::Gone)]),
        })
    }

    async fn ask(&self, query: ScopedQuery, choices: Vec<Choice>) -> Found {
        let query = Arc::new(query);
        let servers = self.servers;
        let text = servers.text;
        let scatter = servers.scatter(&self.ctx, choices);
        let work = move |task: scatter::CellTask<C>| {
            let query = Arc::clone(&query);
            async move {
                let session = reading(&task);
                fetch_one(&session, task.cell().label(), &query, text).await
            }
        };
        let report = scatter.run(&servers.executor, work).await;
        let mut missing = Vec::new();
        for cell in report.into_cells() {
            match cell.into_answer() {
                Ok((_, Some(row))) => return Found::Row(Box::new(row)),
                Ok((_, None)) => {}
                Err(cell) => missing.push(cell),
            }
        }
        if missing.is_empty() {
            Found::Nowhere
        } else {
            Found::Unknown(missing)
        }
    }
}

fn is_owned(owner: &Owner, mapping: &InstanceMapping) -> bool {
    match owner {
        Owner::Anybody => true,
        Owner::Project(project) => mapping.project_id == *project,
        // Old rows do not say; the cell's own row decides then.
        Owner::User(user) => mapping.user_id.as_ref().is_none_or(|id| id == user),
    }
}

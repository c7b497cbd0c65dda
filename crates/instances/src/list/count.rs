//! Counting servers by project, state and cell, through the same scope and filters as listing.

use std::sync::Arc;

use cells::{CellConnector, CellError, CellLabel};
use connect::CellDb;
use scatter::{AsyncExecutor, Incomplete, Missing, ScatterReport};

use crate::query::{ScopedQuery, ServerFilter};
use crate::session::reading;
use crate::sql::fetch_count;

use super::error::ListError;
use super::servers::Servers;

/// How many servers of one project are in one state in one cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Tally {
    /// Whose.
    pub project_id: Option<String>,
    /// In which state.
    pub vm_state: Option<String>,
    /// How many.
    pub servers: u64,
}

/// The counts of every cell. They come out by saying what a missing cell means.
#[derive(Debug)]
#[must_use = "cells may be missing: say with `require_all` or `into_report` what that means"]
pub struct CountReport(ScatterReport<Vec<Tally>>);

/// Counts of several cells.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ServerCounts {
    /// Of each cell, in the order asked.
    pub cells: Vec<(CellLabel, Vec<Tally>)>,
}

impl CountReport {
    /// The counts, if every cell gave its own: a sum that lacks a cell is not one.
    ///
    /// # Errors
    /// [`Incomplete`] with the missing cells.
    pub fn require_all(self) -> Result<ServerCounts, Incomplete> {
        self.0.require_all().map(|cells| ServerCounts { cells })
    }

    /// What there is, and the cells that are missing in it.
    #[must_use = "the second part names the cells whose counts are missing"]
    pub fn into_parts(self) -> (ServerCounts, Vec<Missing>) {
        let (cells, missing) = self.0.into_parts();
        (ServerCounts { cells }, missing)
    }

    /// The report itself.
    pub fn into_report(self) -> ScatterReport<Vec<Tally>> {
        self.0
    }
}

impl ServerCounts {
    /// All servers.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.tallies().map(|tally| tally.servers).sum()
    }

    /// Servers by project, by the project's id.
    #[must_use]
    pub fn by_project(&self) -> Vec<(Option<String>, u64)> {
        sums(
            self.tallies()
                .map(|tally| (&tally.project_id, tally.servers)),
        )
    }

    /// Servers by state, by its name.
    #[must_use]
    pub fn by_state(&self) -> Vec<(Option<String>, u64)> {
        sums(self.tallies().map(|tally| (&tally.vm_state, tally.servers)))
    }

    /// Servers by cell, in the order asked.
    #[must_use]
    pub fn by_cell(&self) -> Vec<(CellLabel, u64)> {
        let sum = |tallies: &[Tally]| tallies.iter().map(|tally| tally.servers).sum();
        self.cells
            .iter()
            .map(|(cell, tallies)| (cell.clone(), sum(tallies)))
            .collect()
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.cells.iter().flat_map(|(_, tallies)| tallies)
    }
}

fn sums<'a>(counts: impl Iterator<Item = (&'a Option<String>, u64)>) -> Vec<(Option<String>, u64)> {
    let mut sums = std::collections::BTreeMap::new();
    for (key, servers) in counts {
        *sums.entry(key.clone()).or_insert(0) += servers;
    }
    sums.into_iter().collect()
}

impl<C, E> Servers<'_, C, E>
where
    C: CellConnector<Database = CellDb>,
    E: AsyncExecutor,
{
    /// How many servers pass the filter, by cell, project and state.
    ///
    /// # Errors
    /// [`ListError`] where the context may not ask. A missing cell is in the report.
    ///
    /// # Cancel safety
    /// Nothing is changed anywhere; dropping the future gives the question up in every cell.
    pub async fn count(&self, filter: &ServerFilter) -> Result<CountReport, ListError> {
        let query = Arc::new(ScopedQuery::of_filter(filter, self.ctx)?);
        let call = self.call();
        let choices = call.choices(&query).await?;
        let scatter = self.scatter(&call.ctx, choices);
        let work = move |task: scatter::CellTask<C>| {
            let query = Arc::clone(&query);
            async move {
                let session = reading(&task);
                let rows = fetch_count(&session, &query).await?;
                let tally = |(project_id, vm_state, servers)| Tally {
                    project_id,
                    vm_state,
                    servers,
                };
                Ok::<_, CellError>(rows.into_iter().map(tally).collect())
            }
        };
        Ok(CountReport(scatter.run(&self.executor, work).await))
    }
}

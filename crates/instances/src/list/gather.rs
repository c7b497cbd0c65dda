//! Filling one page: all cells at once, then those that ran dry, until the page is full or everybody has given all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cells::{CellConnector, CellError, CellId, Cells, Choice};
use connect::CellDb;
use context::RequestContext;
use scatter::{AsyncExecutor, CellReport, Outcome, Scatter};

use crate::cursor::remaining;
use crate::order::{Rank, SortValue};
use crate::query::ScopedQuery;
use crate::server::Server;
use crate::sql::{Range, fetch_page};

use super::batch::BatchStrategy;
use super::merge::Merge;

/// A cell that is asked, and the stretches of the order that are wanted of it.
pub(super) struct Asked {
    pub(super) choice: Choice,
    pub(super) ranges: Vec<Range>,
}

/// What to gather, and how.
pub(super) struct Plan {
    pub(super) query: Arc<ScopedQuery>,
    pub(super) asked: Vec<Asked>,
    pub(super) limit: u32,
    pub(super) batch: BatchStrategy,
    pub(super) budget: Duration,
}

/// A filled page.
pub(super) struct Gathered {
    pub(super) servers: Vec<Server>,
    pub(super) cells: Vec<CellReport<usize>>,
    pub(super) elapsed: Duration,
    pub(super) is_full: bool,
    /// The position of the page's last row.
    pub(super) last: Option<Vec<SortValue>>,
    /// Of each cell that did not answer, the stretches whose rows are missing, those after the page included.
    pub(super) missing: Vec<(CellId, Vec<Range>)>,
}

/// What one cell is asked in one round.
#[derive(Clone)]
struct Order {
    ranges: Vec<Range>,
    batch: u32,
}

/// Gathers a page. The request's deadline holds for all rounds together.
///
/// Cancel safety: nothing is changed anywhere; dropping the future gives the question up in every cell.
pub(super) async fn gather<C, E>(
    ctx: &RequestContext,
    cells: &Cells<C>,
    executor: &E,
    plan: Plan,
) -> Gathered
where
    C: CellConnector<Database = CellDb>,
    E: AsyncExecutor,
{
    let Plan {
        query,
        asked,
        limit,
        batch,
        budget,
    } = plan;
    let mut merge = Merge::new(asked.len(), usize::try_from(limit).unwrap_or(usize::MAX));
    let mut reports: Vec<Option<CellReport<usize>>> = asked.iter().map(|_| None).collect();
    let mut elapsed = Duration::ZERO;
    let first = batch.size(Some(limit), asked.len());
    let mut round = 0;
    loop {
        let dry = merge.advance();
        if dry.is_empty() {
            break;
        }
        let lacks = u32::try_from(merge.lacks()).unwrap_or(u32::MAX);
        let size = if round == 0 {
            first
        } else {
            batch.refill(first, lacks)
        };
        let orders = dry.iter().filter_map(|at| {
            let cell = asked.get(*at)?;
            let ranges = match merge.last_of(*at) {
                Some(last) => remaining(query.order(), &cell.ranges, &last.values()),
                None => cell.ranges.clone(),
            };
            Some((
                cell.choice.label().id()?,
                Order {
                    ranges,
                    batch: size,
                },
            ))
        });
        let orders = Arc::new(orders.collect::<HashMap<CellId, Order>>());
        let choices = dry
            .iter()
            .filter_map(|at| asked.get(*at))
            .map(|cell| cell.choice.clone());
        let scatter = Scatter::new(ctx, cells, choices.collect()).timeout(budget);
        let work = {
            let query = Arc::clone(&query);
            move |task: scatter::CellTask<C>| {
                let (query, orders) = (Arc::clone(&query), Arc::clone(&orders));
                async move {
                    let Some(order) = orders.get(&task.cell().id()) else {
                        return Ok::<_, CellError>(Vec::new());
                    };
                    let session = task.cell().database().read_only(task.deadline());
                    let mut rows = Vec::new();
                    for range in &order.ranges {
                        let left = u64::from(order.batch).saturating_sub(rows.len() as u64);
                        if left == 0 {
                            break;
                        }
                        rows.extend(
                            fetch_page(&session, task.cell().label(), &query, range, left).await?,
                        );
                    }
                    Ok(rows)
                }
            }
        };
        let report = scatter.run(executor, work).await;
        let begun = elapsed;
        elapsed += report.elapsed();
        for (at, cell) in dry.into_iter().zip(report.into_cells()) {
            let mut report = cell.map(|rows| {
                merge.feed(at, rows, usize::try_from(size).unwrap_or(usize::MAX));
                0
            });
            if !matches!(report.outcome, Outcome::Answered(_)) {
                merge.give_up(at);
            }
            report.elapsed += begun;
            if let Some(place) = reports.get_mut(at) {
                *place = Some(report);
            }
        }
        round += 1;
    }
    let missing = reports
        .iter()
        .zip(&asked)
        .enumerate()
        .filter_map(|(at, (report, cell))| {
            let report = report
                .as_ref()
                .filter(|report| !matches!(report.outcome, Outcome::Answered(_)))?;
            let ranges = match merge.last_of(at).map(Rank::values) {
                Some(last) => remaining(query.order(), &cell.ranges, &last),
                None => cell.ranges.clone(),
            };
            Some((report.cell.id()?, ranges))
        })
        .collect();
    let mut cells: Vec<CellReport<usize>> = Vec::with_capacity(reports.len());
    for (at, report) in reports.into_iter().enumerate() {
        cells.extend(report.map(|mut report| {
            if let Outcome::Answered(rows) = &mut report.outcome {
                *rows = merge.taken(at);
            }
            report
        }));
    }
    let is_full = merge.is_full();
    let (servers, last) = merge.finish();
    Gathered {
        servers,
        cells,
        elapsed,
        is_full,
        last,
        missing,
    }
}

//! Filling one page: all cells at once, then those that ran dry, until the page is full or everybody has given all.
//!
//! In rounds, and not through scatter's streaming merge: a page says of each cell up to where it is known (that is what
//! cursors and `resume` are made of), asks for no row that it may not need (a stream's cells read ahead of their reader),
//! keeps Nova's batch sizes to the number, and begins anew where cells turn out to order text differently. What keeps a silent
//! cell from costing the others their next round is `pace.rs`.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cells::{CellConnector, CellError, CellId, CellLabel, Choice, ErrorClass};
use connect::{CellDb, DbSession};
use context::RequestContext;
use futures_util::future::{Either, select};
use scatter::{AsyncExecutor, CellReport, CellTask, Outcome, Rejection, ScatterStream};

use crate::cursor::remaining;
use crate::order::{Rank, SortValue};
use crate::query::ScopedQuery;
use crate::server::{Row, Server};
use crate::session::reading;
use crate::sql::{CellText, Range, TextOrder, TextRule, cell_text, fetch_page};

use super::batch::{BatchStrategy, Part};
use super::merge::Merge;
use super::pace::{Pace, Verdict};
use super::servers::Servers;

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
    /// By what text is ordered as far as the caller has a say.
    pub(super) text: TextOrder,
    /// By what the list so far orders text; a cell that orders otherwise fails.
    pub(super) rule: Option<TextRule>,
    /// How many rows of the pages before were whose; empty where nothing is known.
    pub(super) parts: Vec<(CellId, u32)>,
}

/// A filled page.
pub(super) struct Gathered {
    pub(super) servers: Vec<Server>,
    pub(super) cells: Vec<CellReport<usize>>,
    pub(super) elapsed: Duration,
    pub(super) is_full: bool,
    /// By what text is ordered, if a cell has said.
    pub(super) rule: Option<TextRule>,
    /// The position of the page's last row.
    pub(super) last: Option<Vec<SortValue>>,
    /// Of each cell that did not answer, the stretches whose rows are missing, those after the page included.
    pub(super) missing: Vec<(CellId, Vec<Range>)>,
}

const OTHERWISE: &str = "text is ordered by another collation here than in the list so far";

/// Whether the cells that answered order text alike.
enum Agreed {
    On(TextRule),
    Not,
    /// None answered.
    Nobody,
}

fn agreed(cells: &[CellReport<Given>]) -> Agreed {
    let rules = cells.iter().filter_map(|cell| match &cell.outcome {
        Outcome::Answered(given) => Some(&given.rule),
        _ => None,
    });
    let mut agreed = Agreed::Nobody;
    for rule in rules {
        match &agreed {
            Agreed::On(other) if other != rule => return Agreed::Not,
            Agreed::On(_) | Agreed::Not => {}
            Agreed::Nobody => agreed = Agreed::On(rule.clone()),
        }
    }
    agreed
}

/// What one cell is asked in one round.
#[derive(Clone)]
struct Order {
    ranges: Vec<Range>,
    batch: u32,
    /// The most that the page could need of it.
    most: u32,
}

/// A cell to ask in one round.
struct Wanted {
    at: usize,
    rows: u32,
    /// The page cannot go on without it.
    is_dry: bool,
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

/// All cells, each by its part in the pages before, where that is known.
fn first_round(
    batch: BatchStrategy,
    limit: u32,
    asked: &[Asked],
    parts: &[(CellId, u32)],
) -> Vec<Wanted> {
    let of = parts.iter().map(|(_, taken)| taken).sum();
    let cells = asked.iter().enumerate();
    let wanted = cells.map(|(at, cell)| {
        let id = cell.choice.label().id();
        let mine = parts.iter().find(|(cell, _)| Some(*cell) == id);
        let part = mine.map(|(_, taken)| Part { taken: *taken, of });
        Wanted {
            at,
            rows: batch.first(limit, asked.len(), part),
            is_dry: true,
        }
    });
    wanted.collect()
}

/// The cells that ran dry, and those that would next.
fn next_round(
    batch: BatchStrategy,
    limit: u32,
    merge: &Merge,
    dry: &[usize],
    cells: usize,
) -> Vec<Wanted> {
    let lacks = count(merge.lacks());
    let wanted = (0..cells).filter_map(|at| {
        let is_dry = dry.contains(&at);
        let rows = match is_dry {
            true => batch.refill(limit, cells, lacks, merge.part(at)),
            false => batch.along(count(merge.at_hand(at)?), lacks, merge.part(at))?,
        };
        Some(Wanted { at, rows, is_dry })
    });
    wanted.collect()
}

/// What one cell gave in one round.
struct Given {
    rows: Vec<Row>,
    rule: TextRule,
    /// How many rows it was asked for in all.
    asked: u32,
    /// How long it took to answer, where it then waited for others.
    took: Option<Duration>,
}

/// One cell's part in one round.
async fn give(
    session: &DbSession,
    label: &CellLabel,
    query: &ScopedQuery,
    order: &Order,
    text: CellText,
    pace: &Pace,
) -> Result<Given, CellError> {
    let began = Instant::now();
    let rows = read(session, label, query, &order.ranges, &text, order.batch).await?;
    let mut given = Given {
        rows,
        rule: text.rule.clone(),
        asked: order.batch,
        took: None,
    };
    let gave_all = given.rows.len() < usize::try_from(order.batch).unwrap_or(usize::MAX);
    if gave_all || order.batch >= order.most {
        return Ok(given);
    }
    given.took = Some(began.elapsed());
    if let (Verdict::ReadOn, Some(last)) = (pace.delivered().await, given.rows.last()) {
        let ranges = remaining(query.order(), &order.ranges, &last.rank.values());
        let more = order.most - order.batch;
        // What it has given stands, whatever becomes of this.
        if let Ok(rows) = read(session, label, query, &ranges, &text, more).await {
            given.rows.extend(rows);
            given.asked = order.most;
        }
    }
    Ok(given)
}

/// Up to so many rows of these stretches.
async fn read(
    session: &DbSession,
    label: &CellLabel,
    query: &ScopedQuery,
    ranges: &[Range],
    text: &CellText,
    limit: u32,
) -> Result<Vec<Row>, CellError> {
    let mut rows = Vec::new();
    for range in ranges {
        let left = u64::from(limit).saturating_sub(rows.len() as u64);
        if left == 0 {
            break;
        }
        rows.extend(fetch_page(session, label, query, range, text, left).await?);
    }
    Ok(rows)
}

/// The reports of one round, in the order of its choices, and how long it took.
async fn reports_of<C, E, W, F>(
    mut stream: ScatterStream<'_, E, C, W, Given>,
    choices: &[Choice],
    pace: &Pace,
    half: E::Timer,
) -> (Vec<CellReport<Given>>, Duration)
where
    C: CellConnector,
    E: AsyncExecutor,
    W: Fn(CellTask<C>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Given, CellError>> + Send + 'static,
{
    let mut reports: Vec<Option<CellReport<Given>>> = choices.iter().map(|_| None).collect();
    let (mut elapsed, mut half) = (Duration::ZERO, pin!(half));
    loop {
        let next = match pace.is_decided() {
            true => stream.next().await,
            false => match select(pin!(stream.next()), half.as_mut()).await {
                Either::Left((next, _)) => next,
                Either::Right(_) => {
                    pace.half_time();
                    continue;
                }
            },
        };
        let Some(mut report) = next else { break };
        pace.reported();
        elapsed = elapsed.max(report.elapsed);
        if let Outcome::Answered(Given {
            took: Some(took), ..
        }) = &report.outcome
        {
            report.elapsed = report.queued + *took;
        }
        // A row that is there twice has one name, and one of the two is rejected.
        let bad = matches!(report.outcome, Outcome::Rejected(Rejection::Mapping(_)));
        let is_it = |(choice, place): &(&Choice, &mut Option<_>)| {
            let same = *choice.label() == report.cell;
            same && bad == matches!(choice, Choice::Rejected(_)) && place.is_none()
        };
        if let Some((_, place)) = choices.iter().zip(&mut reports).find(is_it) {
            *place = Some(report);
        }
    }
    (reports.into_iter().flatten().collect(), elapsed)
}

/// Gathers a page. The request's deadline holds for all rounds together.
///
/// Cancel safety: nothing is changed anywhere; dropping the future gives the question up in every cell.
pub(super) async fn gather<C, E>(
    ctx: &RequestContext,
    servers: &Servers<'_, C, E>,
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
        mut text,
        mut rule,
        parts,
    } = plan;
    let Servers {
        batch,
        timeout: budget,
        executor,
        ..
    } = servers;
    let (batch, budget) = (*batch, *budget);
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut merge = Merge::new(asked.len(), page);
    if let Some(rule) = &rule {
        text = rule.text_order();
    }
    let mut reports: Vec<Option<CellReport<usize>>> = asked.iter().map(|_| None).collect();
    let mut elapsed = Duration::ZERO;
    let mut round = 0;
    loop {
        let dry = merge.advance();
        if dry.is_empty() {
            break;
        }
        let lacks = count(merge.lacks());
        let wanted = match round {
            0 => first_round(batch, limit, &asked, &parts),
            _ => next_round(batch, limit, &merge, &dry, asked.len()),
        };
        let orders = wanted.iter().filter_map(|wanted| {
            let cell = asked.get(wanted.at)?;
            let ranges = match merge.last_of(wanted.at) {
                Some(last) => remaining(query.order(), &cell.ranges, &last.values()),
                None => cell.ranges.clone(),
            };
            Some((
                cell.choice.label().id()?,
                Order {
                    ranges,
                    batch: wanted.rows,
                    most: lacks.saturating_sub(count(merge.at_hand(wanted.at)?)),
                },
            ))
        });
        let orders = Arc::new(orders.collect::<HashMap<CellId, Order>>());
        let choices = wanted.iter().filter_map(|wanted| asked.get(wanted.at));
        let choices: Vec<Choice> = choices.map(|cell| cell.choice.clone()).collect();
        let pace = Arc::new(Pace::new(choices.len()));
        let scatter = servers.scatter(ctx, choices.clone());
        let work = {
            let (query, pace) = (Arc::clone(&query), Arc::clone(&pace));
            let agreed = rule.clone();
            move |task: CellTask<C>| {
                let (query, orders) = (Arc::clone(&query), Arc::clone(&orders));
                let (agreed, pace) = (agreed.clone(), Arc::clone(&pace));
                async move {
                    let session = reading(&task);
                    let text = cell_text(&session, query.order(), text).await?;
                    if agreed.is_some_and(|agreed| agreed != text.rule) {
                        return Err(CellError::new(ErrorClass::Decode, OTHERWISE));
                    }
                    let Some(order) = orders.get(&task.cell().id()) else {
                        return Err(CellError::new(
                            ErrorClass::Internal,
                            "nothing is asked of it",
                        ));
                    };
                    give(&session, task.cell().label(), &query, order, text, &pace).await
                }
            }
        };
        let now = executor.clock().now();
        let left = ctx.deadline().map(|end| end.remaining_at(now));
        let half = executor.sleep_until(now + left.unwrap_or(budget).min(budget) / 2);
        let stream = scatter.stream(executor, work);
        let (answers, took) = reports_of(stream, &choices, &pace, half).await;
        let begun = elapsed;
        elapsed += took;
        if rule.is_none() {
            match agreed(&answers) {
                Agreed::On(agreed) => rule = Some(agreed),
                Agreed::Nobody => {}
                Agreed::Not => {
                    tracing::info!(
                        "cells order text by different collations; the list is ordered by bytes"
                    );
                    (text, rule) = (TextOrder::Bytes, Some(TextRule::Bytes));
                    merge = Merge::new(asked.len(), page);
                    continue;
                }
            }
        }
        for (Wanted { at, is_dry, .. }, cell) in wanted.into_iter().zip(answers) {
            if !is_dry && !matches!(cell.outcome, Outcome::Answered(_)) {
                // The page may be full without it; where it is not, it is asked again, and blamed then.
                continue;
            }
            let mut report = cell.map(|given| {
                let asked = usize::try_from(given.asked).unwrap_or(usize::MAX);
                merge.feed(at, given.rows, asked);
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
        rule,
        last,
        missing,
    }
}

//! The servers of a cloud: the one object through which they are listed, found and counted.

use std::sync::Arc;
use std::time::Duration;

use cells::{CellConnector, CellId, CellLabel, Cells, Choice, Selection};
use connect::{CellDb, NovaApi};
use context::{Deadline, RequestContext};
use scatter::{
    AsyncExecutor, CellReport, Effect, Isolation, Outcome, PermitClass, Rejection, Scatter,
    ScatterStats,
};
use uuid::Uuid;

use crate::cursor::{CursorError, Fingerprint, Gap, Next, PageCursor, remaining};
use crate::query::{Owner, ScopedQuery, ServerQuery};
use crate::sql::{Range, TextOrder};

use super::batch::BatchStrategy;
use super::error::{ListError, MissingCells};
use super::gather::{Asked, Gathered, Plan, gather};
use super::markers::Markers;
use super::page::{DownCells, Page};
use super::stubs;

/// The servers of all cells, as one context may see them.
#[derive(Debug)]
#[must_use = "nothing is asked before `list`, `get` or `count`"]
pub struct Servers<'a, C: CellConnector<Database = CellDb>, E> {
    pub(super) ctx: &'a RequestContext,
    pub(super) cells: &'a Cells<C>,
    pub(super) executor: E,
    pub(super) api: Option<&'a NovaApi>,
    pub(super) selection: Selection,
    pub(super) batch: BatchStrategy,
    pub(super) timeout: Duration,
    pub(super) prune: bool,
    pub(super) text: TextOrder,
    pub(super) markers: Option<Markers>,
    isolation: Option<(Isolation, PermitClass)>,
    stats: Option<ScatterStats>,
}

impl<'a, C, E> Servers<'a, C, E>
where
    C: CellConnector<Database = CellDb>,
    E: AsyncExecutor,
{
    /// The servers this context may see, asked for on this executor. All cells are asked, with 60 s for each call.
    pub fn new(ctx: &'a RequestContext, cells: &'a Cells<C>, executor: E) -> Self {
        Self {
            ctx,
            cells,
            executor,
            api: None,
            selection: Selection::All,
            batch: BatchStrategy::default(),
            timeout: Duration::from_secs(60),
            prune: false,
            text: TextOrder::default(),
            markers: None,
            isolation: None,
            stats: None,
        }
    }

    /// Looks markers and single servers up in `instance_mappings` first, so that one cell is asked and not all. Stubs and
    /// pruning need this, too.
    pub fn api(mut self, api: &'a NovaApi) -> Self {
        self.api = Some(api);
        self
    }

    /// Lists and counts in these cells only.
    pub fn selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// How many rows a cell is asked for at a time.
    pub fn batch(mut self, batch: BatchStrategy) -> Self {
        self.batch = batch;
        self
    }

    /// The budget of each call, markers and further rounds included. The context's own deadline still holds.
    pub fn timeout(mut self, budget: Duration) -> Self {
        self.timeout = budget;
        self
    }

    /// Leaves out cells in which the project has no servers, by `instance_mappings` (Nova's
    /// `[api]instance_list_per_project_cells`). Without a project in the query or the context, all are asked.
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    /// By what text is ordered: for a cloud whose cells are known not to agree, or where case and accents are to count.
    pub fn text_order(mut self, text: TextOrder) -> Self {
        self.text = text;
        self
    }

    /// Remembers where pages end, so that a marker which is a page's last server needs no look-up. The list then goes on
    /// from where the server stood in that page, as by a cursor, and not from where it stands by now.
    pub fn markers(mut self, markers: &Markers) -> Self {
        self.markers = Some(markers.clone());
        self
    }

    /// Uses the permits, breakers and retry tokens that the service's other calls use, too. All that is asked here is a
    /// read: it may be retried, and it is refused at once where a breaker is open (that cell is missing then).
    pub fn isolation(mut self, isolation: &Isolation, class: PermitClass) -> Self {
        self.isolation = Some((isolation.clone(), class));
        self
    }

    /// Notes how long each cell let each question wait; a page may take several.
    pub fn stats(mut self, stats: &ScatterStats) -> Self {
        self.stats = Some(stats.clone());
        self
    }

    /// Asks these cells within the budget, as everything here does.
    pub(super) fn scatter<'c>(
        &'c self,
        ctx: &'c RequestContext,
        choices: Vec<Choice>,
    ) -> Scatter<'c, C> {
        let mut scatter = Scatter::new(ctx, self.cells, choices)
            .timeout(self.timeout)
            .effect(Effect::Read);
        if let Some((isolation, class)) = &self.isolation {
            scatter = scatter.isolation(isolation, *class);
        }
        if let Some(stats) = &self.stats {
            scatter = scatter.stats(stats);
        }
        scatter
    }

    /// One page of the list.
    ///
    /// # Errors
    /// [`ListError`] where the context may not ask, the marker cannot be used, or a cell is missing and `down` says that
    /// this is an error.
    ///
    /// # Cancel safety
    /// Nothing is changed anywhere; dropping the future gives the question up in every cell.
    pub async fn list(&self, query: &ServerQuery, down: DownCells) -> Result<Page, ListError> {
        let scoped = Arc::new(ScopedQuery::of(query, self.ctx)?);
        let call = self.call();
        let mut cursor = PageCursor {
            query: Fingerprint::of(&scoped),
            next: Next::Start,
            rule: None,
            gaps: Vec::new(),
            parts: Vec::new(),
        };
        if let Some(marker) = query.marker {
            let kept = self.markers.as_ref();
            match kept.and_then(|kept| kept.find(marker, self.text, cursor.query)) {
                Some(kept) => cursor = kept,
                None => cursor.next = Next::After(call.position_of(&scoped, marker).await?),
            }
        }
        call.page(scoped, query.limit, cursor, down).await
    }

    /// The page after the one that gave the cursor. The query must be the same but for its limit.
    ///
    /// Needs no cell for the marker: the cursor holds the position itself. Gaps that the cursor knows are kept in the new
    /// page's cursor.
    ///
    /// # Errors
    /// As [`list`](Self::list), and [`ListError::Cursor`] for a cursor of another query.
    ///
    /// # Cancel safety
    /// As [`list`](Self::list).
    pub async fn list_after(
        &self,
        query: &ServerQuery,
        cursor: &PageCursor,
        down: DownCells,
    ) -> Result<Page, ListError> {
        let scoped = self.same_query(query, cursor)?;
        self.call()
            .page(scoped, query.limit, cursor.clone(), down)
            .await
    }

    /// The rows that earlier pages of the cursor lack, of the cells that did not answer then, and nothing else. At most
    /// `limit` of them, in order among themselves; the page's cursor has the gaps that are left, and goes on where the
    /// given one did.
    ///
    /// # Errors
    /// As [`list_after`](Self::list_after).
    ///
    /// # Cancel safety
    /// As [`list`](Self::list).
    pub async fn resume(
        &self,
        query: &ServerQuery,
        cursor: &PageCursor,
        down: DownCells,
    ) -> Result<Page, ListError> {
        let scoped = self.same_query(query, cursor)?;
        self.call()
            .fill_gaps(scoped, query.limit, cursor, down)
            .await
    }

    fn same_query(
        &self,
        query: &ServerQuery,
        cursor: &PageCursor,
    ) -> Result<Arc<ScopedQuery>, ListError> {
        let scoped = ScopedQuery::of(query, self.ctx)?;
        cursor.check(&scoped)?;
        if query.marker.is_some() {
            return Err(CursorError::WithMarker.into());
        }
        Ok(Arc::new(scoped))
    }

    /// A call begins: its deadline is set.
    pub(super) fn call(&self) -> Call<'_, C, E> {
        let deadline = Deadline::after(self.timeout);
        let ctx = self.ctx.with_deadline(deadline);
        Call {
            deadline: ctx.deadline().unwrap_or(deadline),
            ctx,
            servers: self,
        }
    }
}

/// One call, with the context that holds its deadline.
pub(super) struct Call<'s, C: CellConnector<Database = CellDb>, E> {
    pub(super) servers: &'s Servers<'s, C, E>,
    pub(super) ctx: RequestContext,
    pub(super) deadline: Deadline,
}

impl<C, E> Call<'_, C, E>
where
    C: CellConnector<Database = CellDb>,
    E: AsyncExecutor,
{
    async fn page(
        &self,
        scoped: Arc<ScopedQuery>,
        limit: u32,
        mut cursor: PageCursor,
        down: DownCells,
    ) -> Result<Page, ListError> {
        let after = match &cursor.next {
            Next::Start => None,
            Next::After(position) => Some(position.clone()),
            Next::End => return Ok(empty(cursor)),
        };
        if limit == 0 {
            return Ok(empty(cursor));
        }
        let range = Range { after, upto: None };
        let choices = self.choices(&scoped).await?;
        let asked = choices.into_iter().map(|choice| Asked {
            choice,
            ranges: vec![range.clone()],
        });
        let asked = asked.collect();
        let gathered = self
            .gather(&scoped, asked, limit, &cursor, &cursor.parts, down)
            .await?;
        let is_first = range.after.is_none();
        let end = gathered.last.clone().filter(|_| gathered.is_full);
        for (cell, ranges) in &gathered.missing {
            for range in ranges {
                let range = Range {
                    after: range.after.clone(),
                    upto: end.clone(),
                };
                // Nothing is missing of a cell that failed where the page ends.
                if range.after.is_none() || range.after != range.upto {
                    cursor.add_gap(Gap { cell: *cell, range });
                }
            }
        }
        cursor.next = end.map_or(Next::End, Next::After);
        cursor.rule.clone_from(&gathered.rule);
        cursor.parts = parts(&cursor.parts, &gathered.cells);
        let mut page = page(gathered, cursor);
        if let (Some(markers), Some(marker)) = (&self.servers.markers, page.next_marker) {
            markers.keep(marker, self.servers.text, &page.cursor);
        }
        if down == DownCells::Stub && is_first && scoped.filter().fits_mappings() {
            page.stubs = stubs::of(self, &scoped, &page, limit).await;
        }
        Ok(page)
    }

    async fn fill_gaps(
        &self,
        scoped: Arc<ScopedQuery>,
        limit: u32,
        cursor: &PageCursor,
        down: DownCells,
    ) -> Result<Page, ListError> {
        let mut kept = cursor.clone();
        if limit == 0 || cursor.gaps.is_empty() {
            return Ok(empty(kept));
        }
        let current = self.servers.cells.select(&Selection::All)?;
        let mut gone = Vec::new();
        let mut asked = Vec::new();
        for cell in cursor.missing() {
            let mine = |gap: &&Gap| gap.cell == cell;
            let ranges: Vec<Range> = cursor
                .gaps
                .iter()
                .filter(mine)
                .map(|gap| gap.range.clone())
                .collect();
            match current
                .iter()
                .find(|choice| choice.label().id() == Some(cell))
            {
                Some(choice) => asked.push(Asked {
                    choice: choice.clone(),
                    ranges,
                }),
                None => gone.push(cell),
            }
        }
        let wanted: Vec<(CellId, Vec<Range>)> = asked
            .iter()
            .filter_map(|cell| Some((cell.choice.label().id()?, cell.ranges.clone())))
            .collect();
        let gathered = self
            .gather(&scoped, asked, limit, cursor, &[], down)
            .await?;
        let end = gathered.last.clone().filter(|_| gathered.is_full);
        // What a cell still lacks: all from where it failed, or what stands after a full page.
        kept.rule.clone_from(&gathered.rule);
        kept.gaps.retain(|gap| gone.contains(&gap.cell));
        for (cell, ranges) in wanted {
            let failed = gathered
                .missing
                .iter()
                .find(|(missing, _)| *missing == cell);
            let left = match (failed, &end) {
                (Some((_, ranges)), _) => ranges.clone(),
                (None, Some(end)) => remaining(scoped.order(), &ranges, end),
                (None, None) => Vec::new(),
            };
            kept.gaps
                .extend(left.into_iter().map(|range| Gap { cell, range }));
        }
        let mut page = page(gathered, kept);
        page.cells.extend(
            gone.into_iter()
                .map(|cell| CellReport::rejected(CellLabel::of_id(cell), Rejection::Gone)),
        );
        Ok(page)
    }

    async fn gather(
        &self,
        scoped: &Arc<ScopedQuery>,
        asked: Vec<Asked>,
        limit: u32,
        cursor: &PageCursor,
        parts_of: &[(CellId, u32)],
        down: DownCells,
    ) -> Result<Gathered, ListError> {
        let plan = Plan {
            query: Arc::clone(scoped),
            asked,
            limit,
            text: self.servers.text,
            rule: cursor.rule.clone(),
            parts: parts_of.to_vec(),
        };
        let mut gathered = gather(&self.ctx, self.servers, plan).await;
        let is_missing = |cell: &CellReport<usize>| !matches!(cell.outcome, Outcome::Answered(_));
        if down == DownCells::Fail && gathered.cells.iter().any(is_missing) {
            let cells = std::mem::take(&mut gathered.cells).into_iter();
            let missing = cells.filter_map(|cell| cell.into_answer().err()).collect();
            return Err(ListError::CellsDown(MissingCells(missing)));
        }
        Ok(gathered)
    }

    /// The cells to list, without those that the project has nothing in where the caller allows it.
    pub(super) async fn choices(&self, scoped: &ScopedQuery) -> Result<Vec<Choice>, ListError> {
        let choices = self.servers.cells.select(&self.servers.selection)?;
        let project = match scoped.owner() {
            Owner::Project(project) => Some(project.as_str()),
            Owner::Anybody | Owner::User(_) => {
                scoped.filter().project.as_ref().map(|id| id.as_str())
            }
        };
        let (true, Some(api), Some(project)) = (self.servers.prune, self.servers.api, project)
        else {
            return Ok(choices);
        };
        let used = api
            .cells_of_project(project, self.deadline)
            .await
            .map_err(ListError::Api)?;
        let used: Vec<CellId> = used.iter().filter_map(CellLabel::id).collect();
        let is_used = |choice: &Choice| choice.label().id().is_none_or(|id| used.contains(&id));
        Ok(choices.into_iter().filter(is_used).collect())
    }

    /// The current choice of one cell.
    pub(super) fn choice(&self, cell: CellId) -> Result<Option<Choice>, ListError> {
        let choices = self.servers.cells.select(&Selection::All)?;
        Ok(choices
            .into_iter()
            .find(|choice| choice.label().id() == Some(cell)))
    }
}

/// How many of the last pages' rows are whose, of the cells that answered: what was before counts half as much.
fn parts(before: &[(CellId, u32)], cells: &[CellReport<usize>]) -> Vec<(CellId, u32)> {
    let part = |cell: &CellReport<usize>| match cell.outcome {
        Outcome::Answered(rows) => {
            let id = cell.cell.id()?;
            let held = before.iter().find(|(cell, _)| *cell == id);
            let before = held.map_or(0, |(_, taken)| taken / 2);
            Some((id, before.saturating_add(u32::try_from(rows).ok()?)))
        }
        _ => None,
    };
    cells.iter().filter_map(part).collect()
}

fn page(gathered: Gathered, cursor: PageCursor) -> Page {
    let last = gathered.servers.last().map(|server| server.uuid);
    Page {
        next_marker: last.filter(|_: &Uuid| gathered.is_full),
        servers: gathered.servers,
        stubs: Vec::new(),
        cells: gathered.cells,
        elapsed: gathered.elapsed,
        cursor,
    }
}

/// The page of a question that no cell needs to be asked.
fn empty(cursor: PageCursor) -> Page {
    Page {
        servers: Vec::new(),
        stubs: Vec::new(),
        cells: Vec::new(),
        elapsed: Duration::ZERO,
        next_marker: None,
        cursor,
    }
}

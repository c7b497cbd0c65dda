//! What a list asks each cell, in SQL, for those who want to see how their database carries it out.

use context::RequestContext;
use sea_orm::{DbBackend, Statement};

use crate::cursor::{Next, PageCursor};
use crate::query::{ScopedQuery, ServerQuery};
use crate::sql::{Range, page, segments_of};

use super::error::ListError;

impl ServerQuery {
    /// The statements that read one cell's first `rows` rows of a page, in the order in which they are asked: the second,
    /// where there is one, only if the first did not give enough. After this cursor, or from the beginning.
    ///
    /// Put `EXPLAIN` in front to see the plan. A cell is asked by the same text; values are bound.
    ///
    /// # Errors
    /// [`ListError`] where the context may not ask this, or the cursor is another query's.
    pub fn statements(
        &self,
        ctx: &RequestContext,
        backend: DbBackend,
        cursor: Option<&PageCursor>,
        rows: u32,
    ) -> Result<Vec<Statement>, ListError> {
        let scoped = ScopedQuery::of(self, ctx)?;
        let mut range = Range::default();
        if let Some(cursor) = cursor {
            cursor.check(&scoped)?;
            match &cursor.next {
                Next::Start => {}
                Next::After(position) => range.after = Some(position.clone()),
                Next::End => return Ok(Vec::new()),
            }
        }
        let segments = segments_of(&scoped, &range).into_iter();
        let statement = |segment| page(backend.into(), &scoped, &range, segment, u64::from(rows));
        Ok(segments.map(statement).collect())
    }
}

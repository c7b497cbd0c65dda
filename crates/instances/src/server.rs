//! One server as a list shows it.

use cells::CellLabel;
use time::PrimitiveDateTime;
use uuid::Uuid;

use crate::order::Rank;

/// One server. Times are UTC, to the microsecond.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// Its id, unique over all cells.
    pub uuid: Uuid,
    /// The name its owner gave it (`display_name`).
    pub name: Option<String>,
    /// Who owns it.
    pub project_id: Option<String>,
    /// Who made it.
    pub user_id: Option<String>,
    /// Its state, in the table's words: `active`, `stopped`, `error`, …
    pub vm_state: Option<String>,
    /// The compute host it runs on; none before it is placed and after it is shelved.
    pub host: Option<String>,
    /// When it was asked for.
    pub created_at: Option<PrimitiveDateTime>,
    /// When its row last changed.
    pub updated_at: Option<PrimitiveDateTime>,
    /// When it first ran.
    pub launched_at: Option<PrimitiveDateTime>,
    /// Whether it is deleted.
    pub deleted: bool,
    /// The cell that has its row.
    pub cell: CellLabel,
}

/// A server with its place in the order.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) server: Server,
    pub(crate) rank: Rank,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::order::{SortOrder, SortValue};

    /// Rows with these ids, as a list by ascending `id` has them. A server's UUID is its id: equal ids are one server.
    pub(crate) fn rows(ids: &[i64]) -> Vec<Row> {
        let order = SortOrder::of(&["id".parse().unwrap()]);
        let row = |id: &i64| {
            let uuid = Uuid::from_u128(u128::from(id.unsigned_abs()));
            let server = Server {
                uuid,
                name: None,
                project_id: None,
                user_id: None,
                vm_state: None,
                host: None,
                created_at: None,
                updated_at: None,
                launched_at: None,
                deleted: false,
                cell: CellLabel::of_row("c", None),
            };
            let values = vec![SortValue::Int(*id), SortValue::Text(uuid.to_string())];
            Row {
                server,
                rank: order.rank(values),
            }
        };
        ids.iter().map(row).collect()
    }
}

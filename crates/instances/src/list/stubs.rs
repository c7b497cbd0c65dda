//! Servers of cells that are down, as `instance_mappings` knows them (microversion 2.69; nova-facts 4.3).

use cells::{CellConnector, CellError, CellId, CellLabel, ErrorClass};
use connect::{CellDb, NovaApi, classify};
use context::Deadline;
use scatter::{AsyncExecutor, Outcome};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};
use time::PrimitiveDateTime;
use uuid::Uuid;

use crate::order::Stamp;
use crate::query::{Owner, ScopedQuery};
use crate::sql::Sql;

use super::page::{Page, ServerStub};
use super::servers::Call;

/// Stubs for the cells that this page lacks, as many as it has room for. None where the API database is not at hand or
/// does not answer: a page of real servers is not given up for a lack of stubs.
pub(super) async fn of<C, E>(
    call: &Call<'_, C, E>,
    query: &ScopedQuery,
    page: &Page,
    limit: u32,
) -> Vec<ServerStub>
where
    C: CellConnector<Database = CellDb>,
    E: AsyncExecutor,
{
    let down: Vec<CellLabel> = page
        .cells
        .iter()
        .filter(|cell| !matches!(cell.outcome, Outcome::Answered(_)))
        .map(|cell| cell.cell.clone())
        .collect();
    let room = u64::from(limit).saturating_sub(page.servers.len() as u64);
    let Some(api) = call.servers.api.filter(|_| !down.is_empty() && room > 0) else {
        return Vec::new();
    };
    // The cells may have used the whole budget; naming their servers takes a moment of its own.
    let deadline = Deadline::after(call.servers.timeout.min(std::time::Duration::from_secs(1)));
    match read(api, query, &down, room, deadline).await {
        Ok(stubs) => stubs,
        Err(error) => {
            tracing::warn!(class = %error.class(), "the API database gave no stubs for cells that are down");
            Vec::new()
        }
    }
}

async fn read(
    api: &NovaApi,
    query: &ScopedQuery,
    down: &[CellLabel],
    room: u64,
    deadline: Deadline,
) -> Result<Vec<ServerStub>, CellError> {
    let session = api.database().read_only(deadline);
    let backend = session.get_database_backend();
    let rows = session
        .query_all_raw(statement(backend, query, down, room))
        .await
        .map_err(classify)?;
    rows.iter().map(|row| stub(backend, row, down)).collect()
}

fn statement(backend: DbBackend, query: &ScopedQuery, down: &[CellLabel], room: u64) -> Statement {
    let mut sql = Sql::new(backend);
    sql.push(
        "SELECT m.instance_uuid, m.project_id, m.user_id, m.created_at, c.uuid FROM instance_mappings m \
         JOIN cell_mappings c ON c.id = m.cell_id WHERE c.uuid IN ",
    );
    let ids = down.iter().filter_map(CellLabel::id);
    sql.bind_list(ids.map(|id| id.to_string()));
    // NULL in rows that Nova has not migrated.
    sql.push(" AND (m.queued_for_delete = ").falsehood();
    sql.push(" OR m.queued_for_delete IS NULL)");
    match query.owner() {
        Owner::Anybody => {}
        Owner::Project(project) => {
            sql.push(" AND m.project_id = ").bind(project.as_str());
        }
        Owner::User(user) => {
            sql.push(" AND m.user_id = ").bind(user.as_str());
        }
    }
    let filter = query.filter();
    if let Some(project) = &filter.project {
        sql.push(" AND m.project_id = ").bind(project.as_str());
    }
    if let Some(user) = &filter.user {
        sql.push(" AND m.user_id = ").bind(user.as_str());
    }
    if let Some(uuids) = &filter.uuids {
        sql.push(" AND m.instance_uuid IN ");
        sql.bind_list(uuids.iter().map(ToString::to_string));
    }
    sql.push(" LIMIT ").push(&room.to_string());
    sql.finish()
}

fn stub(
    backend: DbBackend,
    row: &QueryResult,
    down: &[CellLabel],
) -> Result<ServerStub, CellError> {
    let decoded = |error: DbErr| CellError::new(ErrorClass::Decode, error);
    let text = |at| row.try_get_by_index::<String>(at).map_err(decoded);
    let id: CellId = text(4)?
        .parse()
        .map_err(|error| CellError::new(ErrorClass::Decode, error))?;
    let known = down.iter().find(|label| label.id() == Some(id));
    Ok(ServerStub {
        uuid: Uuid::parse_str(&text(0)?)
            .map_err(|error| CellError::new(ErrorClass::Decode, error))?,
        project_id: text(1)?,
        user_id: row.try_get_by_index(2).map_err(decoded)?,
        created_at: created(backend, row).map_err(decoded)?,
        cell: known.cloned().unwrap_or_else(|| CellLabel::of_id(id)),
    })
}

fn created(backend: DbBackend, row: &QueryResult) -> Result<Option<PrimitiveDateTime>, DbErr> {
    if backend != DbBackend::Sqlite {
        return row.try_get_by_index(3);
    }
    let text: Option<String> = row.try_get_by_index(3)?;
    // A stub whose time makes no sense is better than none.
    Ok(text
        .and_then(|text| Stamp::parse(&text).ok())
        .and_then(Stamp::time))
}

//! The API database, read only: where cells are, and which cells hold a project's or an instance's rows.
//!
//! Rows are given as they are stored. Whether a mapping makes sense is for `CellMapping::parse` to say.

use async_trait::async_trait;
use cells::{
    CellError, CellId, CellLabel, DatabaseLocation, ErrorClass, InvalidUrl, MappingSource,
    ProjectCells, RawCellMapping, SecretText,
};
use context::{Deadline, ProjectId};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use crate::database::{CellDb, classify};
use crate::options::ConnectorOptions;

/// Nova's API database (`nova_api`). Cheap to clone; opening it waits for nothing.
#[derive(Debug, Clone)]
pub struct NovaApi {
    database: CellDb,
}

/// The API database cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NovaApiError {
    /// Its URL makes no sense.
    #[error("the API database's URL is malformed")]
    Url(#[source] InvalidUrl),
    /// This build has no driver for it.
    #[error("the API database cannot be opened")]
    Open(#[source] CellError),
}

/// Where one instance is: its row of `instance_mappings`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceMapping {
    /// The instance.
    pub instance: Uuid,
    /// The cell that has its row; none while it is not scheduled.
    pub cell: Option<CellLabel>,
    /// Whose it is.
    pub project_id: String,
    /// Who made it; rows from before Nova 19 may lack it.
    pub user_id: Option<String>,
    /// Whether it is deleted, or about to be; NULL where Nova has not migrated the row.
    pub queued_for_delete: Option<bool>,
}

impl NovaApi {
    /// The API database at this URL (`[api_database]connection`).
    ///
    /// # Errors
    /// [`NovaApiError`] for a malformed URL, with no text of it, and for one that this build has no driver for.
    pub fn open(url: &SecretText, options: &ConnectorOptions) -> Result<Self, NovaApiError> {
        let location = DatabaseLocation::from_url(url).map_err(NovaApiError::Url)?;
        Self::at(&location, options)
    }

    /// The API database at this place, which may have [options of its own](DatabaseLocation::with_parameters).
    ///
    /// # Errors
    /// [`NovaApiError`] where this build has no driver for it.
    pub fn at(
        location: &DatabaseLocation,
        options: &ConnectorOptions,
    ) -> Result<Self, NovaApiError> {
        let database = CellDb::open(location, options).map_err(NovaApiError::Open)?;
        Ok(Self { database })
    }

    /// The database itself, for other tables of it.
    #[must_use]
    pub fn database(&self) -> &CellDb {
        &self.database
    }

    /// Where an instance is; none where the API database does not know it.
    ///
    /// # Errors
    /// [`CellError`] where the row could not be read by the deadline.
    pub async fn instance_mapping(
        &self,
        instance: Uuid,
        deadline: Deadline,
    ) -> Result<Option<InstanceMapping>, CellError> {
        let query = Query::select()
            .columns([
                ("instance_mappings", "project_id"),
                ("instance_mappings", "user_id"),
                ("instance_mappings", "queued_for_delete"),
                ("cell_mappings", "uuid"),
                ("cell_mappings", "name"),
            ])
            .from("instance_mappings")
            .left_join(
                "cell_mappings",
                Expr::col(("instance_mappings", "cell_id")).equals(("cell_mappings", "id")),
            )
            .and_where(Expr::col(("instance_mappings", "instance_uuid")).eq(instance.to_string()))
            .to_owned();
        let row = self
            .database
            .read_only(deadline)
            .query_one(&query)
            .await
            .map_err(classify)?;
        row.map(|row| instance_of(instance, &row).map_err(classify))
            .transpose()
    }

    /// The cells that hold any instance of a project, deleted ones included, in the order of the mappings' ids.
    /// Instances that are not scheduled yet have no cell.
    ///
    /// # Errors
    /// [`CellError`] where the rows could not be read by the deadline.
    pub async fn cells_of_project(
        &self,
        project_id: &str,
        deadline: Deadline,
    ) -> Result<Vec<CellLabel>, CellError> {
        let of_project = Query::select()
            .column(("instance_mappings", "cell_id"))
            .from("instance_mappings")
            .and_where(Expr::col(("instance_mappings", "project_id")).eq(project_id))
            .and_where(Expr::col(("instance_mappings", "cell_id")).is_not_null())
            .to_owned();
        let query = cells(&["uuid", "name"])
            .and_where(Expr::col(("cell_mappings", "id")).in_subquery(of_project))
            .to_owned();
        let rows = self
            .database
            .read_only(deadline)
            .query_all(&query)
            .await
            .map_err(classify)?;
        rows.iter()
            .map(|row| label_of(row).map_err(classify))
            .collect()
    }

    /// The cell that a compute host belongs to; none where the host is not mapped.
    ///
    /// # Errors
    /// [`CellError`] where the row could not be read by the deadline.
    pub async fn cell_of_host(
        &self,
        host: &str,
        deadline: Deadline,
    ) -> Result<Option<CellLabel>, CellError> {
        let of_host = Query::select()
            .column(("host_mappings", "cell_id"))
            .from("host_mappings")
            .and_where(Expr::col(("host_mappings", "host")).eq(host))
            .to_owned();
        let query = cells(&["uuid", "name"])
            .and_where(Expr::col(("cell_mappings", "id")).in_subquery(of_host))
            .to_owned();
        let row = self
            .database
            .read_only(deadline)
            .query_one(&query)
            .await
            .map_err(classify)?;
        row.map(|row| label_of(&row).map_err(classify)).transpose()
    }
}

#[async_trait]
impl MappingSource for NovaApi {
    async fn load(&self, deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        let columns = [
            "uuid",
            "name",
            "database_connection",
            "transport_url",
            "disabled",
        ];
        let rows = self
            .database
            .read_only(deadline)
            .query_all(&cells(&columns))
            .await
            .map_err(classify)?;
        rows.iter()
            .map(|row| mapping_of(row).map_err(classify))
            .collect()
    }
}

#[async_trait]
impl ProjectCells for NovaApi {
    /// As [`cells_of_project`](NovaApi::cells_of_project). A cell whose row has no valid uuid cannot be left out unsaid:
    /// it is [`ErrorClass::Decode`].
    async fn cells_of(
        &self,
        project: &ProjectId,
        deadline: Deadline,
    ) -> Result<Vec<CellId>, CellError> {
        let cells = self.cells_of_project(project.as_str(), deadline).await?;
        let damaged = || {
            let what = "a cell of the project has a uuid that is none";
            CellError::new(ErrorClass::Decode, what)
        };
        cells
            .iter()
            .map(|cell| cell.id().ok_or_else(damaged))
            .collect()
    }
}

/// Every mapping, in the order in which Nova gives them. Columns are named with their table: SQLite takes a quoted name
/// that it does not know for a text otherwise, and a missing column would go unnoticed.
fn cells(columns: &[&'static str]) -> SelectStatement {
    Query::select()
        .columns(columns.iter().map(|column| ("cell_mappings", *column)))
        .from("cell_mappings")
        .order_by(("cell_mappings", "id"), Order::Asc)
        .to_owned()
}

fn mapping_of(row: &QueryResult) -> Result<RawCellMapping, DbErr> {
    let url = |column| {
        row.try_get::<Option<String>>("", column)
            .map(|url| url.map(SecretText::new))
    };
    Ok(RawCellMapping {
        uuid: row.try_get("", "uuid")?,
        name: row.try_get("", "name")?,
        database_connection: url("database_connection")?,
        transport_url: url("transport_url")?,
        disabled: row
            .try_get::<Option<bool>>("", "disabled")?
            .unwrap_or(false),
    })
}

fn instance_of(instance: Uuid, row: &QueryResult) -> Result<InstanceMapping, DbErr> {
    let uuid: Option<String> = row.try_get("", "uuid")?;
    let name: Option<String> = row.try_get("", "name")?;
    Ok(InstanceMapping {
        instance,
        cell: uuid.map(|uuid| CellLabel::of_row(&uuid, name.as_deref())),
        project_id: row.try_get("", "project_id")?,
        user_id: row.try_get("", "user_id")?,
        queued_for_delete: row.try_get("", "queued_for_delete")?,
    })
}

fn label_of(row: &QueryResult) -> Result<CellLabel, DbErr> {
    let uuid: String = row.try_get("", "uuid")?;
    let name: Option<String> = row.try_get("", "name")?;
    Ok(CellLabel::of_row(&uuid, name.as_deref()))
}

impl InstanceMapping {
    /// The id of the cell that has the instance's row; none while it is not scheduled, or where the mapping is broken.
    #[must_use]
    pub fn cell_id(&self) -> Option<CellId> {
        self.cell.as_ref().and_then(CellLabel::id)
    }
}

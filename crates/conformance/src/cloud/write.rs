//! Writing rows into SQLite files: one file, one connection, one transaction. Nothing is read back.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{Connection, QueryBuilder, Sqlite};

use super::schema;
use super::server::ServerSeed;

/// A cloud could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// The folder's path cannot be written into a URL: SQLAlchemy's URLs are text.
    #[error("the folder's path is not UTF-8 or holds a `?`, `#` or `%`")]
    Path,
    /// SQLite refused.
    #[error("a database file could not be written")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for CloudError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}

/// Rows per statement: well below SQLite's limit of 32766 parameters.
const BATCH: usize = 400;

/// Opens a file that is made on the way. Unsynced: a cloud that dies with the machine is simply made again.
pub(super) async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .synchronous(SqliteSynchronous::Off);
    SqliteConnection::connect_with(&options).await
}

/// Makes one cell's database at `path`, with these servers in it. Also how a test makes the one database that holds
/// the union of several cells.
///
/// # Errors
/// [`CloudError::Database`] where the file exists with such a table already, or a row breaks a constraint.
pub async fn write_cell(path: &Path, servers: &[ServerSeed]) -> Result<(), CloudError> {
    let mut connection = open(path).await?;
    let mut work = connection.begin().await?;
    sqlx::raw_sql(schema::CELL).execute(&mut *work).await?;
    for rows in servers.chunks(BATCH) {
        insert_servers(rows).build().execute(&mut *work).await?;
    }
    work.commit().await?;
    Ok(connection.close().await?)
}

/// Changes a database file by SQL, one or more statements: how a test breaks what the builder made. Foreign keys are not
/// enforced, so that it can break those, too.
///
/// # Errors
/// [`CloudError::Database`] where SQLite refuses.
pub async fn alter(path: &Path, sql: &str) -> Result<(), CloudError> {
    let mut connection = open(path).await?;
    sqlx::raw_sql("PRAGMA foreign_keys = OFF")
        .execute(&mut connection)
        .await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

/// Names each column once: in the statement and as the field that is bound.
macro_rules! insert {
    ($rows:expr; $first:ident $(, $column:ident)*) => {{
        let mut query = QueryBuilder::<Sqlite>::new(concat!(
            "INSERT INTO instances (uuid, ", stringify!($first) $(, ", ", stringify!($column))*, ") "
        ));
        query.push_values($rows, |mut row, seed: &ServerSeed| {
            row.push_bind(seed.uuid.to_string());
            row.push_bind(seed.$first.clone());
            $(row.push_bind(seed.$column.clone());)*
        });
        query
    }};
}

fn insert_servers(rows: &[ServerSeed]) -> QueryBuilder<Sqlite> {
    insert!(rows; id, created_at, updated_at, deleted_at, deleted, hidden, user_id, project_id, display_name,
        display_description, hostname, vm_state, task_state, power_state, host, node, availability_zone,
        instance_type_id, image_ref, kernel_id, ramdisk_id, key_name, launch_index, launched_at, terminated_at,
        locked, locked_by, root_device_name, access_ip_v4, access_ip_v6, config_drive, progress, auto_disk_config,
        memory_mb, vcpus)
}

/// One row of `cell_mappings` and what maps to it.
pub(super) struct MappedCell<'a> {
    pub(super) uuid: String,
    pub(super) name: &'a str,
    pub(super) transport_url: &'a str,
    pub(super) database_connection: &'a str,
    pub(super) servers: &'a [ServerSeed],
}

const EPOCH: &str = "2026-09-01 00:00:00.000000";

/// Makes `nova_api` at `path`: the mappings of these cells, of their servers and of their hosts.
pub(super) async fn write_api(path: &Path, cells: &[MappedCell<'_>]) -> Result<(), CloudError> {
    let mut connection = open(path).await?;
    let mut work = connection.begin().await?;
    sqlx::raw_sql(schema::API).execute(&mut *work).await?;
    for (at, cell) in (1_i64..).zip(cells) {
        sqlx::query(
            "INSERT INTO cell_mappings (id, created_at, uuid, name, transport_url, database_connection, disabled) \
             VALUES (?, ?, ?, ?, ?, ?, 0)",
        )
        .bind(at)
        .bind(EPOCH)
        .bind(&cell.uuid)
        .bind(cell.name)
        .bind(cell.transport_url)
        .bind(cell.database_connection)
        .execute(&mut *work)
        .await?;
        for rows in cell.servers.chunks(BATCH) {
            insert_mappings(at, rows)
                .build()
                .execute(&mut *work)
                .await?;
        }
        let mut hosts: Vec<&str> = cell
            .servers
            .iter()
            .filter_map(|s| s.host.as_deref())
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        for host in hosts {
            sqlx::query(
                "INSERT OR IGNORE INTO host_mappings (created_at, cell_id, host) VALUES (?, ?, ?)",
            )
            .bind(EPOCH)
            .bind(at)
            .bind(host)
            .execute(&mut *work)
            .await?;
        }
    }
    work.commit().await?;
    Ok(connection.close().await?)
}

fn insert_mappings(cell: i64, rows: &[ServerSeed]) -> QueryBuilder<Sqlite> {
    // OR IGNORE: a server that is in two cells (a move between them is under way) has one mapping.
    let mut query = QueryBuilder::new(
        "INSERT OR IGNORE INTO instance_mappings \
         (created_at, instance_uuid, cell_id, project_id, queued_for_delete, user_id) ",
    );
    query.push_values(rows, |mut row, seed| {
        row.push_bind(seed.created_at.clone())
            .push_bind(seed.uuid.to_string())
            .push_bind(cell)
            .push_bind(seed.project_id.clone().unwrap_or_default())
            .push_bind(seed.deleted != 0)
            .push_bind(seed.user_id.clone());
    });
    query
}

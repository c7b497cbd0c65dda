//! One database of a made-up cloud, in a file or on a server: its tables are made once, its rows put in as often as wanted.

use std::path::Path;

use cells::{CellId, DatabaseLocation, DatabaseServer, Engine, SecretText};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, Row};
use uuid::Uuid;

use super::schema;
use super::server::ServerSeed;
use super::sql::{Dialect, insert_servers, tuple};

/// A cloud could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// The folder's path cannot be written into a URL: SQLAlchemy's URLs are text.
    #[error("the folder's path is not UTF-8 or holds a `?`, `#` or `%`")]
    Path,
    /// A database's URL is not one.
    #[error("not the URL of a database")]
    Url,
    /// The database refused.
    #[error("a database could not be written")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for CloudError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database(source)
    }
}

/// Rows per statement.
const BATCH: usize = 400;

/// When every mapping was made.
const EPOCH: &str = "2026-09-01 00:00:00.000000";

/// One database, with one connection of its own.
#[derive(Debug)]
pub struct Store {
    link: Link,
}

#[derive(Debug)]
enum Link {
    Sqlite(Box<SqliteConnection>),
    MariaDb(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
}

/// One row of `cell_mappings` and the servers that map to it.
#[derive(Debug, Clone)]
pub struct MappedCell<'a> {
    /// Its id.
    pub id: CellId,
    /// Its name.
    pub name: &'a str,
    /// As Nova has it: a URL or a template.
    pub transport_url: &'a str,
    /// As Nova has it: a URL or a template.
    pub database_connection: &'a str,
    /// What it holds.
    pub servers: &'a [ServerSeed],
}

/// Runs the same on whichever connection there is.
macro_rules! on_any {
    ($store:expr, $connection:ident => $done:expr) => {
        match &mut $store.link {
            Link::Sqlite($connection) => $done,
            Link::MariaDb($connection) => $done,
            Link::Postgres($connection) => $done,
        }
    };
}

impl Store {
    /// Connects to the database of this URL, as Nova writes it; a SQLite file is made where there is none.
    ///
    /// # Errors
    /// [`CloudError::Url`], or [`CloudError::Database`] where nothing answers.
    pub async fn open(url: &SecretText) -> Result<Self, CloudError> {
        let link = match DatabaseLocation::from_url(url).map_err(|_| CloudError::Url)? {
            DatabaseLocation::Sqlite(file) => Link::Sqlite(Box::new(open_file(file.path()).await?)),
            DatabaseLocation::Server(server) if server.engine == Engine::MySql => {
                Link::MariaDb(Box::new(open_mariadb(&server).await?))
            }
            DatabaseLocation::Server(server) => {
                Link::Postgres(Box::new(open_postgres(&server).await?))
            }
        };
        Ok(Self { link })
    }

    /// Opens a SQLite file, which is made where there is none.
    ///
    /// # Errors
    /// [`CloudError::Database`] where it cannot be opened.
    pub async fn open_file(path: &Path) -> Result<Self, CloudError> {
        let link = Link::Sqlite(Box::new(open_file(path).await?));
        Ok(Self { link })
    }

    /// Whose SQL it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.link {
            Link::Sqlite(_) => Dialect::Sqlite,
            Link::MariaDb(_) => Dialect::MariaDb,
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Makes the tables of a cell.
    ///
    /// # Errors
    /// [`CloudError::Database`] where they are there already.
    pub async fn create_cell(&mut self) -> Result<(), CloudError> {
        self.run(&schema::cell(self.dialect())).await
    }

    /// Makes the table `instances` for the rows of several cells, whose `id`s may be the same.
    ///
    /// # Errors
    /// [`CloudError::Database`] where it is there already.
    pub async fn create_union(&mut self) -> Result<(), CloudError> {
        self.run(&schema::union(self.dialect())).await
    }

    /// Makes the tables of `nova_api`.
    ///
    /// # Errors
    /// [`CloudError::Database`] where they are there already.
    pub async fn create_api(&mut self) -> Result<(), CloudError> {
        self.run(&schema::api(self.dialect())).await
    }

    /// Puts these servers in the place of those that are there, all or nothing.
    ///
    /// # Errors
    /// [`CloudError::Database`] where a row breaks a constraint or does not fit its columns.
    pub async fn refill(&mut self, servers: &[ServerSeed]) -> Result<(), CloudError> {
        let mut sql = String::from("BEGIN; DELETE FROM instances;\n");
        for rows in servers.chunks(BATCH) {
            sql.push_str(&insert_servers(self.dialect(), rows));
            sql.push_str(";\n");
        }
        sql.push_str("COMMIT");
        self.whole(&sql).await
    }

    /// Puts these mappings, those of their servers and those of their hosts in the place of what is there. A server that
    /// is in two cells (a move between them is under way) has one mapping, to the first.
    ///
    /// # Errors
    /// [`CloudError::Database`] where two cells have one id.
    pub async fn map(&mut self, cells: &[MappedCell<'_>]) -> Result<(), CloudError> {
        let dialect = self.dialect();
        let mut sql = String::from(
            "BEGIN; DELETE FROM instance_mappings; DELETE FROM host_mappings; DELETE FROM cell_mappings;\n",
        );
        let (mut servers, mut hosts) = (Vec::new(), Vec::new());
        let mut seen = std::collections::HashSet::new();
        for (at, cell) in (1_i64..).zip(cells) {
            sql.push_str(
                "INSERT INTO cell_mappings (id, created_at, uuid, name, transport_url, database_connection, disabled) VALUES ",
            );
            let id = cell.id.to_string();
            let values: [&dyn super::sql::Literal; 7] = [
                &at,
                &EPOCH,
                &id,
                &cell.name,
                &cell.transport_url,
                &cell.database_connection,
                &false,
            ];
            tuple(dialect, &values, &mut sql);
            sql.push_str(";\n");
            for seed in cell.servers {
                if seen.insert(seed.uuid.to_string()) {
                    let mut row = String::new();
                    let project = seed.project_id.clone().unwrap_or_default();
                    let values: [&dyn super::sql::Literal; 6] = [
                        &seed.created_at,
                        &seed.uuid,
                        &at,
                        &project,
                        &(seed.deleted != 0),
                        &seed.user_id,
                    ];
                    tuple(dialect, &values, &mut row);
                    servers.push(row);
                }
                if let Some(host) = seed
                    .host
                    .as_ref()
                    .filter(|host| seen.insert((*host).clone()))
                {
                    let mut row = String::new();
                    tuple(dialect, &[&EPOCH, &at, host], &mut row);
                    hosts.push(row);
                }
            }
        }
        let tables = [
            (
                "instance_mappings (created_at, instance_uuid, cell_id, project_id, queued_for_delete, user_id)",
                servers,
            ),
            ("host_mappings (created_at, cell_id, host)", hosts),
        ];
        for (table, rows) in tables {
            for rows in rows.chunks(BATCH) {
                sql.push_str(&format!(
                    "INSERT INTO {table} VALUES {};\n",
                    rows.join(",\n")
                ));
            }
        }
        sql.push_str("COMMIT");
        self.whole(&sql).await
    }

    /// Runs one or more statements: how a test breaks what was made.
    ///
    /// # Errors
    /// [`CloudError::Database`] where the database refuses.
    pub async fn run(&mut self, sql: &str) -> Result<(), CloudError> {
        let sql = AssertSqlSafe(sql);
        on_any!(self, connection => sqlx::raw_sql(sql).execute(&mut **connection).await.map(drop)?);
        Ok(())
    }

    /// The first column of a query's rows, which must be text that is there.
    ///
    /// # Errors
    /// [`CloudError::Database`] where the database refuses, or the column is something else.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<String>, CloudError> {
        let sql = AssertSqlSafe(sql);
        Ok(on_any!(self, connection => {
            let rows = sqlx::query(sql).persistent(false).fetch_all(&mut **connection).await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?
        }))
    }

    /// The ids that a query's first column holds.
    ///
    /// # Errors
    /// As [`texts`](Self::texts).
    pub async fn uuids(&mut self, sql: &str) -> Result<Vec<Uuid>, CloudError> {
        let decode = |text: String| {
            let decoded = text
                .parse()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)));
            decoded.map_err(CloudError::Database)
        };
        self.texts(sql).await?.into_iter().map(decode).collect()
    }

    /// A transaction in one text. Where it fails, the connection is not left inside.
    async fn whole(&mut self, sql: &str) -> Result<(), CloudError> {
        let done = self.run(sql).await;
        if done.is_err() {
            // The first failure is the one to tell; SQLite may have ended the transaction by itself.
            let _also_failed = self.run("ROLLBACK").await;
        }
        done
    }

    /// Closes the connection; a file is written out by then.
    ///
    /// # Errors
    /// [`CloudError::Database`] where the other side is gone.
    pub async fn close(self) -> Result<(), CloudError> {
        match self.link {
            Link::Sqlite(connection) => connection.close().await?,
            Link::MariaDb(connection) => connection.close().await?,
            Link::Postgres(connection) => connection.close().await?,
        }
        Ok(())
    }
}

/// Unsynced: a cloud that dies with the machine is simply made again.
pub(super) async fn open_file(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // So that a test can break them, too.
        .foreign_keys(false)
        .synchronous(SqliteSynchronous::Off);
    SqliteConnection::connect_with(&options).await
}

async fn open_mariadb(server: &DatabaseServer) -> Result<MySqlConnection, sqlx::Error> {
    let mut options = MySqlConnectOptions::new()
        .host(&server.host.to_string())
        .port(server.port)
        .username(server.user.as_deref().unwrap_or_default())
        .database(&server.database)
        .pipes_as_concat(false)
        .ssl_mode(MySqlSslMode::Disabled);
    // An empty one is not the same to the driver, which would prove that it knows it.
    let password = server.password.as_ref().map(SecretText::expose);
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        options = options.password(password);
    }
    MySqlConnection::connect_with(&options).await
}

async fn open_postgres(server: &DatabaseServer) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&server.host.to_string())
        .port(server.port)
        .username(server.user.as_deref().unwrap_or_default())
        .password(server.password.as_ref().map_or("", SecretText::expose))
        .database(&server.database)
        .ssl_mode(PgSslMode::Disable);
    PgConnection::connect_with(&options).await
}

/// Makes one cell's database at `path`, with these servers in it. Also how a test makes the one database that holds
/// the union of several cells.
///
/// # Errors
/// [`CloudError::Database`] where the file exists with such a table already, or a row breaks a constraint.
pub async fn write_cell(path: &Path, servers: &[ServerSeed]) -> Result<(), CloudError> {
    let mut store = Store::open_file(path).await?;
    store.create_cell().await?;
    store.refill(servers).await?;
    store.close().await
}

/// Changes a SQLite file by SQL, one or more statements: how a test breaks what the builder made. Foreign keys are not
/// enforced, so that it can break those, too.
///
/// # Errors
/// [`CloudError::Database`] where SQLite refuses.
pub async fn alter(path: &Path, sql: &str) -> Result<(), CloudError> {
    let mut store = Store::open_file(path).await?;
    store.run(sql).await?;
    store.close().await
}

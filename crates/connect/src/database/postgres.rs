//! PostgreSQL: built field by field, limited by the server, terminated when nobody waits any more, over a second
//! connection to the very server.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cells::{CellError, DatabaseServer, ErrorClass, SecretText};
use context::Deadline;
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tokio::runtime::Handle;

use super::dial::{Dial, Door};
use super::driver::{Access, Driver, bound, pem, plain_statements};
use super::kill;
use crate::address::Addresses;

/// One database on one server.
pub(crate) struct Postgres {
    server: Arc<DatabaseServer>,
    dial: Arc<Dial>,
}

/// One connection to it.
pub(crate) struct Link {
    connection: PgConnection,
    /// Where the server is: a name may have several behind it.
    at: SocketAddr,
    /// The process that serves it, and since when: process ids come back.
    process: i32,
    started: String,
    access: Access,
    runtime: Handle,
}

impl Postgres {
    pub(crate) fn new(server: &DatabaseServer, addresses: Addresses) -> Result<Self, CellError> {
        let configuration = |what: String| CellError::new(ErrorClass::Configuration, what);
        if server.user.is_none() {
            // The driver would take the name of this process's user.
            return Err(configuration("the mapping names no user".into()));
        }
        // The driver reads these and gives no way to leave them out, so a mapping would mean what the environment says.
        let tls = &server.tls;
        for (name, matters) in [
            ("PGOPTIONS", true),
            ("PGSSLROOTCERT", tls.required && tls.ca.is_none()),
            ("PGSSLCERT", tls.required && tls.certificate.is_none()),
            ("PGSSLKEY", tls.required && tls.key.is_none()),
        ] {
            if matters && std::env::var_os(name).is_some() {
                return Err(configuration(format!("{name} is set in the environment")));
            }
        }
        Ok(Self {
            server: Arc::new(server.clone()),
            dial: Arc::new(Dial::new(server, addresses)),
        })
    }
}

/// The driver's options, made for one connection and dropped with it: they hold the password in clear.
fn options(server: &DatabaseServer, door: Door) -> Result<PgConnectOptions, sqlx::Error> {
    // Every field that the driver would otherwise take from the environment is set.
    let options = PgConnectOptions::new_without_pgpass();
    let options = match door {
        Door::Address(address) => options.host(&address),
        // The driver is told the folder and adds the file's name by itself.
        Door::Socket { name, path } => {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            options.host(&name).socket(folder)
        }
    };
    let mut options = options
        .port(server.port)
        .username(server.user.as_deref().unwrap_or_default())
        .password(server.password.as_ref().map_or("", SecretText::expose))
        .database(&server.database)
        .application_name("nova-cells")
        .ssl_mode(match server.tls.required {
            true => PgSslMode::VerifyFull,
            false => PgSslMode::Disable,
        })
        .disable_statement_logging();
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_root_cert_from_pem(pem(ca)?);
    }
    if let Some(certificate) = &server.tls.certificate {
        options = options.ssl_client_cert_from_pem(pem(certificate)?);
    }
    if let Some(key) = &server.tls.key {
        options = options.ssl_client_key_from_pem(pem(key)?);
    }
    Ok(options)
}

const WHO_AM_I: &str =
    "SELECT pid, backend_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// Ends the process that has this id and this start, and says whether there was one.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE pid = $1 AND backend_start = $2::timestamptz";

impl Driver for Postgres {
    type Link = Link;

    const BACKEND: DbBackend = DbBackend::Postgres;

    async fn connect(&self, access: Access) -> Result<Link, sqlx::Error> {
        let open = |door| async { options(&self.server, door)?.connect().await };
        let (mut connection, at) = self.dial.connect(open).await?;
        let row = connection.fetch_one(WHO_AM_I).await?;
        Ok(Link {
            connection,
            at,
            process: row.try_get("pid")?,
            started: row.try_get("started")?,
            access,
            runtime: Handle::current(),
        })
    }

    async fn still_good(&self, link: &mut Link, idle: Duration) -> bool {
        idle < super::driver::TRUSTED || link.connection.ping().await.is_ok()
    }

    async fn arm(
        &self,
        link: &mut Link,
        access: Access,
        deadline: Deadline,
    ) -> Result<(), sqlx::Error> {
        let limit = super::driver::limit(deadline).as_millis();
        let arm = match access {
            Access::ReadOnly => format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}"),
            Access::ReadWrite => format!("SET statement_timeout = {limit}"),
        };
        let arm = sqlx::raw_sql(AssertSqlSafe(arm));
        arm.execute(&mut link.connection).await.map(drop)
    }

    async fn disarm(&self, link: &mut Link) -> Result<(), sqlx::Error> {
        match link.access {
            Access::ReadOnly => link.connection.execute("ROLLBACK").await.map(drop),
            Access::ReadWrite => Ok(()),
        }
    }

    fn abandon(&self, link: Link) {
        let (server, dial, at) = (Arc::clone(&self.server), Arc::clone(&self.dial), link.at);
        let (process, started) = (link.process, link.started.clone());
        kill::in_background(&link.runtime.clone(), link, async move {
            let open = |door| async { options(&server, door)?.connect().await };
            let mut side = dial.connect_to(at, open).await?;
            // The whole process and not only its statement: a cancel that comes before the statement starts is lost.
            loop {
                let terminate = sqlx::query(TERMINATE).bind(process).bind(&started);
                if terminate.fetch_optional(&mut side).await?.is_none() {
                    return side.close().await;
                }
                tokio::time::sleep(kill::LOOK_AGAIN).await;
            }
        });
    }

    fn ended_by_budget(&self, error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(|error| error.code());
        code.as_deref() == Some(QUERY_CANCELED)
    }

    async fn probe(&self, link: &mut Link) -> Result<(), sqlx::Error> {
        link.connection.execute("SELECT 1").await.map(drop)
    }

    plain_statements!();
}

const QUERY_CANCELED: &str = "57014";

/// By SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
pub(crate) fn class_of(code: &str) -> ErrorClass {
    match code {
        QUERY_CANCELED => ErrorClass::Timeout,
        // Read-only transaction, a privilege that is lacking.
        "25006" | "42501" => ErrorClass::Forbidden,
        // Unknown database, schema, table, column.
        "3D000" | "3F000" | "42P01" | "42703" => ErrorClass::Schema,
        // Lock not available, serialisation failure, deadlock.
        "55P03" | "40001" | "40P01" => ErrorClass::Overloaded,
        _ => match code.get(..2) {
            Some("28") => ErrorClass::Authentication,
            Some("53") => ErrorClass::Overloaded,
            Some("08" | "57") => ErrorClass::Unreachable,
            _ => ErrorClass::Statement,
        },
    }
}

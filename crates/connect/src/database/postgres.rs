//! PostgreSQL: built field by field, limited by the server, terminated when nobody waits any more, over a second
//! connection to the very server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cells::{CellError, DatabaseServer, ErrorClass, SecretText};
use context::Deadline;
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tokio::runtime::Handle;

use super::dial::Door;
use super::driver::{Access, Driver, bound, columns_of, plain_statements};
use super::kill::{Ender, Reaper};
use super::reach::{Reach, Route};
use super::stream::Batches;
use super::tls_files::TlsFiles;

/// One database on one server.
pub(crate) struct Postgres {
    reaper: Reaper<Terminations, Link>,
}

/// One connection to it.
pub(crate) struct Link {
    connection: PgConnection,
    route: Route,
    /// The process that serves it, and since when: process ids come back.
    process: i32,
    started: String,
    access: Access,
    runtime: Handle,
}

impl Postgres {
    pub(crate) fn new(server: &DatabaseServer, reach: Reach) -> Result<Self, CellError> {
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
            reaper: Reaper::new(Terminations(reach)),
        })
    }

    fn reach(&self) -> &Reach {
        &self.reaper.ender().0
    }
}

async fn open(login: Arc<DatabaseServer>, door: Door) -> Result<PgConnection, sqlx::Error> {
    options(&login, door)?.connect().await
}

/// Ends connections by the processes that serve them.
struct Terminations(Reach);

/// A connection's process, and how to get to its server.
struct Victim {
    route: Route,
    process: i32,
    started: String,
}

/// Ends the processes that have these ids and these starts, and gives those that there are. The function is what the view
/// `pg_stat_activity` is made of: on a new connection the view costs ten milliseconds more, for names that nobody needs.
const TERMINATE: &str = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_get_activity(NULL) \
     JOIN unnest($1::int[], $2::text[]) AS victim (process, started) \
     ON pid = victim.process AND backend_start = victim.started::timestamptz";

impl Ender for Terminations {
    type Side = (PgConnection, Route);
    type Target = Victim;

    async fn connect(&self, victim: &Victim) -> Result<Self::Side, sqlx::Error> {
        let side = self.0.follow(&victim.route, open).await?;
        Ok((side, victim.route.clone()))
    }

    fn reaches(&self, (_, route): &Self::Side, victim: &Victim) -> bool {
        route.is_like(&victim.route)
    }

    async fn end(
        &self,
        (side, _): &mut Self::Side,
        victims: &[&Victim],
    ) -> Result<Vec<bool>, sqlx::Error> {
        let processes: Vec<i32> = victims.iter().map(|victim| victim.process).collect();
        let started: Vec<&str> = victims.iter().map(|v| v.started.as_str()).collect();
        // The whole process and not only its statement: a cancel that comes before the statement starts is lost.
        let terminate = sqlx::query(TERMINATE).bind(processes).bind(started);
        let mut alive = Vec::with_capacity(victims.len());
        for row in terminate.fetch_all(side).await? {
            alive.push(row.try_get::<i32, _>("pid")?);
        }
        let is_alive = |victim: &&Victim| alive.contains(&victim.process);
        Ok(victims.iter().map(is_alive).collect())
    }

    async fn close(&self, (side, _): Self::Side) {
        let _gone_anyway = side.close().await;
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
    let files = TlsFiles::of(&server.tls)?;
    if let Some(authorities) = files.authorities {
        options = options.ssl_root_cert_from_pem(authorities);
    }
    if let Some(certificate) = files.certificate {
        options = options.ssl_client_cert_from_pem(certificate);
    }
    if let Some(key) = files.key {
        options = options.ssl_client_key_from_pem(key);
    }
    Ok(options)
}

const WHO_AM_I: &str =
    "SELECT pid, backend_start::text AS started FROM pg_stat_get_activity(pg_backend_pid())";

impl Driver for Postgres {
    type Link = Link;

    const BACKEND: DbBackend = DbBackend::Postgres;

    async fn connect(&self, access: Access) -> Result<Link, sqlx::Error> {
        let (mut connection, route) = self.reach().connect(open).await?;
        let row = connection.fetch_one(WHO_AM_I).await?;
        Ok(Link {
            connection,
            route,
            process: row.try_get("pid")?,
            started: row.try_get("started")?,
            access,
            runtime: Handle::current(),
        })
    }

    fn known_good(&self, _link: &Link, idle: Duration) -> Option<bool> {
        (idle < super::driver::TRUSTED).then_some(true)
    }

    async fn answers(&self, link: &mut Link) -> bool {
        link.connection.ping().await.is_ok()
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
        let victim = Victim {
            route: link.route.clone(),
            process: link.process,
            started: link.started.clone(),
        };
        self.reaper.end(&link.runtime.clone(), link, victim);
    }

    fn close(&self) {
        self.reaper.close();
    }

    fn login_rolled_back(&self) -> bool {
        self.reach().rolled_back()
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

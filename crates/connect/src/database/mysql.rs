//! MariaDB and MySQL: built field by field, limited by the server, killed when nobody waits any more.
//!
//! MariaDB limits every statement (`max_statement_time`), MySQL only SELECT (`max_execution_time`); what goes beyond is
//! killed over a second connection, to the very server that runs it. MySQL gives `SLEEP` and `BENCHMARK` a result when it ends
//! them, and so do we.

use std::sync::Arc;
use std::time::Duration;

use cells::{DatabaseServer, ErrorClass, SecretText};
use context::Deadline;
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tokio::runtime::Handle;

use super::dial::Door;
use super::driver::{Access, Driver, bound, columns_of, plain_statements};
use super::kill::{Ender, Reaper};
use super::reach::{Reach, Route};
use super::stream::Batches;
use super::tls_files::TlsFiles;

/// One database on one server.
pub(crate) struct MySql {
    reaper: Reaper<Kills, Link>,
}

/// One connection to it.
pub(crate) struct Link {
    connection: MySqlConnection,
    route: Route,
    /// The server's number for it.
    id: u64,
    version: Version,
    access: Access,
    runtime: Handle,
    /// The limit that the session has. Statements that could change it cost the connection.
    limit: Option<Duration>,
}

impl MySql {
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            reaper: Reaper::new(Kills(reach)),
        }
    }

    fn reach(&self) -> &Reach {
        &self.reaper.ender().0
    }
}

/// Whose limits the server knows, by what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    MariaDb,
    MySql,
}

impl Version {
    /// MariaDB has its name in there (`10.11.6-MariaDB`, behind `5.5.5-` for old clients); MySQL has no name (`8.4.3`).
    fn of(text: &str) -> Self {
        match text.contains("MariaDB") {
            true => Self::MariaDb,
            false => Self::MySql,
        }
    }

    /// The statement that limits the ones after it.
    fn limit(self, limit: Duration) -> String {
        match self {
            // Seconds with a fraction, for every statement.
            Self::MariaDb => format!(
                "SET SESSION max_statement_time = {:.3}",
                limit.as_secs_f64()
            ),
            // Whole milliseconds, for SELECT alone.
            Self::MySql => format!("SET SESSION max_execution_time = {}", limit.as_millis()),
        }
    }
}

async fn open(login: Arc<DatabaseServer>, door: Door) -> Result<MySqlConnection, sqlx::Error> {
    let connected = options(&login, door)?.connect().await;
    connected.map_err(in_operators_words)
}

/// MySQL's usual way to log in, `caching_sha2_password`, has the server ask for the password itself now and then. Over TLS it
/// is told. Without, the driver would have to encrypt it for a key that whoever answers has sent, and that nobody can check;
/// it is built without that, and says so in words of its own making.
fn in_operators_words(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Configuration(words) if words.to_string().contains("RSA auth") => {
            let words = "the server asks for the password itself (caching_sha2_password), and is told it over TLS alone: \
                         ask for TLS in the URL, as with ssl_ca, or give the login another way to log in";
            sqlx::Error::Configuration(words.into())
        }
        other => other,
    }
}

/// Ends connections by their numbers.
struct Kills(Reach);

/// A connection's number, and how to get to its server.
struct Victim {
    route: Route,
    id: u64,
}

impl Ender for Kills {
    type Side = (MySqlConnection, Route);
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
        let mut alive = Vec::with_capacity(victims.len());
        for victim in victims {
            // The whole connection and not only its statement: a statement that has not started yet would be missed.
            let kill = format!("KILL {}", victim.id);
            alive.push(match side.execute(AssertSqlSafe(kill)).await {
                Ok(_) => true,
                Err(error) if number(&error) == Some(NO_SUCH_THREAD) => false,
                Err(error) => return Err(error),
            });
        }
        Ok(alive)
    }

    async fn close(&self, (side, _): Self::Side) {
        let _gone_anyway = side.close().await;
    }
}

/// What a server's own settings may have made of a new session: answers that end early, and a transaction that goes on from
/// statement to statement, in which nothing new is ever seen.
const SETTLED: &str = "SET SESSION sql_select_limit = 18446744073709551615, SESSION autocommit = 1";

/// The driver's options, made for one connection and dropped with it: they hold the password in clear.
fn options(server: &DatabaseServer, door: Door) -> Result<MySqlConnectOptions, sqlx::Error> {
    let options = match door {
        Door::Address(address) => MySqlConnectOptions::new().host(&address),
        Door::Socket { name, path } => MySqlConnectOptions::new().host(&name).socket(path),
    };
    let mut options = options
        .port(server.port)
        .username(server.user.as_deref().unwrap_or_default())
        .database(&server.database)
        // The server's own mode, as Nova finds it.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .ssl_mode(match server.tls.required {
            true => MySqlSslMode::VerifyIdentity,
            false => MySqlSslMode::Disabled,
        })
        .disable_statement_logging();
    // An empty one is none: the driver would prove that it knows it, and the server expects no proof.
    let password = server.password.as_ref().map(SecretText::expose);
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        options = options.password(password);
    }
    let files = TlsFiles::of(&server.tls)?;
    if let Some(authorities) = files.authorities {
        options = options.ssl_ca_from_pem(authorities);
    }
    if let Some(certificate) = files.certificate {
        options = options.ssl_client_cert_from_pem(certificate);
    }
    if let Some(key) = files.key {
        options = options.ssl_client_key_from_pem(key);
    }
    Ok(options)
}

impl Driver for MySql {
    type Link = Link;

    const BACKEND: DbBackend = DbBackend::MySql;

    async fn connect(&self, access: Access) -> Result<Link, sqlx::Error> {
        let (mut connection, route) = self.reach().connect(open).await?;
        let row = connection
            .fetch_one("SELECT CONNECTION_ID() AS id, VERSION() AS version")
            .await?;
        connection.execute(SETTLED).await?;
        if access == Access::ReadOnly {
            // Of the session and not of one transaction: a statement that changes a table ends the transaction first.
            let read_only = "SET SESSION TRANSACTION READ ONLY";
            connection.execute(read_only).await?;
        }
        Ok(Link {
            connection,
            route,
            id: row.try_get("id")?,
            version: Version::of(row.try_get("version")?),
            access,
            runtime: Handle::current(),
            limit: None,
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
        _access: Access,
        deadline: Deadline,
    ) -> Result<(), sqlx::Error> {
        let limit = super::driver::coarse_limit(deadline);
        if link.limit == Some(limit) {
            return Ok(());
        }
        let told = AssertSqlSafe(link.version.limit(limit));
        link.connection.execute(told).await?;
        link.limit = Some(limit);
        Ok(())
    }

    async fn disarm(&self, _link: &mut Link) -> Result<(), sqlx::Error> {
        // The next user sets a limit of its own, and nothing runs until then.
        Ok(())
    }

    fn abandon(&self, link: Link) {
        let victim = Victim {
            route: link.route.clone(),
            id: link.id,
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
        matches!(number(error), Some(STATEMENT_TIMEOUT | QUERY_TIMEOUT))
    }

    async fn probe(&self, link: &mut Link) -> Result<(), sqlx::Error> {
        link.connection.execute("SELECT 1").await.map(drop)
    }

    plain_statements!();
}

// Error numbers, https://mariadb.com/kb/en/mariadb-error-code-reference/
const NO_SUCH_THREAD: u16 = 1094;
const STATEMENT_TIMEOUT: u16 = 1969;
const QUERY_TIMEOUT: u16 = 3024;

fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?;
    Some(error.number())
}

pub(crate) fn class_of(number: u16) -> ErrorClass {
    match number {
        // Access denied to the server, to the database; the host may not connect.
        1044 | 1045 | 1129 | 1130 | 1698 | 1820 | 1862 | 4151 => ErrorClass::Authentication,
        // Unknown database, column, table.
        1049 | 1054 | 1146 => ErrorClass::Schema,
        // Too many connections, lock wait, deadlock, disk or table full.
        1040 | 1203 | 1226 | 1205 | 1213 | 1021 | 1114 => ErrorClass::Overloaded,
        // Read-only transaction, read-only server, a privilege that is lacking.
        1792 | 1290 | 1836 | 1142 | 1143 | 1227 | 1370 => ErrorClass::Forbidden,
        // Shutting down, connection killed.
        1053 | 1077..=1080 | 1152 | 1184 | 1927 => ErrorClass::Unreachable,
        STATEMENT_TIMEOUT | QUERY_TIMEOUT => ErrorClass::Timeout,
        // The server wants TLS.
        3159 => ErrorClass::Tls,
        _ => ErrorClass::Statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_to_ask_for_tls_is_told_so() {
        let said = sqlx::Error::Configuration("RSA auth backend disabled; enable feature".into());
        assert!(in_operators_words(said).to_string().contains("ssl_ca"));
        let other = sqlx::Error::Configuration("the file is gone".into());
        assert!(
            in_operators_words(other)
                .to_string()
                .contains("the file is gone")
        );
    }

    #[test]
    fn the_limit_is_the_one_that_the_server_knows() {
        for maria in [
            "10.11.6-MariaDB-0+deb12u1",
            "5.5.5-10.6.21-MariaDB-log",
            "11.8.2-MariaDB",
        ] {
            assert_eq!(Version::of(maria), Version::MariaDb, "{maria}");
        }
        for mysql in ["8.0.41", "8.4.3-0ubuntu0.24.04.1", "9.1.0-commercial"] {
            assert_eq!(Version::of(mysql), Version::MySql, "{mysql}");
        }
        let limit = Duration::from_micros(1_234_567);
        assert_eq!(
            Version::MariaDb.limit(limit),
            "SET SESSION max_statement_time = 1.235"
        );
        assert_eq!(
            Version::MySql.limit(limit),
            "SET SESSION max_execution_time = 1234"
        );
    }
}

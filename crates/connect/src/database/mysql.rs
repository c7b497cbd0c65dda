//! MariaDB and MySQL: built field by field, limited by the server, killed when nobody waits any more.
//!
//! MariaDB limits every statement (`max_statement_time`), MySQL only SELECT (`max_execution_time`); what goes beyond is
//! killed over a second connection, to the very server that runs it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cells::{DatabaseServer, ErrorClass, SecretText};
use context::Deadline;
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tokio::runtime::Handle;

use super::dial::{Dial, Door};
use super::driver::{Access, Driver, bound, pem, plain_statements};
use super::kill;
use crate::address::Addresses;

/// One database on one server.
pub(crate) struct MySql {
    server: Arc<DatabaseServer>,
    dial: Arc<Dial>,
}

/// One connection to it.
pub(crate) struct Link {
    connection: MySqlConnection,
    /// Where the server is: a name may have several behind it.
    at: SocketAddr,
    /// The server's number for it.
    id: u64,
    /// Whether `max_statement_time` is known there.
    mariadb: bool,
    access: Access,
    runtime: Handle,
}

impl MySql {
    pub(crate) fn new(server: &DatabaseServer, addresses: Addresses) -> Self {
        Self {
            server: Arc::new(server.clone()),
            dial: Arc::new(Dial::new(server, addresses)),
        }
    }
}

/// The driver's options, made for one connection and dropped with it: they hold the password in clear.
fn options(server: &DatabaseServer, door: Door) -> Result<MySqlConnectOptions, sqlx::Error> {
    let options = match door {
        Door::Address(address) => MySqlConnectOptions::new().host(&address),
        Door::Socket { name, path } => MySqlConnectOptions::new().host(&name).socket(path),
    };
    let mut options = options
        .port(server.port)
        .username(server.user.as_deref().unwrap_or_default())
        .password(server.password.as_ref().map_or("", SecretText::expose))
        .database(&server.database)
        // The server's own mode, as Nova finds it.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .ssl_mode(match server.tls.required {
            true => MySqlSslMode::VerifyIdentity,
            false => MySqlSslMode::Disabled,
        })
        .disable_statement_logging();
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_ca_from_pem(pem(ca)?);
    }
    if let Some(certificate) = &server.tls.certificate {
        options = options.ssl_client_cert_from_pem(pem(certificate)?);
    }
    if let Some(key) = &server.tls.key {
        options = options.ssl_client_key_from_pem(pem(key)?);
    }
    Ok(options)
}

impl Driver for MySql {
    type Link = Link;

    const BACKEND: DbBackend = DbBackend::MySql;

    async fn connect(&self, access: Access) -> Result<Link, sqlx::Error> {
        let open = |door| async { options(&self.server, door)?.connect().await };
        let (mut connection, at) = self.dial.connect(open).await?;
        let row = connection
            .fetch_one("SELECT CONNECTION_ID() AS id, VERSION() AS version")
            .await?;
        let version: String = row.try_get("version")?;
        if access == Access::ReadOnly {
            // Of the session and not of one transaction: a statement that changes a table ends the transaction first.
            let read_only = "SET SESSION TRANSACTION READ ONLY";
            connection.execute(read_only).await?;
        }
        Ok(Link {
            connection,
            at,
            id: row.try_get("id")?,
            mariadb: version.contains("MariaDB"),
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
        _access: Access,
        deadline: Deadline,
    ) -> Result<(), sqlx::Error> {
        let limit = super::driver::limit(deadline);
        let limit = match link.mariadb {
            true => format!(
                "SET SESSION max_statement_time = {:.3}",
                limit.as_secs_f64()
            ),
            false => format!("SET SESSION max_execution_time = {}", limit.as_millis()),
        };
        link.connection
            .execute(AssertSqlSafe(limit))
            .await
            .map(drop)
    }

    async fn disarm(&self, _link: &mut Link) -> Result<(), sqlx::Error> {
        // The next user sets a limit of its own, and nothing runs until then.
        Ok(())
    }

    fn abandon(&self, link: Link) {
        let (server, dial) = (Arc::clone(&self.server), Arc::clone(&self.dial));
        let (at, id) = (link.at, link.id);
        kill::in_background(&link.runtime.clone(), link, async move {
            let open = |door| async { options(&server, door)?.connect().await };
            let mut side = dial.connect_to(at, open).await?;
            // The whole connection and not only its statement: a statement that has not started yet would be missed.
            match side.execute(AssertSqlSafe(format!("KILL {id}"))).await {
                Err(error) if number(&error) == Some(NO_SUCH_THREAD) => return Ok(()),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            let gone =
                format!("SELECT COUNT(*) = 0 FROM information_schema.PROCESSLIST WHERE ID = {id}");
            loop {
                let row = side.fetch_one(AssertSqlSafe(gone.as_str())).await?;
                if row.try_get::<bool, _>(0)? {
                    return side.close().await;
                }
                tokio::time::sleep(kill::LOOK_AGAIN).await;
            }
        });
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

//! What one kind of database has to bring: the seam inside this crate that every engine fits into.
//!
//! Pools, budgets and SeaORM's traits are written once, over this. An engine is one file with one implementation.

use std::future::Future;
use std::time::Duration;

use context::Deadline;
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};

use super::failure::Failure;
use super::stream::Batches;

/// Whether a connection may write. The database enforces it, not this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}

/// One kind of database, at one place, with one login.
///
/// A link is one connection and what is needed to end what it runs. All futures may be dropped at any point; the pool
/// then gives the link to [`abandon`](Self::abandon) and never uses it again.
pub(crate) trait Driver: Send + Sync + 'static {
    type Link: Send + 'static;

    /// Whose SQL is spoken.
    const BACKEND: DbBackend;

    /// Makes a connection and logs in.
    fn connect(
        &self,
        access: Access,
    ) -> impl Future<Output = Result<Self::Link, sqlx::Error>> + Send;

    /// Whether a connection that was idle for this long can still be used, if that is known without asking it. Before each
    /// reuse, so it must be cheap.
    fn known_good(&self, link: &Self::Link, idle: Duration) -> Option<bool>;

    /// Asks a connection of which it is not known.
    fn answers(&self, link: &mut Self::Link) -> impl Future<Output = bool> + Send;

    /// Tells the database by when the next statement must end, and holds it to the access.
    fn arm(
        &self,
        link: &mut Self::Link,
        access: Access,
        deadline: Deadline,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Undoes [`arm`](Self::arm) after a statement that ended by itself.
    fn disarm(&self, link: &mut Self::Link)
    -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Ends whatever still runs on this connection, and the connection. Does not wait.
    fn abandon(&self, link: Self::Link);

    /// What a budget that ended on this connection was spent on.
    fn spent_on(&self, _link: &Self::Link) -> Failure {
        Failure::Budget
    }

    /// Whether this is the database's way of saying that the limit it was told by [`arm`](Self::arm) was reached.
    fn ended_by_budget(&self, error: &sqlx::Error) -> bool;

    /// Asks for something that only a working database answers.
    fn probe(&self, link: &mut Self::Link) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    fn execute(
        &self,
        link: &mut Self::Link,
        statement: &Statement,
    ) -> impl Future<Output = Result<ExecResult, sqlx::Error>> + Send;

    fn script(
        &self,
        link: &mut Self::Link,
        sql: &str,
    ) -> impl Future<Output = Result<ExecResult, sqlx::Error>> + Send;

    fn query_one(
        &self,
        link: &mut Self::Link,
        statement: &Statement,
    ) -> impl Future<Output = Result<Option<QueryResult>, sqlx::Error>> + Send;

    fn query_all(
        &self,
        link: &mut Self::Link,
        statement: &Statement,
    ) -> impl Future<Output = Result<Vec<QueryResult>, sqlx::Error>> + Send;

    /// The names of the columns that a statement's rows would have. It is prepared and not run.
    fn columns(
        &self,
        link: &mut Self::Link,
        sql: &str,
    ) -> impl Future<Output = Result<Vec<String>, sqlx::Error>> + Send;

    /// Gives the rows as they come, and waits where they are not taken.
    fn each(
        &self,
        link: &mut Self::Link,
        statement: &Statement,
        to: &Batches,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Keeps no connection of its own any more.
    fn close(&self) {}

    /// Whether the login is not the one that it was made with.
    fn login_rolled_back(&self) -> bool {
        false
    }
}

/// A connection that was used this recently is taken to work without asking: a server that is gone says so at once.
#[cfg(any(test, feature = "_server", feature = "_bench"))]
pub(crate) const TRUSTED: Duration = Duration::from_secs(1);

/// The limit that a server is told: a little before the deadline, so that its own word that time is up arrives in time
/// and the connection can stay. Never zero, which would mean no limit.
#[cfg(feature = "_server")]
pub(crate) fn limit(deadline: Deadline) -> Duration {
    let left = deadline.remaining();
    let margin = Duration::from_millis(10).min(left / 10);
    (left - margin).max(Duration::from_millis(1))
}

/// The same, rounded down by a sixtieth part at the most, so that a session's limit serves for many statements: telling it
/// costs as much time as asking a small question.
#[cfg(feature = "mysql")]
pub(crate) fn coarse_limit(deadline: Deadline) -> Duration {
    let millis = u64::try_from(limit(deadline).as_millis()).unwrap_or(u64::MAX);
    let step = (millis / 64).checked_ilog2().map_or(1, |power| 1 << power);
    Duration::from_millis((millis - millis % step).max(1))
}

/// The statement and its values as sqlx takes them.
macro_rules! bound {
    ($statement:expr) => {{
        let statement: &sea_orm::Statement = $statement;
        let values = statement
            .values
            .clone()
            .unwrap_or(sea_orm::Values(Vec::new()));
        sqlx::query_with(
            sqlx::AssertSqlSafe(statement.sql.as_str()),
            sea_query_sqlx::SqlxValues(values),
        )
    }};
}
pub(crate) use bound;

/// The names of a statement's columns, as this connection's database tells them.
macro_rules! columns_of {
    ($connection:expr, $sql:expr) => {{
        let sql = sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe($sql));
        let prepared = sqlx::Executor::prepare($connection, sql).await?;
        let columns = sqlx::Statement::columns(&prepared).iter();
        Ok(columns
            .map(|column| sqlx::Column::name(column).to_owned())
            .collect())
    }};
}
pub(crate) use columns_of;

/// The six ways to run a statement, for drivers whose connection takes it as it is.
#[cfg(feature = "_server")]
macro_rules! plain_statements {
    () => {
        async fn execute(
            &self,
            link: &mut Link,
            statement: &Statement,
        ) -> Result<ExecResult, sqlx::Error> {
            let done = bound!(statement).execute(&mut link.connection).await?;
            Ok(done.into())
        }

        async fn script(&self, link: &mut Link, sql: &str) -> Result<ExecResult, sqlx::Error> {
            let sql = sqlx::AssertSqlSafe(sql);
            let done = match link.access {
                // Prepared, so that it is one statement: a second one could first lift what the first one is held to.
                Access::ReadOnly => {
                    let one = sqlx::query(sql).persistent(false);
                    one.execute(&mut link.connection).await?
                }
                Access::ReadWrite => sqlx::raw_sql(sql).execute(&mut link.connection).await?,
            };
            Ok(done.into())
        }

        async fn query_one(
            &self,
            link: &mut Link,
            statement: &Statement,
        ) -> Result<Option<QueryResult>, sqlx::Error> {
            let row = bound!(statement)
                .fetch_optional(&mut link.connection)
                .await?;
            Ok(row.map(Into::into))
        }

        async fn query_all(
            &self,
            link: &mut Link,
            statement: &Statement,
        ) -> Result<Vec<QueryResult>, sqlx::Error> {
            let rows = bound!(statement).fetch_all(&mut link.connection).await?;
            Ok(rows.into_iter().map(Into::into).collect())
        }

        async fn columns(&self, link: &mut Link, sql: &str) -> Result<Vec<String>, sqlx::Error> {
            columns_of!(&mut link.connection, sql)
        }

        async fn each(
            &self,
            link: &mut Link,
            statement: &Statement,
            to: &Batches,
        ) -> Result<(), sqlx::Error> {
            let rows = bound!(statement).fetch(&mut link.connection);
            to.send_all(rows).await.1
        }
    };
}
#[cfg(feature = "_server")]
pub(crate) use plain_statements;

/// Whether a connection is the same after this statement as before: no transaction opened, no setting changed, no lock
/// taken. Anything else than one plain statement makes the connection one in doubt, which is closed and not reused.
pub(crate) fn leaves_no_trace(sql: &str) -> bool {
    let first = sql
        .trim_start()
        .split(|c: char| !c.is_ascii_alphabetic())
        .next();
    let plain = [
        "select", "with", "insert", "update", "delete", "replace", "values", "explain",
    ];
    first.is_some_and(|word| plain.iter().any(|known| word.eq_ignore_ascii_case(known)))
        && !sql.trim_end().trim_end_matches(';').contains(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "mysql")]
    #[test]
    fn a_limit_is_never_more_than_there_is_and_little_less() {
        for millis in [3, 50, 63, 64, 500, 1_999, 2_000, 59_990, 86_400_000] {
            let deadline = Deadline::after(Duration::from_millis(millis));
            let (most, told) = (limit(deadline), coarse_limit(deadline));
            assert!(
                told <= most.max(Duration::from_millis(1)),
                "{told:?} of {most:?}"
            );
            let left = most.saturating_sub(told);
            // Time goes by between the two readings.
            assert!(
                left <= most / 60 + Duration::from_millis(2),
                "{told:?} of {most:?}"
            );
        }
        let after = |millis| coarse_limit(Deadline::after(Duration::from_millis(millis)));
        assert_eq!(after(59_999), after(59_950), "a limit that serves twice");
    }

    #[test]
    fn only_one_plain_statement_leaves_no_trace() {
        for sql in [
            "SELECT 1",
            " select 1;",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "INSERT INTO t VALUES (1)",
        ] {
            assert!(leaves_no_trace(sql), "{sql}");
        }
        for sql in [
            "BEGIN",
            "SET x = 1",
            "PRAGMA query_only = 0",
            "SELECT 1; BEGIN",
            "-- x\nBEGIN",
            "",
            "ATTACH 'x' AS y",
        ] {
            assert!(!leaves_no_trace(sql), "{sql}");
        }
    }
}

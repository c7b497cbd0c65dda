//! What a session can ask of a database, whichever kind it is: pools and budgets over a driver, behind one object.

use std::sync::Arc;

use async_trait::async_trait;
use context::Deadline;
use sea_orm::{DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};

use super::driver::{Access, Driver, leaves_no_trace};
use super::pool::Pools;

#[async_trait]
pub(crate) trait Engine: Send + Sync {
    fn backend(&self) -> DbBackend;

    fn close(&self);

    async fn probe(&self, deadline: Deadline) -> Result<(), sqlx::Error>;

    async fn execute(&self, budget: Budget, statement: Statement) -> Result<ExecResult, DbErr>;

    async fn script(&self, budget: Budget, sql: &str) -> Result<ExecResult, DbErr>;

    async fn query_one(
        &self,
        budget: Budget,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr>;

    async fn query_all(
        &self,
        budget: Budget,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr>;
}

/// By when, and whether to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) deadline: Deadline,
    pub(crate) access: Access,
}

/// Checks a connection out, runs one method of the driver on it within the budget, settles.
macro_rules! run {
    ($pools:expr, $budget:expr, $sql:expr, $wrap:expr, $method:ident($argument:expr)) => {{
        let Budget { deadline, access } = $budget;
        let mut held = $pools
            .check_out(access, deadline)
            .await
            .map_err(|error| DbErr::Conn(wrapped(error)))?;
        let link = held.link().map_err(|error| DbErr::Conn(wrapped(error)))?;
        let work = $pools.driver().$method(link, $argument);
        let ran = $pools.bounded(deadline, work).await;
        held.settle(ran, leaves_no_trace($sql), deadline)
            .await
            .map_err(|error| $wrap(wrapped(error)))
    }};
}

#[async_trait]
impl<D: Driver> Engine for Pools<D> {
    fn backend(&self) -> DbBackend {
        D::BACKEND
    }

    fn close(&self) {
        Pools::close(self);
    }

    async fn probe(&self, deadline: Deadline) -> Result<(), sqlx::Error> {
        Pools::probe(self, deadline).await
    }

    async fn execute(&self, budget: Budget, statement: Statement) -> Result<ExecResult, DbErr> {
        run!(
            self,
            budget,
            &statement.sql,
            DbErr::Exec,
            execute(&statement)
        )
    }

    async fn script(&self, budget: Budget, sql: &str) -> Result<ExecResult, DbErr> {
        run!(self, budget, sql, DbErr::Exec, script(sql))
    }

    async fn query_one(
        &self,
        budget: Budget,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        run!(
            self,
            budget,
            &statement.sql,
            DbErr::Query,
            query_one(&statement)
        )
    }

    async fn query_all(
        &self,
        budget: Budget,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        run!(
            self,
            budget,
            &statement.sql,
            DbErr::Query,
            query_all(&statement)
        )
    }
}

fn wrapped(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(Arc::new(error))
}

//! What a session can ask of a database, whichever kind it is: pools and budgets over a driver, behind one object.

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use context::Deadline;
use sea_orm::{DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};

use super::driver::{Access, Driver, leaves_no_trace};
use super::holders::Holder;
use super::observer::{ConnectionWait, Observer};
use super::pool::{Pools, bounded};
use super::stream::{RowStream, channel};

#[async_trait]
pub(crate) trait Engine: Send + Sync {
    fn backend(&self) -> DbBackend;

    fn close(&self);

    fn holders(&self) -> Vec<Holder>;

    fn login_rolled_back(&self) -> bool;

    async fn probe(&self, budget: Budget) -> Result<(), sqlx::Error>;

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

    async fn columns(&self, budget: Budget, sql: &str) -> Result<Vec<String>, DbErr>;

    async fn stream(&self, budget: Budget, statement: Statement) -> Result<RowStream, DbErr>;
}

/// By when, whether to write, who asked, and who hears of it.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    pub(crate) deadline: Deadline,
    pub(crate) access: Access,
    pub(crate) asked_at: &'static Location<'static>,
    pub(crate) observer: Option<Observer>,
}

impl Budget {
    /// Of a session whose connections nobody observes.
    pub(crate) fn unobserved(
        deadline: Deadline,
        access: Access,
        asked_at: &'static Location<'static>,
    ) -> Self {
        Self {
            deadline,
            access,
            asked_at,
            observer: None,
        }
    }

    pub(super) fn tell(&self, what: ConnectionWait) {
        if let Some(observer) = &self.observer {
            observer.tell(what);
        }
    }
}

/// Checks a connection out, runs one method of the driver on it within the budget, settles.
macro_rules! run {
    ($pools:expr, $budget:expr, $sql:expr, $wrap:expr, $method:ident($argument:expr)) => {{
        let deadline = $budget.deadline;
        let mut held = $pools
            .check_out(&$budget)
            .await
            .map_err(|error| DbErr::Conn(wrapped(error)))?;
        let ran = {
            let link = held.link().map_err(|error| DbErr::Conn(wrapped(error)))?;
            let work = pin!($pools.driver().$method(link, $argument));
            bounded($pools.closed(), deadline, work).await
        };
        let instead = held.settle(&ran, leaves_no_trace($sql), deadline).await;
        ran.told(instead).map_err(|error| $wrap(wrapped(error)))
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

    fn holders(&self) -> Vec<Holder> {
        Pools::holders(self)
    }

    fn login_rolled_back(&self) -> bool {
        self.driver().login_rolled_back()
    }

    async fn probe(&self, budget: Budget) -> Result<(), sqlx::Error> {
        Pools::probe(self, &budget).await
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

    async fn columns(&self, budget: Budget, sql: &str) -> Result<Vec<String>, DbErr> {
        run!(self, budget, sql, DbErr::Query, columns(sql))
    }

    async fn stream(&self, budget: Budget, statement: Statement) -> Result<RowStream, DbErr> {
        let deadline = budget.deadline;
        let mut held = self
            .check_out(&budget)
            .await
            .map_err(|error| DbErr::Conn(wrapped(error)))?;
        let (batches, stream) = channel();
        let (common, closed) = (Arc::clone(self.common()), self.closed().clone());
        tokio::spawn(async move {
            let driver = &common.driver;
            let ran = {
                let work = pin!(async { driver.each(held.link()?, &statement, &batches).await });
                tokio::select! {
                    biased;
                    // What is still held here is ended in the database.
                    () = batches.unwanted() => return,
                    ran = bounded(&closed, deadline, work) => ran,
                }
            };
            let trace = leaves_no_trace(&statement.sql);
            let instead = held.settle(&ran, trace, deadline).await;
            let end = ran.told(instead);
            batches.finish(end.map_err(|error| DbErr::Query(wrapped(error))));
        });
        Ok(stream)
    }
}

fn wrapped(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(Arc::new(error))
}

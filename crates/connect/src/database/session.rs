//! A database together with a deadline: what SeaORM's queries run on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use cells::{CellError, ErrorClass};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, StreamTrait};

use super::classify::class_of_driver;
use super::driver::Access;
use super::engine::{Budget, Engine};
use super::failure::Failure;
use super::observer::{ConnectionWait, Observer};
use super::stream::RowStream;

/// A cell's database within one budget; give it to SeaORM as the connection (`Entity::find().all(&session)`), or for a long
/// read `Entity::find().stream(&session)`: a [`RowStream`] of bounded memory.
///
/// Each statement takes a connection from the cell's pool, connecting first where none is free, and runs by the session's
/// deadline. Statements are separate: a transaction does not span two of them, so `BEGIN` on its own has no effect on
/// later ones.
///
/// Errors are SeaORM's [`DbErr`]; [`classify`](crate::classify) gives them their class.
///
/// # Cancel safety
/// Dropping the future of a statement, or the end of the budget, ends the statement in the database too, and frees the
/// place in the pool at once. Whether a write had taken effect by then is not known.
#[derive(Clone)]
pub struct DbSession {
    engine: Arc<dyn Engine>,
    budget: Budget,
}

impl DbSession {
    pub(super) fn new(engine: Arc<dyn Engine>, budget: Budget) -> Self {
        Self { engine, budget }
    }

    /// Whether it may write.
    pub(super) fn access(&self) -> Access {
        self.budget.access
    }

    /// The columns of a statement's rows, from the database and without running it.
    pub(super) async fn columns(&self, sql: &str) -> Result<Vec<String>, DbErr> {
        self.engine.columns(self.budget.clone(), sql).await
    }

    /// The same session, with somebody who hears when a statement has to wait for a connection to be made or given back:
    /// what asks a cell says with it where its time goes.
    #[must_use]
    pub fn observed(mut self, tell: impl Fn(ConnectionWait) + Send + Sync + 'static) -> Self {
        self.budget.observer = Some(Observer::new(tell));
        self
    }

    /// Asks whether the database answers.
    ///
    /// # Errors
    /// A class that tells a database that is down ([`ErrorClass::Unreachable`], [`ErrorClass::Authentication`], …) from
    /// one that is busy ([`ErrorClass::Overloaded`]: the pool is full, or another connection holds the lock) and one that
    /// does not answer ([`ErrorClass::Timeout`]).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn ping(&self) -> Result<(), CellError> {
        let answered = self.engine.probe(self.budget.clone()).await;
        answered.map_err(|error| {
            let class = match Failure::inside(&error) {
                Some(Failure::Locked) => ErrorClass::Overloaded,
                _ => class_of_driver(&error),
            };
            CellError::new(class, error)
        })
    }

    /// By when everything on this session must be done.
    #[must_use]
    pub fn deadline(&self) -> context::Deadline {
        self.budget.deadline
    }
}

impl fmt::Debug for DbSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbSession")
            .field("backend", &self.engine.backend())
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ConnectionTrait for DbSession {
    fn get_database_backend(&self) -> DbBackend {
        self.engine.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.engine.execute(self.budget.clone(), statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.engine.script(self.budget.clone(), sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.engine.query_one(self.budget.clone(), statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.engine.query_all(self.budget.clone(), statement).await
    }
}

impl StreamTrait for DbSession {
    type Stream<'a> = RowStream;

    fn get_database_backend(&self) -> DbBackend {
        self.engine.backend()
    }

    /// Rows as they come. What keeps it from connecting fails here, what goes wrong later is the stream's last item. The budget covers the whole stream, the reader's own time too.
    fn stream_raw<'a>(
        &'a self,
        statement: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<RowStream, DbErr>> + 'a + Send>> {
        self.engine.stream(self.budget.clone(), statement)
    }
}

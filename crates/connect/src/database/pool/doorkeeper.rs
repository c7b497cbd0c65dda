//! A database that is none: what pools do by themselves, without a driver's own behaviour in between.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use context::Deadline;
use sea_orm::{DbBackend, ExecResult, QueryResult, Statement};
use tokio::sync::Semaphore;

use crate::database::driver::{Access, Driver, TRUSTED};
use crate::database::stream::Batches;

/// Lets connections in one by one, as it is told.
pub(crate) struct Doorkeeper {
    pub(super) connecting: AtomicUsize,
    pub(crate) let_in: Semaphore,
    /// How often a connection was asked whether it is still good.
    pub(super) asked: AtomicUsize,
    pub(super) silent: AtomicBool,
}

type Nothing<T> = Result<T, sqlx::Error>;

impl Driver for Doorkeeper {
    type Link = ();

    const BACKEND: DbBackend = DbBackend::Sqlite;

    async fn connect(&self, _access: Access) -> Nothing<()> {
        self.connecting.fetch_add(1, Ordering::SeqCst);
        if let Ok(permit) = self.let_in.acquire().await {
            permit.forget();
        }
        self.connecting.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    fn known_good(&self, _link: &(), idle: Duration) -> Option<bool> {
        let trusted = idle < TRUSTED && !self.silent.load(Ordering::SeqCst);
        trusted.then_some(true)
    }

    async fn answers(&self, _link: &mut ()) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.silent.load(Ordering::SeqCst) {
            true => std::future::pending().await,
            false => true,
        }
    }

    async fn arm(&self, _link: &mut (), _access: Access, _deadline: Deadline) -> Nothing<()> {
        Ok(())
    }

    async fn disarm(&self, _link: &mut ()) -> Nothing<()> {
        Ok(())
    }

    fn abandon(&self, _link: ()) {}

    fn ended_by_budget(&self, _error: &sqlx::Error) -> bool {
        false
    }

    async fn probe(&self, _link: &mut ()) -> Nothing<()> {
        Ok(())
    }

    async fn execute(&self, _link: &mut (), _statement: &Statement) -> Nothing<ExecResult> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn script(&self, _link: &mut (), _sql: &str) -> Nothing<ExecResult> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn query_one(
        &self,
        _link: &mut (),
        _statement: &Statement,
    ) -> Nothing<Option<QueryResult>> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn query_all(&self, _link: &mut (), _statement: &Statement) -> Nothing<Vec<QueryResult>> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn columns(&self, _link: &mut (), _sql: &str) -> Nothing<Vec<String>> {
        Err(sqlx::Error::WorkerCrashed)
    }

    async fn each(&self, _link: &mut (), _statement: &Statement, _to: &Batches) -> Nothing<()> {
        Err(sqlx::Error::WorkerCrashed)
    }
}

impl Doorkeeper {
    /// Lets so many in, until told otherwise.
    pub(crate) fn new(let_in: usize) -> Self {
        Self {
            connecting: AtomicUsize::new(0),
            let_in: Semaphore::new(let_in),
            asked: AtomicUsize::new(0),
            silent: AtomicBool::new(false),
        }
    }
}

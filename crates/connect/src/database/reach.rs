//! Getting through to one server: to an address that may be used, with a login that works.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use cells::DatabaseServer;

use super::dial::{Dial, Door};
use super::logins::{Logins, OfCell};
use crate::address::Addresses;

/// One server and the logins to it.
pub(crate) struct Reach {
    dial: Dial,
    logins: Logins,
}

/// How a connection got there, so that another can follow.
#[derive(Clone)]
pub(super) struct Route {
    login: Arc<DatabaseServer>,
    at: SocketAddr,
}

impl Route {
    /// Whether both lead to the same server, which has several behind its name, as the same user.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.at == other.at && Arc::ptr_eq(&self.login, &other.login)
    }
}

impl Reach {
    pub(crate) fn new(server: &DatabaseServer, addresses: Addresses, of_cell: OfCell) -> Self {
        Self {
            dial: Dial::new(server, addresses),
            logins: Logins::new(server, of_cell),
        }
    }

    pub(super) fn rolled_back(&self) -> bool {
        self.logins.rolled_back()
    }

    /// Connects by what `open` does with a login and a door.
    pub(super) async fn connect<C, F>(
        &self,
        open: impl Fn(Arc<DatabaseServer>, Door) -> F,
    ) -> Result<(C, Route), sqlx::Error>
    where
        F: Future<Output = Result<C, sqlx::Error>>,
    {
        let (dial, open) = (&self.dial, &open);
        let through = |login: Arc<DatabaseServer>| async move {
            dial.connect(|door| open(Arc::clone(&login), door)).await
        };
        let ((connection, at), login) = self.logins.connect(through).await?;
        Ok((connection, Route { login, at }))
    }

    /// Connects as a connection before did, to end that one.
    pub(super) async fn follow<C, F>(
        &self,
        route: &Route,
        open: impl Fn(Arc<DatabaseServer>, Door) -> F,
    ) -> Result<C, sqlx::Error>
    where
        F: Future<Output = Result<C, sqlx::Error>>,
    {
        let mut last = None;
        for login in self.logins.for_ending(&route.login) {
            let open = |door| open(Arc::clone(&login), door);
            match self.dial.connect_to(route.at, open).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(sqlx::Error::WorkerCrashed))
    }
}

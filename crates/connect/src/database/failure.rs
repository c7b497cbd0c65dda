//! Failures that arise here and not in a driver, in a form that travels inside SeaORM's errors and can be told apart.
//!
//! `ConnectionTrait` returns [`DbErr`], which has no room for a class. So a [`Failure`] is wrapped the way an I/O error
//! of the driver would be, and [`classify`](super::classify) takes it out again.

use std::fmt;
use std::io;
use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr};

/// What ended a statement before the database did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Every connection of the pool was in use for as long as the caller could wait.
    PoolFull,
    /// No connection was made in time.
    ConnectTimeout,
    /// The budget ended while the statement ran.
    Budget,
    /// The budget ended while another connection held the lock.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "servers say only that time is up")
    )]
    Locked,
    /// The server refused the login a moment ago, and it is not tried again yet.
    #[cfg_attr(
        not(feature = "_server"),
        expect(dead_code, reason = "files ask for no login")
    )]
    LoginRefused,
    /// The pool was closed: the cell's mapping is no longer current.
    Closed,
    /// The worker of a connection died, or a pool was misused.
    Internal,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PoolFull => "all connections of the pool are in use",
            Self::ConnectTimeout => "no connection was made in time",
            Self::Budget => "the budget ended before the statement did",
            Self::Locked => "the budget ended while another connection held the lock",
            Self::LoginRefused => "the login was refused a moment ago",
            Self::Closed => "the pool is closed",
            Self::Internal => "the connection pool failed",
        })
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for sqlx::Error {
    fn from(failure: Failure) -> Self {
        Self::Io(io::Error::other(failure))
    }
}

impl From<Failure> for DbErr {
    fn from(failure: Failure) -> Self {
        Self::Conn(RuntimeErr::SqlxError(Arc::new(failure.into())))
    }
}

impl Failure {
    /// The failure inside a driver's error, where there is one.
    pub(crate) fn inside(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(error) => error.get_ref()?.downcast_ref().copied(),
            _ => None,
        }
    }
}

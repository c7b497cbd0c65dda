//! From a driver's error to a class: who should act. The driver's words stay inside, for protected logs.

use std::io;

use cells::{CellError, ErrorClass};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

use super::failure::Failure;

/// Gives a SeaORM error its class. What the driver said becomes the detail, which neither `Display` nor `Debug` shows.
#[must_use]
pub fn classify(error: DbErr) -> CellError {
    CellError::new(class_of(&error), error)
}

fn class_of(error: &DbErr) -> ErrorClass {
    match error {
        DbErr::Conn(inner) | DbErr::Exec(inner) | DbErr::Query(inner) => match inner {
            RuntimeErr::SqlxError(error) => class_of_driver(error),
            // SeaORM's own words, used where a statement could not be built for the backend.
            _ => ErrorClass::Statement,
        },
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => ErrorClass::Overloaded,
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => ErrorClass::Internal,
        DbErr::TryIntoErr { .. } | DbErr::ConvertFromU64(_) | DbErr::Type(_) | DbErr::Json(_) => {
            ErrorClass::Decode
        }
        DbErr::AccessDenied { .. } | DbErr::RbacError(_) => ErrorClass::Forbidden,
        DbErr::MutexPoisonError => ErrorClass::Internal,
        _ => ErrorClass::Statement,
    }
}

pub(crate) fn class_of_driver(error: &sqlx::Error) -> ErrorClass {
    if let Some(failure) = Failure::inside(error) {
        return match failure {
            Failure::PoolFull => ErrorClass::Overloaded,
            Failure::ConnectTimeout | Failure::Budget | Failure::Locked => ErrorClass::Timeout,
            Failure::LoginRefused => ErrorClass::Authentication,
            // Asking again goes to the cell's new place: worth a retry.
            Failure::Closed => ErrorClass::Unreachable,
            Failure::Internal => ErrorClass::Internal,
        };
    }
    match error {
        // The drivers have no kind for it: the server wants a way to log in that they do not know (MariaDB's ed25519,
        // PostgreSQL's gss), and says nothing that would be an answer to the login.
        sqlx::Error::Protocol(words) if words.contains("authentication") => {
            ErrorClass::Authentication
        }
        sqlx::Error::Io(error) => class_of_io(error),
        sqlx::Error::Tls(_) => ErrorClass::Tls,
        sqlx::Error::Database(error) => class_of_answer(&**error),
        sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => {
            ErrorClass::Configuration
        }
        sqlx::Error::ColumnNotFound(_) => ErrorClass::Schema,
        sqlx::Error::Protocol(_)
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => ErrorClass::Decode,
        sqlx::Error::PoolTimedOut => ErrorClass::Overloaded,
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => ErrorClass::Internal,
        _ => ErrorClass::Statement,
    }
}

fn class_of_io(error: &io::Error) -> ErrorClass {
    // sqlx passes a failed handshake on as an I/O error.
    #[cfg(feature = "_server")]
    if error
        .get_ref()
        .is_some_and(|inner| inner.is::<rustls::Error>())
    {
        return ErrorClass::Tls;
    }
    #[cfg(feature = "_server")]
    if crate::address::refused(error) {
        return ErrorClass::Configuration;
    }
    match error.kind() {
        io::ErrorKind::TimedOut => ErrorClass::Timeout,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ErrorClass::Decode,
        // Refused, reset, no route, no such host, no such file: nothing answers there.
        _ => ErrorClass::Unreachable,
    }
}

/// What the database itself said.
fn class_of_answer(error: &dyn sqlx::error::DatabaseError) -> ErrorClass {
    #[cfg(feature = "sqlite")]
    if let Some(error) = error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        return super::sqlite::class_of(error);
    }
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return super::mysql::class_of(error.number());
    }
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return super::postgres::class_of(error.code());
    }
    let _ = error;
    ErrorClass::Statement
}

//! From the driver's errors to a class: who should act. Redis's words stay inside, for protected logs.

use ::redis::{ErrorKind, RedisError, ServerErrorKind};
use cells::{CellError, ErrorClass};

pub(super) fn classify(error: RedisError) -> CellError {
    CellError::new(class_of(&error), error)
}

fn class_of(error: &RedisError) -> ErrorClass {
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            ErrorClass::Authentication
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
            ErrorClass::Unreachable
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::TryAgain) => {
            ErrorClass::Overloaded
        }
        ErrorKind::Server(_) | ErrorKind::Extension => match error.code() {
            Some("WRONGPASS" | "NOAUTH") => ErrorClass::Authentication,
            Some("OOM") => ErrorClass::Overloaded,
            // Another one writes now; or the one that did sees none of its copies.
            Some("READONLY" | "NOREPLICAS") => ErrorClass::Unreachable,
            // Of a database that is not there.
            _ if error.to_string().contains("DB index") => ErrorClass::Schema,
            _ => ErrorClass::Statement,
        },
        ErrorKind::InvalidClientConfig => ErrorClass::Configuration,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => ErrorClass::Decode,
        _ if error.is_timeout() => ErrorClass::Timeout,
        _ => ErrorClass::Unreachable,
    }
}

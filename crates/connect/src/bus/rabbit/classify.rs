//! From the driver's errors to a class: who should act. The broker's words stay inside, for protected logs.

use cells::{CellError, ErrorClass};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Error, ErrorKind};

pub(super) fn classify(error: Error) -> CellError {
    let class = class_of(&error);
    CellError::new(class, error)
}

fn class_of(error: &Error) -> ErrorClass {
    match error.kind() {
        ErrorKind::ProtocolError(answer) => match answer.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => ErrorClass::Authentication,
            // To the exchange: nobody has ever served a topic on this bus.
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => ErrorClass::Unreachable,
            AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) => ErrorClass::Overloaded,
            AMQPErrorKind::Soft(_) => ErrorClass::Configuration,
            // The virtual host: it is not there, or this login may not use it.
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                match answer.get_message().as_str().contains("not found") {
                    true => ErrorClass::Schema,
                    false => ErrorClass::Authentication,
                }
            }
            AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => ErrorClass::Unreachable,
            AMQPErrorKind::Hard(AMQPHardError::RESOURCEERROR) => ErrorClass::Overloaded,
            AMQPErrorKind::Hard(AMQPHardError::FRAMEERROR | AMQPHardError::SYNTAXERROR) => {
                ErrorClass::Decode
            }
            // 541: what RabbitMQ 4.3 says of transient queues.
            AMQPErrorKind::Hard(_) => ErrorClass::Configuration,
        },
        ErrorKind::ParsingError(_)
        | ErrorKind::SerialisationError(_)
        | ErrorKind::InvalidProtocolVersion(_) => ErrorClass::Decode,
        ErrorKind::ChannelsLimitReached => ErrorClass::Overloaded,
        ErrorKind::AuthProviderError(_) | ErrorKind::NoDefaultRuntime => ErrorClass::Internal,
        _ => ErrorClass::Unreachable,
    }
}

/// Whether a declaration was refused because the thing is there already, with other properties.
pub(super) fn is_conflict(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(answer)
        if matches!(answer.kind(), AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)))
}

/// Whether the broker keeps no transient queues (RabbitMQ 4.3 and later, W-36).
pub(super) fn refuses_transient(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(answer)
        if answer.get_message().as_str().contains("transient_nonexcl_queues"))
}

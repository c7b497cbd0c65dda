//! The options in a transport URL's query, as oslo.config reads them.

use cells::Broker;
#[cfg(feature = "rabbitmq")]
use cells::{CellError, ErrorClass};

/// One option's value.
pub(in crate::bus) fn option<'b>(broker: &'b Broker, name: &str) -> Option<&'b str> {
    let mut options = broker.options.iter();
    options
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// Whether an option is on.
///
/// # Errors
/// Configuration, where it is neither on nor off.
#[cfg(feature = "rabbitmq")]
pub(in crate::bus) fn is_true(broker: &Broker, name: &str) -> Result<Option<bool>, CellError> {
    let Some(value) = option(broker, name) else {
        return Ok(None);
    };
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(Some(true)),
        "false" | "0" | "off" | "no" => Ok(Some(false)),
        _ => {
            let detail = format!("{name} is neither true nor false");
            Err(CellError::new(ErrorClass::Configuration, detail))
        }
    }
}

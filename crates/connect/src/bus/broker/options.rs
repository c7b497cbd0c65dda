//! The options of a broker that are on or off, as oslo.config reads them.

use cells::{Broker, CellError, ErrorClass};

/// Whether an option is on.
///
/// # Errors
/// Configuration, where it is neither on nor off.
pub(in crate::bus) fn is_true(broker: &Broker, name: &str) -> Result<Option<bool>, CellError> {
    let Some(value) = broker.option(name) else {
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

//! The channel on which changed mappings are announced, as the options say.

use cells::{InvalidationKey, SecretText};
use connect::RedisPush;

use crate::args::Push;
use crate::exit::CliError;

/// The channel and its key; none where the options name no channel.
pub(crate) fn channel(push: &Push) -> Result<Option<(RedisPush, InvalidationKey)>, CliError> {
    let Some(url) = &push.push else {
        return Ok(None);
    };
    let Some(path) = &push.push_key else {
        return Err(CliError::usage(
            "announcements need their key: give --push-key FILE",
        ));
    };
    let place = RedisPush::new(&SecretText::from(url.as_str()), &push.push_channel)
        .map_err(|error| CliError::usage_because(&error))?;
    let key = InvalidationKey::load(path).map_err(|error| CliError::usage_because(&error))?;
    Ok(Some((place, key)))
}

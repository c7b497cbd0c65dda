//! The login, given to the driver when it asks for it: no URL and no options of the driver's hold the password.

use cells::{BrokerHost, SecretText};
use lapin::auth::AuthProvider;
use lapin::types::{LongString, ShortString};
use zeroize::Zeroizing;

pub(super) struct Login {
    user: String,
    password: SecretText,
}

impl Login {
    /// RabbitMQ's own `guest` where the URL names nobody.
    pub(super) fn of(host: &BrokerHost) -> Self {
        let guest = || "guest".to_owned();
        Self {
            user: host.user.clone().unwrap_or_else(guest),
            password: match (&host.password, &host.user) {
                (Some(password), _) => password.clone(),
                (None, None) => SecretText::new(guest()),
                (None, Some(_)) => SecretText::new(String::new()),
            },
        }
    }
}

impl AuthProvider for Login {
    fn mechanism(&self) -> ShortString {
        "PLAIN".into()
    }

    fn auth_starter(&self) -> Result<LongString, String> {
        // RFC 4616; the driver's own copy cannot be wiped.
        let answer = Zeroizing::new(format!("\0{}\0{}", self.user, self.password.expose()));
        Ok(LongString::from(answer.as_bytes()))
    }
}

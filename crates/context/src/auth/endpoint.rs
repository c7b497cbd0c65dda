//! Endpoints that may be used, and the rule that says which: TLS, unless it cannot leave the machine or an operator
//! allowed the host by name.

use std::collections::BTreeSet;

use url::Url;

use super::error::AuthError;
use crate::catalog::{EndpointUrl, Scheme};

/// Which endpoints a token may be sent to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointPolicy {
    /// Hosts that plain `http` is allowed to, in lower case; loopback always is.
    pub plain_http_hosts: BTreeSet<String>,
    /// Whether calls must carry a service token beside the user's (`send_service_user_token`).
    pub require_service_token: bool,
}

impl EndpointPolicy {
    /// Checks one URL.
    ///
    /// # Errors
    /// [`AuthError::PlainHttp`].
    pub fn check(&self, url: &EndpointUrl) -> Result<(), AuthError> {
        let fine = url.scheme() == Scheme::Https
            || url.is_loopback()
            || self
                .plain_http_hosts
                .contains(&url.host().to_ascii_lowercase());
        if fine {
            Ok(())
        } else {
            Err(AuthError::PlainHttp)
        }
    }
}

/// An endpoint of a context's own catalog that the policy accepts. Made by [`Auth::endpoint`](crate::Auth::endpoint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: EndpointUrl,
}

impl Endpoint {
    pub(super) fn new(url: EndpointUrl) -> Self {
        Self { url }
    }

    /// The URL as the catalog gave it.
    #[must_use]
    pub fn url(&self) -> &EndpointUrl {
        &self.url
    }

    /// The parsed URL, for the client that connects.
    ///
    /// # Errors
    /// [`InvalidEndpointUrl`](crate::InvalidEndpointUrl) for the rare host that no client could use.
    pub fn to_url(&self) -> Result<Url, crate::InvalidEndpointUrl> {
        self.url.to_url()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_needs_loopback_or_an_operators_word() {
        let check = |policy: &EndpointPolicy, url: &str| {
            policy.check(&EndpointUrl::parse(url).unwrap()).is_ok()
        };
        let strict = EndpointPolicy::default();
        assert!(check(&strict, "https://image.example.org/"));
        assert!(check(&strict, "http://127.0.0.1:9292/"));
        assert!(check(&strict, "http://localhost:9292/"));
        assert!(!check(&strict, "http://localhost.example.org/"));
        assert!(!check(&strict, "http://image.internal/"));
        let lax = EndpointPolicy {
            plain_http_hosts: ["image.internal".to_owned()].into(),
            ..strict
        };
        assert!(check(&lax, "http://Image.Internal/"));
        assert!(!check(&lax, "http://other.internal/"));
    }
}

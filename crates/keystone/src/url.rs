//! Where Keystone answers: `https`, or `http` on loopback, and nothing in the URL that does not belong there.
//!
//! No discovery: version 3 is the only one there is, so its path is added where an operator left it out.

use std::fmt;

use context::{EndpointUrl, InvalidEndpointUrl, Scheme};
use url::Url;

/// Why a text is not Keystone's URL. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeystoneUrl {
    /// Not an endpoint's URL at all.
    #[error("the identity service's url is malformed")]
    Malformed(#[from] InvalidEndpointUrl),
    /// Tokens and passwords would travel in clear.
    #[error("the identity service's url is plain http to a host that is not loopback")]
    PlainHttp,
    /// A query or a fragment.
    #[error("the identity service's url has a query or a fragment")]
    Query,
}

/// A checked URL of Keystone's version 3.
#[derive(Clone, PartialEq, Eq)]
pub struct KeystoneUrl(Url);

impl KeystoneUrl {
    /// Reads `[keystone_authtoken]www_authenticate_uri` or `auth_url`, with or without `/v3` at its end.
    ///
    /// # Errors
    /// [`InvalidKeystoneUrl`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeystoneUrl> {
        let endpoint = EndpointUrl::parse(text)?;
        if endpoint.scheme() != Scheme::Https && !endpoint.is_loopback() {
            return Err(InvalidKeystoneUrl::PlainHttp);
        }
        let mut url = endpoint.to_url()?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidKeystoneUrl::Query);
        }
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/v3").unwrap_or(path);
        url.set_path(&format!("{path}/v3/auth/tokens"));
        Ok(Self(url))
    }

    /// `…/v3/auth/tokens`, the one resource this crate knows.
    pub(crate) fn tokens(&self) -> &Url {
        &self.0
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Debug for KeystoneUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeystoneUrl({}://..)", self.0.scheme())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_resource_is_found_from_every_spelling() {
        for text in [
            "https://id.example.org/identity",
            "https://id.example.org/identity/",
            "https://id.example.org/identity/v3",
            "https://id.example.org/identity/v3/",
        ] {
            let url = KeystoneUrl::parse(text).unwrap();
            assert_eq!(
                url.tokens().as_str(),
                "https://id.example.org/identity/v3/auth/tokens"
            );
        }
        let bare = KeystoneUrl::parse("http://127.0.0.1:5000").unwrap();
        assert_eq!(bare.tokens().path(), "/v3/auth/tokens");
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for fine in [
            "http://127.0.0.1:5000",
            "http://[::1]:5000/v3",
            "http://localhost/",
        ] {
            assert!(KeystoneUrl::parse(fine).is_ok(), "{fine}");
        }
        for clear in [
            "http://id.example.org/v3",
            "http://10.0.0.1/",
            "http://localhost.example.org/",
        ] {
            assert_eq!(
                KeystoneUrl::parse(clear),
                Err(InvalidKeystoneUrl::PlainHttp),
                "{clear}"
            );
        }
    }

    #[test]
    fn what_does_not_belong_in_the_url_is_refused() {
        for (text, error) in [
            (
                "https://u:p@id.example.org/",
                InvalidKeystoneUrl::Malformed(InvalidEndpointUrl::Credentials),
            ),
            (
                "ftp://id.example.org/",
                InvalidKeystoneUrl::Malformed(InvalidEndpointUrl::Scheme),
            ),
            ("https://id.example.org/v3?x=1", InvalidKeystoneUrl::Query),
            ("https://id.example.org/v3#x", InvalidKeystoneUrl::Query),
        ] {
            assert_eq!(KeystoneUrl::parse(text), Err(error));
        }
    }
}

//! URLs of services: endpoints of a catalog, Keystone's own, and what looks like a token.

use context::{AuthToken, EndpointUrl, Interface, RequestId, Scheme};
use keystone::KeystoneUrl;

use crate::text::{check_debug, check_error, text};

pub(crate) fn run(data: &[u8]) {
    let Some(text) = text(data) else { return };
    endpoint(text);
    if let Ok(url) = KeystoneUrl::parse(text) {
        assert!(
            EndpointUrl::parse(text).is_ok(),
            "Keystone's rules are the stricter ones"
        );
        check_debug(&url, text.len());
    }
    if let Ok(interface) = Interface::parse(text) {
        let written = Interface::parse(&format!("{}URL", interface.as_str()));
        assert_eq!(
            written,
            Ok(interface),
            "`public` and `publicURL` are one interface"
        );
    }
    if let Some(id) = RequestId::parse_openstack(text) {
        assert_eq!(id.as_str(), text);
        assert!(RequestId::parse(text).is_ok());
    }
    match AuthToken::parse(text.to_owned()) {
        Ok(token) => {
            assert!(
                (32..=8192).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
            );
            let shown = format!("{token:?}");
            assert!(!shown.contains(text), "a token shows itself");
            let again = AuthToken::parse(text.to_owned()).map(|token| token.fingerprint());
            assert!(again.is_ok_and(|again| again == token.fingerprint()));
        }
        Err(error) => check_error(&error, 0),
    }
}

fn endpoint(text: &str) {
    let url = match EndpointUrl::parse(text) {
        Ok(url) => url,
        Err(error) => return check_error(&error, 0),
    };
    assert_eq!(url.as_str(), text, "kept as it was given");
    assert!(!url.host().is_empty() && text.contains(url.host()));
    let Ok(parsed) = url.to_url() else { return };
    assert!(parsed.username().is_empty() && parsed.password().is_none());
    let scheme = match url.scheme() {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    assert_eq!(parsed.scheme(), scheme);
    if url.is_loopback() {
        let host = parsed.host_str().unwrap_or_default();
        assert!(
            host == "localhost" || host == "[::1]" || host.starts_with("127."),
            "plain http would go to {host}"
        );
    }
    // What the library makes of it is the same place by our own reading.
    if let Ok(again) = EndpointUrl::parse(parsed.as_str()) {
        assert_eq!(again.scheme(), url.scheme());
        assert_eq!(
            again.is_loopback(),
            url.is_loopback() || parsed.host_str() != Some(url.host()) && again.is_loopback()
        );
    }
}

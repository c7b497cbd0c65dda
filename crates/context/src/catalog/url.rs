//! Endpoint URLs: `http` or `https`, a host, perhaps a port and path; no user, no password, no surprises.
//!
//! The check is a strict subset of RFC 3986, done in one pass over the bytes, because a catalog has hundreds of them
//! and every request brings it again. A full [`url::Url`] is made only for the endpoint that is used.

use std::fmt;
use std::ops::Range;

use url::Url;

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

/// The longest URL a catalog may hold, in bytes.
const MAX_BYTES: usize = 2048;

/// Bytes that no URL has unescaped: all but visible ASCII, and a few of that.
const MUST_ESCAPE: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'`');
        byte += 1;
    }
    table
};

/// Why a text is not an endpoint's URL. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpointUrl {
    /// Over 2048 bytes.
    #[error("url is longer than 2048 bytes")]
    TooLong,
    /// Neither `http://` nor `https://`.
    #[error("url scheme is neither http nor https")]
    Scheme,
    /// A byte that is no visible ASCII character, or one that no URL has unescaped.
    #[error("url has a character that must be escaped at byte {at}")]
    Character {
        /// Offset of the first such byte.
        at: usize,
    },
    /// A user or password in the URL: credentials have no place in a catalog.
    #[error("url carries a user or password")]
    Credentials,
    /// Not a host name and not an address.
    #[error("url host is missing or malformed")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("url port is not a number from 1 to 65535")]
    Port,
}

/// A checked endpoint URL, kept as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    text: Box<str>,
    host: Range<u16>,
    scheme: Scheme,
}

impl EndpointUrl {
    /// Checks and keeps the text.
    ///
    /// # Errors
    /// [`InvalidEndpointUrl`] says what is wrong without repeating the text.
    pub fn parse(text: impl Into<Box<str>>) -> Result<Self, InvalidEndpointUrl> {
        let text = text.into();
        if text.len() > MAX_BYTES {
            return Err(InvalidEndpointUrl::TooLong);
        }
        if let Some(at) = text.bytes().position(|b| MUST_ESCAPE[usize::from(b)]) {
            return Err(InvalidEndpointUrl::Character { at });
        }
        let (scheme, start) = match text.as_bytes() {
            [
                b'h' | b'H',
                b't' | b'T',
                b't' | b'T',
                b'p' | b'P',
                b':',
                b'/',
                b'/',
                ..,
            ] => (Scheme::Http, 7),
            [
                b'h' | b'H',
                b't' | b'T',
                b't' | b'T',
                b'p' | b'P',
                b's' | b'S',
                b':',
                b'/',
                b'/',
                ..,
            ] => (Scheme::Https, 8),
            _ => return Err(InvalidEndpointUrl::Scheme),
        };
        let rest = &text[start..];
        let end = rest.bytes().position(|b| matches!(b, b'/' | b'?' | b'#'));
        let authority = &rest[..end.unwrap_or(rest.len())];
        if authority.contains('@') {
            return Err(InvalidEndpointUrl::Credentials);
        }
        let host_bytes = host_length(authority)?;
        check_port(&authority[host_bytes..])?;
        let index = |at: usize| u16::try_from(at).map_err(|_| InvalidEndpointUrl::TooLong);
        let host = index(start)?..index(start + host_bytes)?;
        Ok(Self { text, host, scheme })
    }

    /// The text as the catalog gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Clear text or TLS.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host's name or address; IPv6 with its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.text[usize::from(self.host.start)..usize::from(self.host.end)]
    }

    /// Whether it can only reach this machine: `localhost`, `127.0.0.0/8`, `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        host.eq_ignore_ascii_case("localhost")
            || v6
                .and_then(|h| h.parse::<std::net::Ipv6Addr>().ok())
                .is_some_and(|a| a.is_loopback())
            || host
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|a| a.is_loopback())
    }

    /// The parsed URL, for the client that connects.
    ///
    /// # Errors
    /// [`InvalidEndpointUrl::Host`] for the rare host that passes here and not there (an out-of-range IPv4 number).
    pub fn to_url(&self) -> Result<Url, InvalidEndpointUrl> {
        Url::parse(&self.text).map_err(|_| InvalidEndpointUrl::Host)
    }
}

/// How many bytes of the authority are the host.
fn host_length(authority: &str) -> Result<usize, InvalidEndpointUrl> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or(InvalidEndpointUrl::Host)?;
        return match authority[1..end].parse::<std::net::Ipv6Addr>() {
            Ok(_) => Ok(end + 1),
            Err(_) => Err(InvalidEndpointUrl::Host),
        };
    }
    let bytes = authority
        .bytes()
        .position(|b| b == b':')
        .unwrap_or(authority.len());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if bytes == 0 || bytes > 253 || !authority.bytes().take(bytes).all(plain) {
        return Err(InvalidEndpointUrl::Host);
    }
    Ok(bytes)
}

fn check_port(after_host: &str) -> Result<(), InvalidEndpointUrl> {
    match after_host.strip_prefix(':') {
        None if after_host.is_empty() => Ok(()),
        None => Err(InvalidEndpointUrl::Host),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse::<u16>() {
            Ok(1..) => Ok(()),
            _ => Err(InvalidEndpointUrl::Port),
        },
        Some(_) => Err(InvalidEndpointUrl::Port),
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Paths carry project ids and queries carry anything; the host is what a reader of logs needs.
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "EndpointUrl({scheme}://{}/..)", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_endpoints_are_taken_apart() {
        let url = EndpointUrl::parse("https://image.example.org:9292/v2?x=1").unwrap();
        assert_eq!(
            (url.scheme(), url.host()),
            (Scheme::Https, "image.example.org")
        );
        let url = EndpointUrl::parse("http://[::1]:5000").unwrap();
        assert!(url.is_loopback() && url.to_url().is_ok());
        assert!(
            !EndpointUrl::parse("http://127.evil.example")
                .unwrap()
                .is_loopback()
        );
    }

    #[test]
    fn each_kind_of_bad_url_has_its_own_problem() {
        use InvalidEndpointUrl as E;
        for (text, problem) in [
            ("ftp://h/", E::Scheme),
            ("https:/h", E::Scheme),
            ("http://", E::Host),
            ("http:///v2", E::Host),
            ("http://u:p@h/", E::Credentials),
            ("http://h:0/", E::Port),
            ("http://h:65536/", E::Port),
            ("http://h:+1/", E::Port),
            ("http://h:/", E::Port),
            ("http://[::1/", E::Host),
            ("http://[::1]x/", E::Host),
            ("http://a%2eb/", E::Host),
            ("http://h/a b", E::Character { at: 10 }),
            ("http://h\\@evil/", E::Character { at: 8 }),
        ] {
            assert_eq!(EndpointUrl::parse(text).unwrap_err(), problem, "{text}");
        }
        let long = format!("http://h/{}", "x".repeat(2048));
        assert_eq!(EndpointUrl::parse(long).unwrap_err(), E::TooLong);
    }

    #[test]
    fn debug_keeps_path_and_query_to_itself() {
        let url = EndpointUrl::parse("https://h.example/v3/abc001?key=canary").unwrap();
        assert_eq!(format!("{url:?}"), "EndpointUrl(https://h.example/..)");
    }
}

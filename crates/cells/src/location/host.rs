//! One host of a URL: a name or an address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::problem::ProblemKind;

/// A host name (lower-case) or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name that a resolver turns into addresses.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host; IPv6 addresses come in brackets.
    pub(super) fn parse(text: &str) -> Result<Self, ProblemKind> {
        if text.is_empty() {
            return Err(ProblemKind::NoHost);
        }
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']').ok_or(ProblemKind::BadHost)?;
            return inside
                .parse::<Ipv6Addr>()
                .map(|address| Self::Address(address.into()))
                .map_err(|_| ProblemKind::BadHost);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return match address {
                IpAddr::V4(_) => Ok(Self::Address(address)),
                IpAddr::V6(_) => Err(ProblemKind::BadHost),
            };
        }
        let plain = text.len() <= 253
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            && !text.starts_with(['-', '.']);
        if plain {
            Ok(Self::Name(text.to_ascii_lowercase()))
        } else {
            Err(ProblemKind::BadHost)
        }
    }
}

impl fmt::Display for Host {
    /// As it stands in a URL: IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A port of a URL; `None` where the text is empty, so that the scheme's default applies.
pub(super) fn parse_port(text: &str) -> Result<Option<u16>, ProblemKind> {
    if text.is_empty() {
        return Ok(None);
    }
    // `u16::from_str` takes a leading plus.
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ProblemKind::BadPort);
    }
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(ProblemKind::BadPort),
    }
}

/// Splits `host:port` or `[v6]:port` into its two texts.
pub(super) fn split_port(text: &str) -> (&str, &str) {
    let host_end = if text.starts_with('[') {
        text.find(']').map_or(text.len(), |at| at + 1)
    } else {
        0
    };
    match text[host_end..].find(':') {
        Some(at) => (&text[..host_end + at], &text[host_end + at + 1..]),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_and_printed_as_in_a_url() {
        for (text, shown) in [
            ("DB1.Example.org", "db1.example.org"),
            ("10.0.0.7", "10.0.0.7"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(Host::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["a b", "x@y", "::1", "[::1", "[db1]", "-f", "a/b", "é"] {
            assert_eq!(Host::parse(text), Err(ProblemKind::BadHost), "{text}");
        }
        assert_eq!(Host::parse(""), Err(ProblemKind::NoHost));
    }

    #[test]
    fn ports_are_numbers_from_1_to_65535() {
        assert_eq!(parse_port("5672"), Ok(Some(5672)));
        assert_eq!(parse_port(""), Ok(None));
        for text in ["0", "65536", "99999", "+5", "x"] {
            assert_eq!(parse_port(text), Err(ProblemKind::BadPort), "{text}");
        }
    }
}

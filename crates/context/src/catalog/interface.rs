//! Interface names: `public`, `internal`, `admin`, and what else a v2 catalog may carry in front of `URL`.
//!
//! Case matters, as it does for keystoneauth (1.10): `Public` is another interface than `public`.

use std::fmt;
use std::sync::Arc;

/// Which network an endpoint is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interface {
    /// For users.
    Public,
    /// For services of the cloud.
    Internal,
    /// For administrators.
    Admin,
    /// Any other name that a catalog uses; letters, digits, `-` and `_`.
    Other(Arc<str>),
}

/// A text is no interface name: empty, over 64 bytes, with characters other than letters, digits, `-`, `_`, or with `URL`
/// still at its end once that was taken off: it would be another interface each time it is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "interface name is not 1 to 64 letters, digits, `-` or `_`, with `URL` behind it once at the most"
)]
pub struct InvalidInterface;

impl Interface {
    /// Reads a name with or without the `URL` that v2 catalogs append: `public` and `publicURL` are one interface.
    ///
    /// # Errors
    /// [`InvalidInterface`] where the text cannot be one.
    pub fn parse(text: &str) -> Result<Self, InvalidInterface> {
        match text.strip_suffix("URL").unwrap_or(text) {
            "public" => Ok(Self::Public),
            "internal" => Ok(Self::Internal),
            "admin" => Ok(Self::Admin),
            other => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                let fits = (1..=64).contains(&other.len()) && other.bytes().all(plain);
                if !fits || other.ends_with("URL") {
                    return Err(InvalidInterface);
                }
                Ok(Self::Other(other.into()))
            }
        }
    }

    /// The bare name, without `URL`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_interface_and_case_matters() {
        assert_eq!(Interface::parse("publicURL"), Ok(Interface::Public));
        assert_eq!(Interface::parse("admin"), Ok(Interface::Admin));
        assert_ne!(Interface::parse("Public"), Ok(Interface::Public));
    }

    #[test]
    fn names_that_could_break_a_log_line_or_a_key_are_refused() {
        for text in [
            "",
            "URL",
            "publicURLURL",
            "pub lic",
            "päblic",
            &"x".repeat(65),
        ] {
            assert_eq!(Interface::parse(text), Err(InvalidInterface));
        }
    }
}

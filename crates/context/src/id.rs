//! Typed ids: a project's id cannot be passed where a user's is meant.
//!
//! Keystone's ids are opaque text: 32 hex digits as a rule, 64 for mapped LDAP users, the literal `default` for the
//! first domain. So nothing about their inside is checked but what would be an attack or a mistake: empty,
//! over-long, or carrying control characters and spaces. This file knows no Keystone and looks nothing up.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// Nova's columns for ids are `varchar(255)`.
const MAX_CHARS: usize = 255;

/// Why a text is not an id. The text itself is not repeated: it may have come from an attacker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// An empty text names nobody.
    #[error("{kind} is empty")]
    Empty {
        /// Which id was being read, in words (`user id`).
        kind: &'static str,
    },
    /// Longer than the 255 characters that Nova's tables hold.
    #[error("{kind} has more than 255 characters")]
    TooLong {
        /// Which id was being read.
        kind: &'static str,
    },
    /// A control character or white space, which no id has and log lines must not be given.
    #[error("{kind} has a space or control character at byte {at}")]
    Character {
        /// Which id was being read.
        kind: &'static str,
        /// Byte offset of the first such character.
        at: usize,
    },
}

fn check(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty { kind });
    }
    if text.chars().count() > MAX_CHARS {
        return Err(InvalidId::TooLong { kind });
    }
    match text
        .char_indices()
        .find(|(_, c)| c.is_control() || c.is_whitespace())
    {
        Some((at, _)) => Err(InvalidId::Character { kind, at }),
        None => Ok(()),
    }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and keeps the text.
            ///
            /// # Errors
            /// [`InvalidId`] where the text is empty, over 255 characters, or has spaces or control characters.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check($kind, text)?;
                Ok(Self(text.into()))
            }

            /// The text as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

typed_id!(
    /// A Keystone user's id.
    UserId,
    "user id"
);
typed_id!(
    /// A Keystone project's id: the tenant whose servers are asked for.
    ProjectId,
    "project id"
);
typed_id!(
    /// A Keystone domain's id.
    DomainId,
    "domain id"
);
typed_id!(
    /// Identifies one request in every log line it causes: `req-<uuid4>` when made here.
    RequestId,
    "request id"
);

impl RequestId {
    /// A fresh `req-<uuid4>`.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("req-{}", Uuid::new_v4()).into())
    }

    /// Takes over a caller's id only if it has the exact form `req-<uuid>` in lower case, as oslo.middleware does
    /// (8.2): it goes into every log line.
    #[must_use]
    pub fn parse_openstack(text: &str) -> Option<Self> {
        let id = text.strip_prefix("req-")?;
        let lower = id
            .bytes()
            .all(|b| b == b'-' || matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let uuid = id.len() == 36 && lower && Uuid::try_parse(id).is_ok();
        uuid.then(|| Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_as_given() {
        assert_eq!(ProjectId::parse("default").unwrap().as_str(), "default");
    }

    #[test]
    fn empty_over_long_and_spaced_ids_are_refused_by_name() {
        assert_eq!(UserId::parse(""), Err(InvalidId::Empty { kind: "user id" }));
        assert_eq!(
            UserId::parse(&"x".repeat(256)),
            Err(InvalidId::TooLong { kind: "user id" })
        );
        assert_eq!(
            DomainId::parse("a\nb"),
            Err(InvalidId::Character {
                kind: "domain id",
                at: 1
            })
        );
    }

    #[test]
    fn a_callers_request_id_is_taken_over_only_in_the_exact_form() {
        let good = "req-0af1b2c3-0000-4000-8000-0123456789ab";
        assert!(RequestId::parse_openstack(good).is_some());
        for bad in [
            &good.to_uppercase(),
            &good[4..],
            &good[..39],
            "req-",
            &format!("{good}0"),
        ] {
            assert_eq!(RequestId::parse_openstack(bad), None, "{bad}");
        }
    }

    #[test]
    fn fresh_request_ids_differ_and_have_novas_form() {
        let (a, b) = (RequestId::random(), RequestId::random());
        assert_ne!(a, b);
        assert!(a.as_str().starts_with("req-") && a.as_str().len() == 40);
    }
}

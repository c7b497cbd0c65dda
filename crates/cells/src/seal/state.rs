//! What a seal says about one cell.

use std::fmt;

/// The state of one cell's seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SealState {
    /// The mapping is the one that was sealed.
    Valid,
    /// Sealed, and gone from the source.
    Missing,
    /// The mapping differs from what was sealed, or the manifest's own signature or form is wrong.
    Invalid,
    /// The manifest's time is over.
    Expired,
    /// A manifest with a higher serial was seen before, or another one with the same.
    RolledBack,
    /// The manifest was signed by a key that is not trusted, not any more, or revoked.
    UnknownKey,
    /// In the source and not in the manifest, or there is no manifest.
    NotSealed,
}

impl SealState {
    /// The name in reports and JSON documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::RolledBack => "rolled-back",
            Self::UnknownKey => "unknown-key",
            Self::NotSealed => "not-sealed",
        }
    }
}

impl fmt::Display for SealState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

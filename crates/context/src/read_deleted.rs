//! Whether soft-deleted rows are wanted: Nova's `read_deleted`, which is `no`, `yes` or `only` (nova-facts 1.1).

use std::fmt;
use std::str::FromStr;

/// Whether soft-deleted rows are part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReadDeleted {
    /// Living rows alone.
    #[default]
    No,
    /// Living and deleted rows.
    Yes,
    /// Deleted rows alone.
    Only,
}

/// A text that is none of `no`, `yes` and `only`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read_deleted is one of `no`, `yes` and `only`")]
pub struct UnknownReadDeleted;

impl ReadDeleted {
    /// The text that Nova uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Only => "only",
        }
    }
}

impl FromStr for ReadDeleted {
    type Err = UnknownReadDeleted;

    fn from_str(text: &str) -> Result<Self, UnknownReadDeleted> {
        match text {
            "no" => Ok(Self::No),
            "yes" => Ok(Self::Yes),
            "only" => Ok(Self::Only),
            _ => Err(UnknownReadDeleted),
        }
    }
}

impl fmt::Display for ReadDeleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_its_text_and_nothing_else_is_one() {
        for value in [ReadDeleted::No, ReadDeleted::Yes, ReadDeleted::Only] {
            assert_eq!(value.as_str().parse(), Ok(value));
        }
        assert_eq!("True".parse::<ReadDeleted>(), Err(UnknownReadDeleted));
    }
}

//! One value of a sort key, and how two compare: as the databases compare them, NULLs smallest.

use std::cmp::Ordering;

use super::stamp::Stamp;

/// What a row holds in a sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SortValue {
    Null,
    Bool(bool),
    Int(i64),
    Time(Stamp),
    /// Text that compares by its bytes.
    Text(String),
    /// Text that compares by the weight the database gave it under its column's collation. Equal weights are equal
    /// texts to that database, whatever their spelling.
    Weighed {
        text: String,
        weight: Weight,
    },
}

/// What a text weighs under a collation, for which shorter texts may be filled up with spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Without the spaces at its end where those weigh nothing.
    bytes: Vec<u8>,
    /// What shorter texts are filled up with; empty: nothing.
    pad: Vec<u8>,
}

impl Weight {
    pub(crate) fn new(mut bytes: Vec<u8>, pad: &[u8]) -> Self {
        while !pad.is_empty() && bytes.ends_with(pad) {
            bytes.truncate(bytes.len() - pad.len());
        }
        Self {
            bytes,
            pad: pad.to_vec(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn pad(&self) -> &[u8] {
        &self.pad
    }
}

impl Ord for Weight {
    fn cmp(&self, other: &Self) -> Ordering {
        let shared = self.bytes.len().min(other.bytes.len());
        let ((head, rest), (other_head, other_rest)) =
            (self.bytes.split_at(shared), other.bytes.split_at(shared));
        let filled = |rest: &[u8], pad: &[u8]| match pad.is_empty() {
            true => rest.len().cmp(&0),
            false => rest.iter().cmp(pad.iter().cycle().take(rest.len())),
        };
        head.cmp(other_head)
            .then_with(|| filled(rest, &self.pad))
            .then_with(|| filled(other_rest, &other.pad).reverse())
    }
}

impl PartialOrd for Weight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl SortValue {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Time(_) => 3,
            Self::Text(_) | Self::Weighed { .. } => 4,
        }
    }
}

impl Ord for SortValue {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Weighed { weight: a, .. }, Self::Weighed { weight: b, .. }) => a.cmp(b),
            (
                Self::Text(a) | Self::Weighed { text: a, .. },
                Self::Text(b) | Self::Weighed { text: b, .. },
            ) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for SortValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_below_everything() {
        for value in [
            SortValue::Bool(false),
            SortValue::Int(i64::MIN),
            SortValue::Text(String::new()),
        ] {
            assert!(SortValue::Null < value);
        }
    }

    #[test]
    fn weighed_texts_compare_by_weight_alone() {
        let weighed = |text: &str, weight: &[u8]| SortValue::Weighed {
            text: text.into(),
            weight: Weight::new(weight.into(), &[]),
        };
        assert_eq!(
            weighed("web", b"WEB").cmp(&weighed("Web", b"WEB")),
            Ordering::Equal
        );
        assert!(weighed("a", b"B") > weighed("z", b"A"));
    }

    #[test]
    fn spaces_at_the_end_weigh_nothing_where_the_collation_fills_up_with_them() {
        let padded = |weight: &[u8]| Weight::new(weight.to_vec(), b" ");
        assert_eq!(padded(b"WEB  "), padded(b"WEB"));
        assert!(padded(b"WEB\t") < padded(b"WEB"));
        assert!(padded(b"WEB") < padded(b"WEB!"));
        assert!(padded(b"") > padded(b"\x01"));
        let plain = |weight: &[u8]| Weight::new(weight.to_vec(), b"");
        assert!(plain(b"WEB") < plain(b"WEB\t") && plain(b"WEB\t") < plain(b"WEB "));
    }

    #[test]
    fn plain_texts_compare_as_sqlite_compares_them() {
        let mut texts = ["Ünit", "web", "WEB", "Web", "", "😀"].map(|t| SortValue::Text(t.into()));
        texts.sort();
        let expected = ["", "WEB", "Web", "web", "Ünit", "😀"].map(|t| SortValue::Text(t.into()));
        assert_eq!(texts, expected);
    }
}

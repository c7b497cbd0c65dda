//! The order of a list: its keys, what a row holds in them, and how two rows compare.

mod sort_key;
mod stamp;
mod value;

use std::cmp::{Ordering, Reverse};

pub use sort_key::{Direction, InvalidSort, SortBy, SortKey};
pub use stamp::{InvalidStamp, Stamp};

pub(crate) use sort_key::Kind;
pub(crate) use value::{SortValue, Weight};

/// A total order: the keys asked for, then `uuid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortOrder(Vec<SortBy>);

impl SortOrder {
    /// Nova's rules (nova-facts 4.2): nothing asked for means newest first (`created_at`, `id`, both descending), and
    /// `uuid` ascending is appended where it is missing. A key that is named again changes nothing and is dropped.
    pub(crate) fn of(asked: &[SortBy]) -> Self {
        let newest = [SortKey::CreatedAt, SortKey::Id].map(|key| SortBy {
            key,
            direction: Direction::Desc,
        });
        let asked = if asked.is_empty() { &newest } else { asked };
        let last = SortBy {
            key: SortKey::Uuid,
            direction: Direction::Asc,
        };
        let mut keys: Vec<SortBy> = Vec::with_capacity(asked.len() + 1);
        for by in asked.iter().chain([&last]) {
            if keys.iter().all(|held| held.key != by.key) {
                keys.push(*by);
            }
        }
        Self(keys)
    }

    pub(crate) fn keys(&self) -> &[SortBy] {
        &self.0
    }

    /// The position of a row, in a form that compares by itself.
    pub(crate) fn rank(&self, values: Vec<SortValue>) -> Rank {
        let directed = |(by, value): (&SortBy, SortValue)| match by.direction {
            Direction::Asc => Directed::Asc(value),
            Direction::Desc => Directed::Desc(Reverse(value)),
        };
        Rank(self.0.iter().zip(values).map(directed).collect())
    }
}

/// Where a row stands in the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(Vec<Directed>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Directed {
    Asc(SortValue),
    Desc(Reverse<SortValue>),
}

impl Rank {
    /// The values it was made of.
    pub(crate) fn values(&self) -> Vec<SortValue> {
        let undirected = |directed: &Directed| match directed {
            Directed::Asc(value) | Directed::Desc(Reverse(value)) => value.clone(),
        };
        self.0.iter().map(undirected).collect()
    }
}

impl Ord for Directed {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Asc(a), Self::Asc(b)) => a.cmp(b),
            (Self::Desc(a), Self::Desc(b)) => a.cmp(b),
            // Two rows of one list have the same directions.
            (Self::Asc(_), Self::Desc(_)) => Ordering::Less,
            (Self::Desc(_), Self::Asc(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Directed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(keys: &[&str]) -> Vec<String> {
        let asked: Vec<SortBy> = keys.iter().map(|key| key.parse().unwrap()).collect();
        SortOrder::of(&asked)
            .keys()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn nothing_asked_for_is_newest_first_and_uuid_is_always_there() {
        assert_eq!(order(&[]), ["created_at:desc", "id:desc", "uuid:asc"]);
        assert_eq!(order(&["host"]), ["host:asc", "uuid:asc"]);
        assert_eq!(order(&["uuid:desc", "host"]), ["uuid:desc", "host:asc"]);
        assert_eq!(order(&["host:desc", "host:asc"]), ["host:desc", "uuid:asc"]);
    }

    #[test]
    fn nulls_come_first_when_ascending_and_last_when_descending() {
        for (direction, nulls_first) in [("asc", true), ("desc", false)] {
            let order = SortOrder::of(&[format!("host:{direction}").parse().unwrap()]);
            let rank = |host| order.rank(vec![host, SortValue::Text("u".into())]);
            let (null, value) = (rank(SortValue::Null), rank(SortValue::Text("h".into())));
            assert_eq!(null < value, nulls_first);
        }
    }
}

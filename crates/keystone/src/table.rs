//! A bounded table with an age for every entry: by number and by weight, the second chance (CLOCK) decides who goes.
//!
//! Pure bookkeeping: the caller brings the time and the lock.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Instant;

/// Entries by key. Reading one gives it a second chance when room is needed.
pub(crate) struct Table<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// The clock's face: keys in the order the hand meets them. May hold keys that were removed since.
    face: VecDeque<(K, u64)>,
    next: u64,
    weight: usize,
    bounds: Bounds,
}

/// What a table may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) weight: usize,
}

struct Entry<V> {
    value: V,
    until: Instant,
    weight: usize,
    number: u64,
    read: bool,
}

impl<K: Hash + Eq + Copy, V> Table<K, V> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            entries: HashMap::new(),
            face: VecDeque::new(),
            next: 0,
            weight: 0,
            bounds,
        }
    }

    /// The value, if it has not ended by `now`; one that has is removed.
    pub(crate) fn get(&mut self, key: &K, now: Instant) -> Option<&V> {
        if self.entries.get(key)?.until <= now {
            self.remove(key);
            return None;
        }
        let entry = self.entries.get_mut(key)?;
        entry.read = true;
        Some(&entry.value)
    }

    /// Puts a value in, in place of an older one. What is heavier than the whole table is not kept.
    pub(crate) fn insert(&mut self, key: K, value: V, until: Instant, weight: usize) {
        self.remove(&key);
        if weight > self.bounds.weight || self.bounds.entries == 0 {
            return;
        }
        while self.entries.len() >= self.bounds.entries || self.weight + weight > self.bounds.weight
        {
            if !self.turn() {
                break;
            }
        }
        // Keys of removed entries stay on the face; cleared away before they are half of it.
        if self.face.len() > 2 * self.entries.len() + 16 {
            let entries = &self.entries;
            let met = |(key, number): &(K, u64)| {
                entries
                    .get(key)
                    .is_some_and(|entry| entry.number == *number)
            };
            self.face.retain(met);
        }
        let number = self.next;
        self.next += 1;
        self.weight += weight;
        self.face.push_back((key, number));
        let entry = Entry {
            value,
            until,
            weight,
            number,
            read: false,
        };
        self.entries.insert(key, entry);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.weight -= entry.weight;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.face.clear();
        self.weight = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Moves the hand by one entry; false where there is none.
    fn turn(&mut self) -> bool {
        let Some((key, number)) = self.face.pop_front() else {
            return false;
        };
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.number == number
        {
            if entry.read {
                entry.read = false;
                self.face.push_back((key, number));
            } else {
                self.remove(&key);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn table(entries: usize, weight: usize) -> (Table<u32, u32>, Instant) {
        (Table::new(Bounds { entries, weight }), Instant::now())
    }

    #[test]
    fn an_entry_ends_at_its_end() {
        let (mut table, now) = table(4, 100);
        table.insert(1, 10, now + MINUTE, 1);
        assert_eq!(table.get(&1, now), Some(&10));
        assert_eq!(table.get(&1, now + MINUTE), None);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn what_is_read_outlives_what_is_not() {
        let (mut table, now) = table(4, 100);
        for key in 0..4 {
            table.insert(key, key, now + MINUTE, 1);
        }
        assert!(table.get(&0, now).is_some());
        for key in 10..13 {
            table.insert(key, key, now + MINUTE, 1);
        }
        assert!(table.get(&0, now).is_some());
        assert!((1..4).all(|key| table.get(&key, now).is_none()));
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn weight_is_a_bound_of_its_own() {
        let (mut table, now) = table(100, 10);
        for key in 0..5 {
            table.insert(key, key, now + MINUTE, 4);
        }
        assert_eq!(table.len(), 2);
        table.insert(9, 9, now + MINUTE, 11);
        assert_eq!(table.get(&9, now), None);
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn no_churn_makes_the_table_grow() {
        let (mut table, now) = table(8, 100);
        for round in 0..10_000 {
            table.insert(round % 8, round, now + MINUTE, 1);
            table.remove(&((round + 3) % 8));
        }
        assert!(table.face.len() <= 2 * 8 + 17, "{}", table.face.len());
        table.insert(1, 1, now + MINUTE, 1);
        table.insert(1, 2, now + MINUTE, 1);
        assert_eq!(table.get(&1, now), Some(&2));
    }
}

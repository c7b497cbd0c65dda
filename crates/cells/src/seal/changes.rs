//! What sealing would change: shown to the operator before anything is signed.

use std::collections::HashSet;

use crate::id::CellId;
use crate::mapping::CellMapping;

use super::key::{DigestKey, KeyId, SealingKey};
use super::keyring::SealKeyring;
use super::manifest::SealManifest;

/// The difference between the last manifest and the mappings of now, by cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealChanges {
    /// Not in the last manifest.
    pub added: Vec<CellId>,
    /// In the last manifest and not there any more.
    pub removed: Vec<CellId>,
    /// The mapping says something else than what was sealed.
    pub changed: Vec<CellId>,
    /// As it was sealed.
    pub unchanged: Vec<CellId>,
    /// In both, and whether it changed cannot be told: the last manifest's key is not at hand.
    pub unknown: Vec<CellId>,
}

impl SealChanges {
    /// Compares mappings with the last manifest, all of them being new where there is none. Its digests are checked
    /// with `key`, or with a key of the ring where another one made them. Whether the last manifest is to be believed
    /// is not asked: check that first.
    #[must_use]
    pub fn between<'m>(
        last: Option<&SealManifest>,
        mappings: impl IntoIterator<Item = &'m CellMapping>,
        key: &SealingKey,
        others: &SealKeyring,
    ) -> Self {
        let digest_key = |id: KeyId| -> Option<&DigestKey> {
            match id == key.id() {
                true => Some(key.digest_key()),
                false => others.digest_key(id),
            }
        };
        let mut changes = Self::default();
        let mut seen = HashSet::new();
        for mapping in mappings {
            seen.insert(mapping.id());
            let list = match last.map(|last| (last.has(mapping.id()), last, digest_key(last.key())))
            {
                None | Some((false, ..)) => &mut changes.added,
                Some((true, _, None)) => &mut changes.unknown,
                Some((true, last, Some(key))) => match last.matches(mapping, key) {
                    Some(true) => &mut changes.unchanged,
                    Some(false) | None => &mut changes.changed,
                },
            };
            list.push(mapping.id());
        }
        if let Some(last) = last {
            changes.removed = last.cells().filter(|cell| !seen.contains(cell)).collect();
        }
        changes
    }

    /// Whether nothing would be different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = [&self.added, &self.removed, &self.changed, &self.unknown];
        lists.iter().all(|list| list.is_empty())
    }
}

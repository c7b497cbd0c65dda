//! Everything a row must pass by itself before it is a mapping; the rules between rows are the snapshot's.

use std::sync::Arc;
use std::time::SystemTime;

use crate::allow::AllowList;
use crate::defaults::UrlDefaults;
use crate::mapping::{CellMapping, RawCellMapping};
use crate::problem::InvalidMapping;
use crate::revision::{Revision, RevisionKey};
use crate::seal::{SealCheck, Seals};
use crate::secret::SecretText;

/// The checks in force.
pub(crate) struct Checks {
    defaults: UrlDefaults,
    key: RevisionKey,
    allow: Option<Arc<AllowList>>,
    seals: Option<Arc<SealCheck>>,
}

impl Checks {
    pub(crate) fn new(defaults: UrlDefaults, key: RevisionKey) -> Self {
        Self {
            defaults,
            key,
            allow: None,
            seals: None,
        }
    }

    /// With these seals, or with none.
    pub(crate) fn with_seals(self, seals: Option<Arc<SealCheck>>) -> Self {
        Self { seals, ..self }
    }

    /// Reads the manifest, where there is to be one.
    pub(crate) fn seals(&self, now: SystemTime) -> Option<Seals> {
        self.seals.as_ref().map(|seals| seals.examine(now))
    }

    /// With this list, or with none.
    pub(crate) fn with_allow_list(&self, allow: Option<Arc<AllowList>>) -> Self {
        Self {
            defaults: self.defaults.clone(),
            key: self.key.clone(),
            allow,
            seals: self.seals.clone(),
        }
    }

    /// A digest of a row's whole text under this process's key: the same for the same row and for no other.
    pub(crate) fn digest(&self, row: &RawCellMapping) -> Revision {
        self.key.revision(|to| {
            to.field("row", &row.uuid);
            to.maybe("name", row.name.as_deref());
            let (database, transport) = (&row.database_connection, &row.transport_url);
            to.maybe("database", database.as_ref().map(SecretText::expose));
            to.maybe("transport", transport.as_ref().map(SecretText::expose));
            to.maybe("disabled", row.disabled.then_some("yes"));
        })
    }

    /// Reads one row.
    pub(crate) fn parse(&self, row: &RawCellMapping) -> Result<CellMapping, InvalidMapping> {
        let mapping = CellMapping::parse(row, &self.defaults, &self.key)?;
        match &self.allow {
            Some(list) => mapping.allowed_by(list),
            None => Ok(mapping),
        }
    }
}

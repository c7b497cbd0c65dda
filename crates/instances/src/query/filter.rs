//! What a list is narrowed to. Every field that is set narrows further; the default narrows to nothing but living,
//! visible servers.

use context::{ProjectId, ReadDeleted, UserId};
use time::PrimitiveDateTime;
use uuid::Uuid;

use super::status::Status;

/// Which servers are wanted. All fields are public: set what matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFilter {
    /// Owned by this project. A context that is not an administrator's is confined to its own in any case.
    pub project: Option<ProjectId>,
    /// Made by this user.
    pub user: Option<UserId>,
    /// On this compute host. Administrators only.
    pub host: Option<String>,
    /// In one of these states, by the column's own texts (`active`, `stopped`, …). Empty: any.
    pub vm_states: Vec<String>,
    /// Of one of these statuses, as the API names them. Empty: any.
    pub statuses: Vec<Status>,
    /// In one of these power states, by Nova's numbers. Empty: any.
    pub power_states: Vec<i32>,
    /// Named so.
    pub name: Option<NameFilter>,
    /// Only these. An empty set finds nothing.
    pub uuids: Option<Vec<Uuid>>,
    /// In this availability zone.
    pub availability_zone: Option<String>,
    /// Of the flavor with this row id (`instance_type_id`).
    pub flavor_id: Option<i64>,
    /// Created at this time (UTC) or later.
    pub created_since: Option<PrimitiveDateTime>,
    /// Changed at this time (UTC) or later; servers that were never changed have no such time.
    pub updated_since: Option<PrimitiveDateTime>,
    /// Living, all, or deleted alone; none takes what the context says. Only administrators see deleted ones.
    pub deleted: Option<ReadDeleted>,
    /// Also the servers Nova hides: one of the two rows of a server that is being moved between cells.
    pub hidden: bool,
}

/// How a name is matched. SQLite and PostgreSQL compare case and accents exactly, MariaDB by the column's collation, as
/// with Nova's own name filter. No character has a special meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameFilter {
    /// The whole name.
    Exactly(String),
    /// A part of the name.
    Contains(String),
}

impl ServerFilter {
    /// Whether only what `instance_mappings` knows is asked for: then servers of cells that are down can be named from
    /// there.
    pub(crate) fn fits_mappings(&self) -> bool {
        let narrowed_by_mappings = Self {
            project: self.project.clone(),
            user: self.user.clone(),
            uuids: self.uuids.clone(),
            deleted: self.deleted,
            hidden: self.hidden,
            ..Self::default()
        };
        *self == narrowed_by_mappings && self.deleted.is_none_or(|mode| mode == ReadDeleted::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_mappings_know_can_be_answered_from_them() {
        assert!(ServerFilter::default().fits_mappings());
        let by_host = ServerFilter {
            host: Some("h".into()),
            ..ServerFilter::default()
        };
        let deleted = ServerFilter {
            deleted: Some(ReadDeleted::Yes),
            ..ServerFilter::default()
        };
        assert!(!by_host.fits_mappings() && !deleted.fits_mappings());
    }
}

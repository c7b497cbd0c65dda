//! The part of `WHERE` that says which servers: what the context may see, and what the filter asks for.

use context::ReadDeleted;
use sea_orm::DbBackend;

use crate::order::SortKey;
use crate::query::{NameFilter, Owner, ScopedQuery, Status};

use super::writer::Sql;

/// Escapes what `LIKE` takes specially. Not a backslash, which MariaDB's string literals take specially, too.
const ESCAPE: char = '!';

impl Sql {
    /// Whether MariaDB should walk its index on (deleted, created_at). To `deleted = 0` it takes the index's first part
    /// alone, and reads every page from the newest server on (4,861 rows for 50 were counted). To two bounds, with `deleted`
    /// ordered by as well, it takes the range on both parts: 50 rows for 50. So it does for a project that has half of the
    /// servers (27,697 rows became 103); a small project's it then finds along the project's own index (2,925 became 625).
    pub(super) fn walks_by_age(&self, query: &ScopedQuery) -> bool {
        let first = query.order().keys().first().map(|by| by.key);
        self.backend() == DbBackend::MySql
            && query.deleted() == ReadDeleted::No
            && query.filter().uuids.is_none()
            && first == Some(SortKey::CreatedAt)
    }

    /// Adds `WHERE …`. The owner's confinement comes first, whatever else is asked.
    pub(super) fn narrow(&mut self, query: &ScopedQuery) -> &mut Self {
        self.push(" WHERE ");
        match query.owner() {
            Owner::Anybody => self.push("1 = 1"),
            Owner::Project(project) => self.is("project_id", project.as_str()),
            Owner::User(user) => self.is("user_id", user.as_str()),
        };
        let filter = query.filter();
        // A few ids are found along their own index. MariaDB and SQLite would rather walk the one on (deleted, created_at),
        // because it has the order: all servers for a handful. A sum is no column of an index.
        let column = match filter.uuids {
            Some(_) => " AND deleted + 0",
            None => " AND deleted",
        };
        match query.deleted() {
            ReadDeleted::No if self.walks_by_age(query) => {
                self.push(" AND deleted >= 0 AND deleted <= 0")
            }
            ReadDeleted::No => self.push(column).push(" = 0"),
            ReadDeleted::Only => self.push(column).push(" <> 0"),
            ReadDeleted::Yes => self,
        };
        if !filter.hidden {
            // NULL in rows from before the column was added.
            self.push(" AND (hidden = ")
                .falsehood()
                .push(" OR hidden IS NULL)");
        }
        let texts = [
            ("project_id", filter.project.as_ref().map(|id| id.as_str())),
            ("user_id", filter.user.as_ref().map(|id| id.as_str())),
            ("host", filter.host.as_deref()),
            ("availability_zone", filter.availability_zone.as_deref()),
        ];
        for (column, text) in texts {
            if let Some(text) = text {
                self.push(" AND ").is(column, text);
            }
        }
        if let Some(flavor) = filter.flavor_id {
            self.push(" AND instance_type_id = ").bind(flavor);
        }
        if !filter.vm_states.is_empty() {
            let states = filter.vm_states.iter().map(String::as_str);
            self.push(" AND vm_state IN ").bind_list(states);
        }
        if !filter.statuses.is_empty() {
            self.statuses(&filter.statuses);
        }
        if !filter.power_states.is_empty() {
            self.push(" AND power_state IN ")
                .bind_list(filter.power_states.iter().copied());
        }
        if let Some(uuids) = &filter.uuids {
            self.push(" AND uuid IN ")
                .bind_list(uuids.iter().map(ToString::to_string));
        }
        for (column, since) in [
            ("created_at", filter.created_since),
            ("updated_at", filter.updated_since),
        ] {
            if let Some(at) = since {
                self.push(" AND ").push(column).push(" >= ").since(at);
            }
        }
        match &filter.name {
            None => self,
            Some(NameFilter::Exactly(name)) => self.push(" AND ").is("display_name", name),
            Some(NameFilter::Contains(part)) => self.contains(part),
        }
    }

    fn is(&mut self, column: &str, text: &str) -> &mut Self {
        self.compared_with(column, text).push(" = ").bind(text)
    }

    /// Adds a column that is compared with this text. MariaDB and MySQL refuse a text with characters beyond the basic plane
    /// where the column, as Nova's migrations make it, cannot hold them; in the wider character set it is equal to none.
    fn compared_with(&mut self, column: &str, text: &str) -> &mut Self {
        let is_wide = text.chars().any(|c| c.len_utf8() > 3);
        match self.backend() {
            DbBackend::MySql if is_wide => {
                self.push("CONVERT(").push(column).push(" USING utf8mb4)")
            }
            _ => self.push(column),
        }
    }

    fn statuses(&mut self, statuses: &[Status]) -> &mut Self {
        self.push(" AND (");
        for (at, status) in statuses.iter().enumerate() {
            if at > 0 {
                self.push(" OR ");
            }
            self.push("(vm_state IN ")
                .bind_list(status.vm_states().iter().copied());
            if !status.tasks().is_empty() {
                self.push(" AND task_state IN ")
                    .bind_list(status.tasks().iter().copied());
            }
            self.push(")");
        }
        self.push(")")
    }

    fn contains(&mut self, part: &str) -> &mut Self {
        if self.backend() == DbBackend::Sqlite {
            // SQLite's LIKE takes ASCII letters without case, which its `=` and its order do not.
            return self
                .push(" AND instr(display_name, ")
                .bind(part)
                .push(") > 0");
        }
        let mut pattern = String::with_capacity(part.len() + 2);
        pattern.push('%');
        for c in part.chars() {
            if matches!(c, '%' | '_' | ESCAPE) {
                pattern.push(ESCAPE);
            }
            pattern.push(c);
        }
        pattern.push('%');
        self.push(" AND ")
            .compared_with("display_name", part)
            .push(" LIKE ")
            .bind(pattern)
            .push(" ESCAPE '!'")
    }
}

//! SQL text for made-up rows: the same statements for every database, with the values written out.
//!
//! Written out and not bound, so that one statement carries hundreds of rows whatever a database's limit on parameters is.
//! Only for data that this crate makes up.

use uuid::Uuid;

use super::server::ServerSeed;

/// Whose SQL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// MariaDB and MySQL.
    MariaDb,
    /// PostgreSQL.
    Postgres,
}

/// A value that can be written into a statement.
pub(super) trait Literal {
    fn write(&self, dialect: Dialect, out: &mut String);
}

impl Literal for str {
    fn write(&self, dialect: Dialect, out: &mut String) {
        out.push('\'');
        for c in self.chars() {
            match c {
                '\'' => out.push_str("''"),
                // MariaDB's string literals take it specially; the standard's do not.
                '\\' if dialect == Dialect::MariaDb => out.push_str("\\\\"),
                c => out.push(c),
            }
        }
        out.push('\'');
    }
}

impl Literal for &str {
    fn write(&self, dialect: Dialect, out: &mut String) {
        (**self).write(dialect, out);
    }
}

impl Literal for String {
    fn write(&self, dialect: Dialect, out: &mut String) {
        self.as_str().write(dialect, out);
    }
}

impl Literal for Uuid {
    fn write(&self, dialect: Dialect, out: &mut String) {
        self.to_string().write(dialect, out);
    }
}

impl Literal for i64 {
    fn write(&self, _dialect: Dialect, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

impl Literal for bool {
    fn write(&self, _dialect: Dialect, out: &mut String) {
        out.push_str(if *self { "TRUE" } else { "FALSE" });
    }
}

impl<L: Literal> Literal for Option<L> {
    fn write(&self, dialect: Dialect, out: &mut String) {
        match self {
            Some(value) => value.write(dialect, out),
            None => out.push_str("NULL"),
        }
    }
}

/// `(a, b, …)`.
pub(super) fn tuple(dialect: Dialect, values: &[&dyn Literal], out: &mut String) {
    out.push('(');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        value.write(dialect, out);
    }
    out.push(')');
}

/// Names each column once: in the statement and as the field that is written.
macro_rules! insert {
    ($dialect:expr, $rows:expr; $first:ident $(, $column:ident)*) => {{
        let mut sql = String::from(concat!(
            "INSERT INTO instances (", stringify!($first) $(, ", ", stringify!($column))*, ") VALUES "
        ));
        for (at, seed) in $rows.iter().enumerate() {
            if at > 0 {
                sql.push_str(",\n");
            }
            tuple($dialect, &[&seed.$first $(, &seed.$column)*], &mut sql);
        }
        sql
    }};
}

/// One statement that writes these rows; there must be one at least.
pub(super) fn insert_servers(dialect: Dialect, rows: &[ServerSeed]) -> String {
    insert!(dialect, rows; uuid, id, created_at, updated_at, deleted_at, deleted, hidden, user_id, project_id,
        display_name, display_description, hostname, vm_state, task_state, power_state, host, node, availability_zone,
        instance_type_id, image_ref, kernel_id, ramdisk_id, key_name, launch_index, launched_at, terminated_at,
        locked, locked_by, root_device_name, access_ip_v4, access_ip_v6, config_drive, progress, auto_disk_config,
        memory_mb, vcpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_each_database_reads_it() {
        for (dialect, expected) in [
            (Dialect::Sqlite, r"('it''s \ here', NULL, TRUE, -7)"),
            (Dialect::MariaDb, r"('it''s \\ here', NULL, TRUE, -7)"),
            (Dialect::Postgres, r"('it''s \ here', NULL, TRUE, -7)"),
        ] {
            let mut out = String::new();
            let values: [&dyn Literal; 4] = [&r"it's \ here", &None::<i64>, &true, &-7_i64];
            tuple(dialect, &values, &mut out);
            assert_eq!(out, expected);
        }
    }
}

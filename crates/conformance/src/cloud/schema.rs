//! The tables, as Nova's own migrations make them (nova-facts 2.3): columns, constraints, indexes.
//!
//! Only the tables that listing reads. They are written once, in SQLAlchemy's spellings, which are SQLite's; the servers'
//! own spellings are put in here and there. Compared with what `nova-manage` makes by `cargo xtask interop`.

use super::sql::Dialect;

/// Tables of `nova_api`.
pub(super) fn api(dialect: Dialect) -> String {
    spelled(API, dialect)
}

/// Tables of a cell.
pub(super) fn cell(dialect: Dialect) -> String {
    spelled(CELL, dialect)
}

/// The table `instances` for the rows of several cells: their `id`s may meet, and so may one server's two rows.
pub(super) fn union(dialect: Dialect) -> String {
    let constraints = "PRIMARY KEY (id), CONSTRAINT uniq_instances0uuid UNIQUE (uuid)";
    // Not the server's own numbering, which asks for a key.
    spelled(&CELL.replace(constraints, "CHECK (id > 0)"), dialect).replace(" AUTO_INCREMENT", "")
}

fn spelled(tables: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => tables.to_owned(),
        Dialect::MariaDb => tables
            .replace(
                " id INTEGER NOT NULL",
                " id INTEGER NOT NULL AUTO_INCREMENT",
            )
            .replace("key_data TEXT", "key_data MEDIUMTEXT")
            .replace("user_data TEXT", "user_data MEDIUMTEXT")
            .replace("launched_on TEXT", "launched_on MEDIUMTEXT")
            .replace("locked_by VARCHAR(5)", "locked_by ENUM('owner', 'admin')"),
        Dialect::Postgres => {
            let tables = tables
                .replace("DATETIME", "TIMESTAMP WITHOUT TIME ZONE")
                .replace(" id INTEGER NOT NULL", " id SERIAL NOT NULL")
                .replace("access_ip_v4 VARCHAR(39)", "access_ip_v4 INET")
                .replace("access_ip_v6 VARCHAR(39)", "access_ip_v6 INET")
                .replace("locked_by VARCHAR(5)", "locked_by instances0locked_by");
            match tables.contains("instances0locked_by") {
                true => {
                    format!("CREATE TYPE instances0locked_by AS ENUM ('owner', 'admin');{tables}")
                }
                false => tables,
            }
        }
    }
}

const API: &str = "
CREATE TABLE cell_mappings (
    created_at DATETIME, updated_at DATETIME, id INTEGER NOT NULL, uuid VARCHAR(36) NOT NULL, name VARCHAR(255),
    transport_url TEXT, database_connection TEXT, disabled BOOLEAN,
    PRIMARY KEY (id), CONSTRAINT uniq_cell_mappings0uuid UNIQUE (uuid));
CREATE INDEX uuid_idx ON cell_mappings (uuid);
CREATE TABLE host_mappings (
    created_at DATETIME, updated_at DATETIME, id INTEGER NOT NULL, cell_id INTEGER NOT NULL, host VARCHAR(255) NOT NULL,
    PRIMARY KEY (id), CONSTRAINT uniq_host_mappings0host UNIQUE (host), FOREIGN KEY (cell_id) REFERENCES cell_mappings (id));
CREATE INDEX host_idx ON host_mappings (host);
CREATE TABLE instance_mappings (
    created_at DATETIME, updated_at DATETIME, id INTEGER NOT NULL, instance_uuid VARCHAR(36) NOT NULL, cell_id INTEGER,
    project_id VARCHAR(255) NOT NULL, queued_for_delete BOOLEAN, user_id VARCHAR(255),
    PRIMARY KEY (id), CONSTRAINT uniq_instance_mappings0instance_uuid UNIQUE (instance_uuid),
    FOREIGN KEY (cell_id) REFERENCES cell_mappings (id));
CREATE INDEX instance_uuid_idx ON instance_mappings (instance_uuid);
CREATE INDEX instance_mappings_user_id_project_id_idx ON instance_mappings (user_id, project_id);
CREATE INDEX project_id_idx ON instance_mappings (project_id);
";

const CELL: &str = "
CREATE TABLE instances (
    created_at DATETIME, updated_at DATETIME, deleted_at DATETIME, id INTEGER NOT NULL, internal_id INTEGER,
    user_id VARCHAR(255), project_id VARCHAR(255), image_ref VARCHAR(255), kernel_id VARCHAR(255), ramdisk_id VARCHAR(255),
    launch_index INTEGER, key_name VARCHAR(255), key_data TEXT, power_state INTEGER, vm_state VARCHAR(255),
    memory_mb INTEGER, vcpus INTEGER, hostname VARCHAR(255), host VARCHAR(255), user_data TEXT,
    reservation_id VARCHAR(255), launched_at DATETIME, terminated_at DATETIME, display_name VARCHAR(255),
    display_description VARCHAR(255), availability_zone VARCHAR(255), locked BOOLEAN, os_type VARCHAR(255),
    launched_on TEXT, instance_type_id INTEGER, vm_mode VARCHAR(255), uuid VARCHAR(36) NOT NULL, architecture VARCHAR(255),
    root_device_name VARCHAR(255), access_ip_v4 VARCHAR(39), access_ip_v6 VARCHAR(39), config_drive VARCHAR(255),
    task_state VARCHAR(255), default_ephemeral_device VARCHAR(255), default_swap_device VARCHAR(255), progress INTEGER,
    auto_disk_config BOOLEAN, shutdown_terminate BOOLEAN, disable_terminate BOOLEAN, root_gb INTEGER, ephemeral_gb INTEGER,
    cell_name VARCHAR(255), node VARCHAR(255), deleted INTEGER, locked_by VARCHAR(5), cleaned INTEGER,
    ephemeral_key_uuid VARCHAR(36), hidden BOOLEAN, compute_id BIGINT,
    PRIMARY KEY (id), CONSTRAINT uniq_instances0uuid UNIQUE (uuid));
CREATE INDEX instances_terminated_at_launched_at_idx ON instances (terminated_at, launched_at);
CREATE INDEX instances_project_id_idx ON instances (project_id);
CREATE INDEX instances_task_state_updated_at_idx ON instances (task_state, updated_at);
CREATE INDEX instances_uuid_deleted_idx ON instances (uuid, deleted);
CREATE INDEX instances_updated_at_project_id_idx ON instances (updated_at, project_id);
CREATE INDEX instances_host_node_deleted_idx ON instances (host, node, deleted);
CREATE INDEX instances_deleted_created_at_idx ON instances (deleted, created_at);
CREATE INDEX instances_reservation_id_idx ON instances (reservation_id);
CREATE INDEX instances_host_deleted_cleaned_idx ON instances (host, deleted, cleaned);
CREATE INDEX instances_project_id_deleted_idx ON instances (project_id, deleted);
CREATE INDEX instances_compute_id_deleted_idx ON instances (compute_id, deleted);
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_differs_is_put_in() {
        let mariadb = cell(Dialect::MariaDb);
        assert!(mariadb.contains("ENUM('owner', 'admin')") && mariadb.contains("AUTO_INCREMENT"));
        assert!(!mariadb.contains(" TEXT"));
        let postgres = cell(Dialect::Postgres);
        assert!(postgres.starts_with("CREATE TYPE") && postgres.contains("access_ip_v6 INET"));
        assert!(!postgres.contains("DATETIME") && !api(Dialect::Postgres).contains("CREATE TYPE"));
        for dialect in [Dialect::Sqlite, Dialect::MariaDb, Dialect::Postgres] {
            assert!(!union(dialect).contains("PRIMARY KEY"));
            assert!(!union(dialect).contains("AUTO_INCREMENT"));
        }
    }
}

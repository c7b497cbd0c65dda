//! The API database as a source of mappings: Nova's own tables, made by hand, and what is wrong with them.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::Path;
use std::time::Duration;

use cells::{
    Cells, ErrorClass, MappingSource, ProjectSelectError, RevisionKey, SecretText, UrlDefaults,
};
use context::{Deadline, ProjectId};
use nova_connect::{ConnectorOptions, NovaApi, NovaConnector};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};

const TABLES: &str = "
    CREATE TABLE cell_mappings (created_at DATETIME, updated_at DATETIME, id INTEGER NOT NULL PRIMARY KEY,
        uuid VARCHAR(36) NOT NULL UNIQUE, name VARCHAR(255), transport_url TEXT, database_connection TEXT, disabled BOOLEAN);
    CREATE TABLE instance_mappings (created_at DATETIME, updated_at DATETIME, id INTEGER NOT NULL PRIMARY KEY,
        instance_uuid VARCHAR(36) NOT NULL UNIQUE, cell_id INTEGER, project_id VARCHAR(255) NOT NULL,
        queued_for_delete BOOLEAN, user_id VARCHAR(255));
    CREATE TABLE host_mappings (created_at DATETIME, updated_at DATETIME, id INTEGER NOT NULL PRIMARY KEY,
        cell_id INTEGER NOT NULL, host VARCHAR(255) NOT NULL UNIQUE);";

const ROWS: &str = "
    INSERT INTO cell_mappings (id, uuid, name, transport_url, database_connection, disabled) VALUES
        (3, '4a2aeee1-2141-4f44-ac75-0c4e5b3fdcd2', 'cell2', 'rabbit://n:hunter2@h/c2', 'sqlite:///c2.sqlite', 1),
        (1, '00000000-0000-0000-0000-000000000000', 'cell0', 'none:///', 'sqlite:///c0.sqlite', 0),
        (2, '6d5bd30e-147b-44db-9ceb-1a392e756c36', NULL, 'fake:///c1', 'sqlite:///c1.sqlite', NULL),
        (4, 'not-a-uuid', 'broken', NULL, 'gopher://h/', 0);
    INSERT INTO instance_mappings (instance_uuid, cell_id, project_id, queued_for_delete, user_id) VALUES
        ('86d47cd1-9c80-4bef-9f9c-58e2d2196a12', 3, 'p1', 0, 'u1'),
        ('091e4bb8-45c1-43bb-99bc-51cb0d71ed98', 2, 'p1', NULL, NULL),
        ('f0812ed5-c72c-4170-8f23-9c2b1a6f87b0', 2, 'p1', 1, 'u1'),
        ('0f0fcbe5-0c31-4e4c-9e6e-9ad45aa10b52', NULL, 'p2', 0, 'u2'),
        ('e7c2d0e3-3f9a-4a52-8a5f-4b8f7d3c9f11', 4, 'p3', 0, 'u3');
    INSERT INTO host_mappings (cell_id, host) VALUES (2, 'compute1');";

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

async fn made(path: &Path, sql: &'static [&'static str]) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    for sql in sql {
        connection.execute(*sql).await.unwrap();
    }
}

fn open(path: &Path) -> NovaApi {
    let url = SecretText::new(format!("sqlite:///{}", path.display()));
    NovaApi::open(&url, &ConnectorOptions::default()).unwrap()
}

#[tokio::test]
async fn rows_are_given_as_they_are_in_the_order_of_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nova_api.sqlite");
    made(&path, &[TABLES, ROWS]).await;
    let rows = open(&path).load(soon()).await.unwrap();
    let names: Vec<_> = rows.iter().map(|row| row.name.as_deref()).collect();
    assert_eq!(names, [Some("cell0"), None, Some("cell2"), Some("broken")]);
    assert_eq!(
        rows[1].database_connection.as_ref().map(SecretText::expose),
        Some("sqlite:///c1.sqlite")
    );
    assert_eq!(
        rows.iter().map(|row| row.disabled).collect::<Vec<_>>(),
        [false, false, true, false]
    );
    assert_eq!(rows[3].uuid, "not-a-uuid");
    assert!(rows[3].transport_url.is_none());
    assert!(!format!("{rows:?}").contains("hunter2"));
}

#[tokio::test]
async fn cells_are_loaded_from_it_and_a_broken_row_is_only_its_own_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nova_api.sqlite");
    made(&path, &[TABLES, ROWS]).await;
    let key = RevisionKey::ephemeral().unwrap();
    let cells = Cells::new(
        open(&path),
        NovaConnector::default(),
        UrlDefaults::default(),
        key,
    );
    let snapshot = cells.refresh(soon()).await.unwrap();
    assert_eq!(snapshot.mappings().count(), 3);
    assert_eq!(snapshot.choices().len(), 4);
}

#[tokio::test]
async fn what_is_wrong_with_the_database_has_a_class() {
    let folder = tempfile::tempdir().unwrap();
    let class = async |path: &Path| open(path).load(soon()).await.unwrap_err().class();
    assert_eq!(
        class(&folder.path().join("none.sqlite")).await,
        ErrorClass::Unreachable
    );

    let empty = folder.path().join("empty.sqlite");
    made(&empty, &[]).await;
    assert_eq!(class(&empty).await, ErrorClass::Schema);

    let other = folder.path().join("other.sqlite");
    made(&other, &["CREATE TABLE cell_mappings (id INTEGER)"]).await;
    assert_eq!(class(&other).await, ErrorClass::Schema);

    let text = folder.path().join("text");
    std::fs::write(&text, "x".repeat(4096)).unwrap();
    assert_eq!(class(&text).await, ErrorClass::Schema);
    assert_eq!(class(folder.path()).await, ErrorClass::Unreachable);
}

#[tokio::test]
async fn an_empty_table_is_an_empty_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nova_api.sqlite");
    made(&path, &[TABLES]).await;
    assert!(open(&path).load(soon()).await.unwrap().is_empty());
}

#[test]
fn a_malformed_url_is_refused_without_being_repeated() {
    let url = SecretText::from("mysql://u:hunter2@h/d?host=evil");
    let error = NovaApi::open(&url, &ConnectorOptions::default()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        source,
        "option `host` could redirect or weaken the connection"
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_instance_is_found_with_its_cell_scheduled_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nova_api.sqlite");
    made(&path, &[TABLES, ROWS]).await;
    let api = open(&path);
    let find = async |uuid: &str| {
        api.instance_mapping(uuid.parse().unwrap(), soon())
            .await
            .unwrap()
    };

    let mapped = find("86D47CD1-9C80-4bef-9f9c-58e2d2196a12").await.unwrap();
    assert_eq!(
        mapped.cell_id(),
        Some("4a2aeee1-2141-4f44-ac75-0c4e5b3fdcd2".parse().unwrap())
    );
    assert_eq!(
        (mapped.project_id.as_str(), mapped.user_id.as_deref()),
        ("p1", Some("u1"))
    );
    assert_eq!(mapped.queued_for_delete, Some(false));

    let not_scheduled = find("0f0fcbe5-0c31-4e4c-9e6e-9ad45aa10b52").await.unwrap();
    assert_eq!(not_scheduled.cell, None);

    let broken = find("e7c2d0e3-3f9a-4a52-8a5f-4b8f7d3c9f11").await.unwrap();
    assert_eq!(broken.cell_id(), None);
    assert_eq!(broken.cell.unwrap().to_string(), "not-a-uuid(broken)");

    assert_eq!(find("00000000-0000-0000-0000-000000000001").await, None);
}

#[tokio::test]
async fn a_projects_and_a_hosts_cells_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nova_api.sqlite");
    made(&path, &[TABLES, ROWS]).await;
    let api = open(&path);
    let cells = async |project: &str| {
        let labels = api.cells_of_project(project, soon()).await.unwrap();
        labels.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        cells("p1").await,
        [
            "6d5bd30e-147b-44db-9ceb-1a392e756c36",
            "4a2aeee1-2141-4f44-ac75-0c4e5b3fdcd2(cell2)"
        ]
    );
    assert!(cells("p2").await.is_empty());
    assert!(cells("' OR 1=1 --").await.is_empty());
    let host = api.cell_of_host("compute1", soon()).await.unwrap().unwrap();
    assert_eq!(host.uuid(), "6d5bd30e-147b-44db-9ceb-1a392e756c36");
    assert!(
        api.cell_of_host("compute2", soon())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn cells_are_selected_by_project_in_the_order_of_the_mappings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nova_api.sqlite");
    made(&path, &[TABLES, ROWS]).await;
    let api = open(&path);
    let key = RevisionKey::ephemeral().unwrap();
    let (connector, defaults) = (NovaConnector::default(), UrlDefaults::default());
    let cells = Cells::new(api.clone(), connector, defaults, key);
    cells.refresh(soon()).await.unwrap();
    let select = async |project: &str| {
        let project = ProjectId::parse(project).unwrap();
        let chosen = cells.select_project(&api, &project, soon()).await;
        chosen.map(|chosen| {
            let labels = chosen.iter().map(|choice| choice.label().uuid().to_owned());
            labels.collect::<Vec<_>>()
        })
    };
    assert_eq!(
        select("p1").await.unwrap(),
        [
            "6d5bd30e-147b-44db-9ceb-1a392e756c36",
            "4a2aeee1-2141-4f44-ac75-0c4e5b3fdcd2"
        ]
    );
    // Not scheduled anywhere, and unknown: no cells, and no error.
    assert!(select("p2").await.unwrap().is_empty());
    assert!(select("p9").await.unwrap().is_empty());
    // In a cell whose row is damaged: not left out unsaid.
    match select("p3").await.unwrap_err() {
        ProjectSelectError::Lookup(error) => assert_eq!(error.class(), ErrorClass::Decode),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_api_database_cannot_be_written_through_it() {
    use sea_orm::ConnectionTrait;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nova_api.sqlite");
    made(&path, &[TABLES, ROWS]).await;
    let api = open(&path);
    let session = api.database().read_only(soon());
    assert!(
        session
            .execute_unprepared("DELETE FROM cell_mappings")
            .await
            .is_err()
    );
    assert_eq!(api.load(soon()).await.unwrap().len(), 4);
}

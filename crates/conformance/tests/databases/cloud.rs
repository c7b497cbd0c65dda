//! The API database on a server: Nova's tables, read through `NovaApi`.

use std::time::Duration;

use cells::{Cells, RevisionKey, UrlDefaults};
use connect::{ConnectorOptions, NovaApi, NovaConnector};
use context::{Deadline, Identity, RequestContext, Roles};
use sea_orm::ConnectionTrait;

use crate::{DATABASE, Server, fill, open, rows, within};

const TABLES: [&str; 3] = [
    "CREATE TABLE cell_mappings (created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL, id INTEGER NOT NULL PRIMARY KEY, \
     uuid VARCHAR(36) NOT NULL UNIQUE, name VARCHAR(255), transport_url TEXT, database_connection TEXT, disabled BOOLEAN)",
    "CREATE TABLE instance_mappings (created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL, id INTEGER NOT NULL PRIMARY KEY, \
     instance_uuid VARCHAR(36) NOT NULL UNIQUE, cell_id INTEGER, project_id VARCHAR(255) NOT NULL, \
     queued_for_delete BOOLEAN, user_id VARCHAR(255))",
    "CREATE TABLE host_mappings (created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL, id INTEGER NOT NULL PRIMARY KEY, \
     cell_id INTEGER NOT NULL, host VARCHAR(255) NOT NULL UNIQUE)",
];

const CELL1: &str = "6d5bd30e-147b-44db-9ceb-1a392e756c36";
const INSTANCE: &str = "86d47cd1-9c80-4bef-9f9c-58e2d2196a12";

pub(crate) async fn suite(server: &impl Server) {
    let api_url = server.url("nova_api");
    let cell_url = server.url(DATABASE);
    fill(&open(&cell_url, 1)).await;
    let api = open(&api_url, 1);
    let writer = api.within(within(20_000));
    let mappings = format!(
        "INSERT INTO cell_mappings (id, uuid, name, transport_url, database_connection, disabled) VALUES \
         (2, '{CELL1}', 'cell1', 'fake:///c1', '{}', NULL), \
         (1, '00000000-0000-0000-0000-000000000000', 'cell0', 'none:///', 'sqlite:///c0.sqlite', FALSE)",
        cell_url.expose()
    );
    let instances = format!(
        "INSERT INTO instance_mappings (id, instance_uuid, cell_id, project_id, queued_for_delete, user_id) VALUES \
         (1, '{INSTANCE}', 2, 'p1', TRUE, NULL)"
    );
    let hosts =
        "INSERT INTO host_mappings (id, cell_id, host) VALUES (1, 2, 'compute1')".to_owned();
    for sql in TABLES
        .map(str::to_owned)
        .into_iter()
        .chain([mappings, instances, hosts])
    {
        writer.execute_unprepared(&sql).await.unwrap();
    }

    let api = NovaApi::open(&api_url, &ConnectorOptions::default()).unwrap();
    let deadline = Deadline::after(Duration::from_secs(20));
    let found = api
        .instance_mapping(INSTANCE.parse().unwrap(), deadline)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.cell_id(), Some(CELL1.parse().unwrap()));
    assert_eq!(found.queued_for_delete, Some(true));
    assert_eq!(api.cells_of_project("p1", deadline).await.unwrap().len(), 1);
    let host = api
        .cell_of_host("compute1", deadline)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(host.uuid(), CELL1);

    let key = RevisionKey::ephemeral().unwrap();
    let cells = Cells::new(api, NovaConnector::default(), UrlDefaults::default(), key);
    let snapshot = cells.refresh(deadline).await.unwrap();
    let names: Vec<_> = snapshot
        .mappings()
        .map(|mapping| mapping.label().name().unwrap())
        .collect();
    assert_eq!(names, ["cell0", "cell1"]);
    let ctx = RequestContext::for_background("test", Identity::default(), Roles::admin());
    let cell = cells.target(&ctx, CELL1.parse().unwrap()).unwrap();
    assert_eq!(
        rows(&cell.database().read_only(deadline), "SELECT * FROM t").await,
        Ok(3)
    );
}

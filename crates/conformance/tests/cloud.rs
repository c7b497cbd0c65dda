//! The clouds that other tests stand on: complete, repeatable, and really held when they are held.

use std::time::Duration;

use nova_conformance::{CloudBuilder, HeldCell};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};

async fn count(path: &std::path::Path, sql: &'static str) -> Result<i64, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_millis(20));
    let mut connection = SqliteConnection::connect_with(&options).await?;
    Ok(sqlx::query(sql).fetch_one(&mut connection).await?.get(0))
}

#[tokio::test]
async fn every_server_is_in_one_cell_and_mapped_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = CloudBuilder::new()
        .servers(500)
        .build(folder.path())
        .await
        .unwrap();
    let mut in_cells = 0;
    for cell in cloud.cells() {
        in_cells += count(cell.path(), "SELECT COUNT(*) FROM instances")
            .await
            .unwrap();
    }
    let mapped = count(
        cloud.api_path(),
        "SELECT COUNT(*) FROM instance_mappings m JOIN cell_mappings c ON c.id = m.cell_id",
    );
    assert_eq!((in_cells, mapped.await.unwrap()), (500, 500));
    assert_eq!(
        count(cloud.api_path(), "SELECT COUNT(*) FROM cell_mappings")
            .await
            .unwrap(),
        4
    );
    let hosts = count(cloud.api_path(), "SELECT COUNT(*) FROM host_mappings")
        .await
        .unwrap();
    assert_eq!(hosts, 18);
}

#[tokio::test]
async fn the_same_seed_makes_the_same_cloud() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let build = |path| CloudBuilder::new().seed(5).servers(100).build(path);
    let (one, two) = (
        build(one.path()).await.unwrap(),
        build(two.path()).await.unwrap(),
    );
    assert!(one.servers().eq(two.servers()));
    assert_eq!(one.cells()[1].id(), two.cells()[1].id());
}

#[tokio::test]
async fn a_held_cell_does_not_answer_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = CloudBuilder::new()
        .servers(20)
        .build(folder.path())
        .await
        .unwrap();
    let cell = &cloud.cells()[1];
    let held = HeldCell::hold(cell).await.unwrap();
    let error = count(cell.path(), "SELECT COUNT(*) FROM instances")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    assert!(
        count(cloud.cells()[2].path(), "SELECT COUNT(*) FROM instances")
            .await
            .is_ok()
    );
    held.release().await.unwrap();
    assert!(
        count(cell.path(), "SELECT COUNT(*) FROM instances")
            .await
            .is_ok()
    );
}

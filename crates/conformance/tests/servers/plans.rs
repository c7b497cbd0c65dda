//! The plans SQLite makes for the common lists: along an index, nothing sorted by hand.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Row};

use nova_conformance::CloudBuilder;

use crate::support::World;

const NARROWED: &str = "1 = 1 AND deleted = 0 AND (hidden = 0 OR hidden IS NULL)";

async fn plan(world: &World, condition: &str, order: &str) -> String {
    let options = SqliteConnectOptions::new().filename(world.cloud.cells()[1].path());
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    let sql = format!(
        "EXPLAIN QUERY PLAN SELECT uuid FROM instances WHERE {condition} ORDER BY {order} LIMIT 50"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(&mut db)
        .await
        .unwrap();
    let steps: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
    steps.join("; ")
}

/// The words of these conditions are checked beside the statement builder.
#[tokio::test]
async fn the_newest_servers_are_read_along_the_index_without_sorting() {
    let world = World::of(CloudBuilder::new().servers(500)).await;
    let newest = "created_at DESC, id DESC";
    let along = "SEARCH instances USING INDEX instances_deleted_created_at_idx (deleted=?";
    let first = plan(
        &world,
        &format!("{NARROWED} AND created_at IS NOT NULL"),
        newest,
    )
    .await;
    assert_eq!(first, format!("{along} AND created_at>?)"));
    let next = "created_at IS NOT NULL AND created_at <= 'T' AND (created_at < 'T' OR (id < 5 OR (id = 5 AND (uuid COLLATE BINARY > 'u'))))";
    let next = plan(&world, &format!("{NARROWED} AND {next}"), newest).await;
    assert_eq!(next, format!("{along} AND created_at>? AND created_at<?)"));
    let nulls = plan(
        &world,
        &format!("{NARROWED} AND created_at IS NULL"),
        "id DESC",
    )
    .await;
    assert_eq!(nulls, format!("{along} AND created_at=?)"));
}

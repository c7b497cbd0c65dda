//! Rows that change, go and come while a list is walked: what did not change is there once, in order.

use std::collections::HashSet;

use instances::{DownCells, ServerQuery};
use nova_conformance::Rng;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use uuid::Uuid;

use crate::support::{VISIBLE, World, admin, ids, nasty_world, order_by, sorted};

async fn write(world: &World, sql: &'static str, uuid: Uuid) {
    for cell in world.cloud.cells() {
        let options = SqliteConnectOptions::new().filename(cell.path());
        let mut db = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(sql)
            .bind(uuid.to_string())
            .execute(&mut db)
            .await
            .unwrap();
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_does_not_change_is_listed_once_and_in_order_whatever_else_happens() {
    let ctx = admin();
    for seed in 0..10 {
        let world = nasty_world(seed + 900, 40).await;
        let servers = world.servers(&ctx);
        let mut rng = Rng::new(seed);
        let sorts = [
            &[][..],
            &["display_name:asc"],
            &["host:desc", "created_at:asc"],
        ];
        let mut query = ServerQuery {
            limit: 3,
            ..sorted(rng.pick(&sorts).copied().unwrap())
        };
        let before = world.plain(VISIBLE, &order_by(&query.sort)).await;
        let mut touched: HashSet<Uuid> = HashSet::new();
        let mut listed = Vec::new();
        loop {
            let page = servers.list(&query, DownCells::Fail).await.unwrap();
            listed.extend(ids(&page));
            let Some(marker) = page.next_marker else {
                break;
            };
            query.marker = Some(marker);
            // The marker itself is deleted, as a user does with what was just listed; another row is changed.
            let deleted =
                "UPDATE instances SET deleted = id, deleted_at = created_at WHERE uuid = ?";
            write(&world, deleted, marker).await;
            touched.insert(marker);
            if let Some(other) = rng.pick(&before).copied().filter(|other| *other != marker) {
                let changed = "UPDATE instances SET display_name = 'Zoé', host = NULL, created_at = NULL WHERE uuid = ?";
                write(&world, changed, other).await;
                touched.insert(other);
            }
        }
        let untouched = |all: &[Uuid]| -> Vec<Uuid> {
            all.iter()
                .filter(|uuid| !touched.contains(uuid))
                .copied()
                .collect()
        };
        assert_eq!(untouched(&listed), untouched(&before), "seed {seed}");
    }
}

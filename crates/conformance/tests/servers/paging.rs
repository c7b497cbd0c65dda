//! Pages put together are the list: nothing lost, nothing twice, in the order of one query over the union of all cells.

use instances::{BatchStrategy, Direction, DownCells, ServerQuery, SortBy, SortKey};
use nova_conformance::CloudBuilder;

use crate::support::{VISIBLE, World, admin, ids, nasty_world, order_by, sorted, walk};

#[tokio::test]
async fn every_sort_key_in_both_directions_is_one_list_over_all_cells() {
    let world = nasty_world(11, 60).await;
    let ctx = admin();
    let servers = world.servers(&ctx);
    for (at, key) in SortKey::ALL.iter().enumerate() {
        for direction in [Direction::Asc, Direction::Desc] {
            let sort = vec![SortBy {
                key: *key,
                direction,
            }];
            let expected = world.plain(VISIBLE, &order_by(&sort)).await;
            let query = ServerQuery {
                sort,
                ..ServerQuery::default()
            };
            let page = servers.list(&query, DownCells::Fail).await.unwrap();
            assert_eq!(ids(&page), expected, "{key} {direction:?}");
            let size = [1, 2, 3, 7, 20][at % 5];
            assert_eq!(
                walk(&servers, &query, size).await,
                expected,
                "{key} {direction:?} by {size}"
            );
        }
    }
}

#[tokio::test]
async fn every_page_size_gives_the_same_list() {
    let world = nasty_world(12, 24).await;
    let ctx = admin();
    let servers = world.servers(&ctx);
    for query in [
        ServerQuery::default(),
        sorted(&["display_name:desc", "created_at:asc"]),
    ] {
        let expected = world.plain(VISIBLE, &order_by(&query.sort)).await;
        for size in 1..=u32::try_from(expected.len() + 1).unwrap() {
            assert_eq!(walk(&servers, &query, size).await, expected, "by {size}");
        }
    }
}

#[tokio::test]
async fn novas_batch_strategies_give_the_same_page() {
    let world = World::of(CloudBuilder::new().servers(900).cells(3)).await;
    let ctx = admin();
    let query = ServerQuery {
        limit: 700,
        ..ServerQuery::default()
    };
    let mut expected = world.plain(VISIBLE, "created_at DESC, id DESC, uuid").await;
    expected.truncate(700);
    for batch in [
        BatchStrategy::Adaptive,
        BatchStrategy::Distributed,
        BatchStrategy::Fixed(100),
    ] {
        let page = world
            .servers(&ctx)
            .batch(batch)
            .list(&query, DownCells::Fail)
            .await
            .unwrap();
        assert_eq!(ids(&page), expected, "{batch:?}");
    }
}

#[tokio::test]
async fn a_limit_of_zero_is_an_empty_page() {
    let world = World::of(CloudBuilder::new().servers(20)).await;
    let ctx = admin();
    let query = ServerQuery {
        limit: 0,
        ..ServerQuery::default()
    };
    let page = world
        .servers(&ctx)
        .list(&query, DownCells::Fail)
        .await
        .unwrap();
    assert!(page.servers.is_empty() && page.next_marker.is_none() && page.cells.is_empty());
}

#[tokio::test]
async fn times_are_exact_to_the_microsecond() {
    let world = nasty_world(13, 40).await;
    let ctx = admin();
    let page = world
        .servers(&ctx)
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    let mut seen = 0;
    for server in &page.servers {
        let seed = world
            .cloud
            .servers()
            .find(|seed| seed.uuid == server.uuid)
            .unwrap();
        let micros = seed
            .created_at
            .as_deref()
            .map(|text| match text.split_once('.') {
                Some((_, "000001")) => 1,
                Some((_, "5")) => 500_000,
                _ => 0,
            });
        assert_eq!(server.created_at.map(|at| at.microsecond()), micros);
        seen += usize::from(micros == Some(1));
    }
    assert!(seen > 0);
}

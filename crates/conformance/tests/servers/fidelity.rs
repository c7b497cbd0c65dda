//! What Nova's own tests of `instance_list` say, by their names (nova-facts 6.2 and 6.3), where no other file here says it:
//! `get_instances_sorted`, `get_sorted_with_limit_marker_datetime_same`, `get_paginated_with_uuid_and_other_filter`.

use cells::Selection;
use instances::{BatchStrategy, DownCells, ServerFilter, ServerQuery};
use nova_conformance::{CloudBuilder, HeldCell};
use scatter::OutcomeKind;
use std::time::Duration;

use crate::support::{VISIBLE, World, admin, ids, nasty_world, order_by, sorted, walk};

#[tokio::test]
async fn get_instances_sorted_does_not_depend_on_the_order_of_the_cells() {
    let world = nasty_world(31, 60).await;
    let ctx = admin();
    let query = sorted(&["display_name:asc", "locked:desc"]);
    let expected = world.plain(VISIBLE, &order_by(&query.sort)).await;
    let mut cells: Vec<_> = world.cloud.cells().iter().map(|cell| cell.id()).collect();
    for _ in 0..cells.len() {
        cells.rotate_left(1);
        let servers = world
            .servers(&ctx)
            .selection(Selection::Only(cells.clone()));
        let page = servers.list(&query, DownCells::Fail).await.unwrap();
        assert_eq!(ids(&page), expected);
    }
}

#[tokio::test]
async fn get_sorted_with_limit_marker_datetime_same_loses_nothing_where_all_times_are_the_same() {
    let world = World::of(CloudBuilder::new().servers(90).cells(3)).await;
    for cell in world.cloud.cells() {
        let sql = "UPDATE instances SET created_at = '2026-09-18 04:33:00.000000'";
        nova_conformance::alter(cell.path(), sql).await.unwrap();
    }
    let ctx = admin();
    for sort in [&["created_at:asc"][..], &["created_at:desc"], &[]] {
        let query = sorted(sort);
        let expected = world.plain(VISIBLE, &order_by(&query.sort)).await;
        for size in [1, 2, 7, 90] {
            let walked = walk(&world.servers(&ctx), &query, size).await;
            assert_eq!(walked, expected, "{sort:?} by {size}");
        }
    }
}

#[tokio::test]
async fn get_paginated_with_uuid_and_other_filter_never_returns_the_marker() {
    let world = World::of(CloudBuilder::new().servers(200).cells(3)).await;
    let ctx = admin();
    let all = world.plain(VISIBLE, &order_by(&[])).await;
    let wanted: Vec<_> = all.iter().copied().step_by(3).collect();
    let filter = ServerFilter {
        uuids: Some(wanted.clone()),
        vm_states: vec!["active".into()],
        ..ServerFilter::default()
    };
    let condition = format!("{VISIBLE} AND vm_state = 'active'");
    let mut expected = world.plain(&condition, &order_by(&[])).await;
    expected.retain(|uuid| wanted.contains(uuid));
    // A marker that the filter leaves out: the page begins after where it stands.
    let marker = all[31];
    let query = ServerQuery {
        filter,
        marker: Some(marker),
        ..ServerQuery::default()
    };
    let after: Vec<_> = all[32..]
        .iter()
        .filter(|uuid| expected.contains(uuid))
        .copied()
        .collect();
    let walked = walk(&world.servers(&ctx), &query, 5).await;
    assert!(!walked.contains(&marker) && !walked.is_empty());
    assert_eq!(walked, after);
}

/// The first round waits for the hung cell until the budget's end; the others' next rows are there by then all the same.
#[tokio::test]
async fn with_failing_middle_cells_what_a_cell_gave_before_is_kept_and_the_cell_is_named() {
    let world = World::of(CloudBuilder::new().servers(1_200).cells(2)).await;
    let ctx = admin();
    let cell = &world.cloud.cells()[1];
    let query = ServerQuery {
        limit: 300,
        ..ServerQuery::default()
    };
    let servers = || {
        let servers = world.servers(&ctx).batch(BatchStrategy::Fixed(100));
        servers.timeout(Duration::from_secs(4))
    };
    let first = servers().list(&query, DownCells::Fail).await.unwrap();
    let held = HeldCell::hold(cell).await.unwrap();
    let second = servers()
        .list_after(&query, &first.cursor, DownCells::Skip)
        .await
        .unwrap();
    let kinds: Vec<OutcomeKind> = second.cells.iter().map(|one| one.outcome.kind()).collect();
    use OutcomeKind::{Answered, TimedOut};
    assert_eq!(kinds, [Answered, TimedOut, Answered]);
    assert_eq!(
        second.servers.len(),
        300,
        "the page is filled by the others"
    );
    assert_eq!(second.cursor.missing(), [cell.id()]);
    held.release().await.unwrap();
    let owed = servers()
        .resume(&query, &second.cursor, DownCells::Fail)
        .await
        .unwrap();
    let mut all: Vec<_> = [ids(&first), ids(&second), ids(&owed)].concat();
    let listed = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), listed, "nothing twice");
}

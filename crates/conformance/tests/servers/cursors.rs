//! Cursors: the list goes on without a marker's cell, and what a cell did not give is fetched later, alone.

use std::collections::HashSet;
use std::time::Duration;

use instances::{
    CursorError, CursorKey, DownCells, ListError, PageCursor, ServerFilter, ServerQuery,
};
use nova_conformance::{CloudBuilder, HeldCell, Rng};
use uuid::Uuid;

use crate::support::{Lister, VISIBLE, World, admin, ids, member, nasty_world, order_by, sorted};

async fn walk_from(
    servers: &Lister<'_>,
    query: &ServerQuery,
    mut cursor: PageCursor,
) -> (Vec<Uuid>, PageCursor) {
    let mut all = Vec::new();
    while cursor.has_next() {
        let page = servers
            .list_after(query, &cursor, DownCells::Skip)
            .await
            .unwrap();
        all.extend(ids(&page));
        cursor = page.cursor;
    }
    (all, cursor)
}

#[tokio::test]
async fn a_cursor_walks_the_whole_list() {
    let world = nasty_world(21, 60).await;
    let ctx = admin();
    let servers = world.servers(&ctx);
    let key = CursorKey::from_bytes(b"key");
    for sort in [
        vec![],
        vec!["host:asc"],
        vec!["display_name:desc", "locked:asc"],
    ] {
        let query = ServerQuery {
            limit: 7,
            ..sorted(&sort)
        };
        let first = servers.list(&query, DownCells::Fail).await.unwrap();
        let cursor = key.open(&key.seal(&first.cursor)).unwrap();
        let (rest, end) = walk_from(&servers, &query, cursor).await;
        let listed: Vec<Uuid> = ids(&first).into_iter().chain(rest).collect();
        assert_eq!(listed, world.plain(VISIBLE, &order_by(&query.sort)).await);
        assert!(!end.has_gaps() && !end.has_next());
    }
}

#[tokio::test]
async fn what_a_cell_did_not_give_is_fetched_later_and_nothing_else_with_it() {
    let world = World::of(CloudBuilder::new().servers(240)).await;
    let ctx = admin();
    let servers = world.servers(&ctx).timeout(Duration::from_millis(300));
    let query = ServerQuery {
        limit: 40,
        ..ServerQuery::default()
    };
    let all = world.plain(VISIBLE, "created_at DESC, id DESC, uuid").await;
    let first = servers.list(&query, DownCells::Skip).await.unwrap();
    let held = HeldCell::hold(&world.cloud.cells()[1]).await.unwrap();
    let second = servers
        .list_after(&query, &first.cursor, DownCells::Skip)
        .await
        .unwrap();
    let third = servers
        .list_after(&query, &second.cursor, DownCells::Skip)
        .await
        .unwrap();
    assert!(third.is_partial() && third.cursor.has_gaps());
    // Still down: nothing comes, nothing is forgotten.
    let nothing = servers
        .resume(&query, &third.cursor, DownCells::Skip)
        .await
        .unwrap();
    assert!(nothing.servers.is_empty());
    assert_eq!(nothing.cursor, third.cursor);
    held.release().await.unwrap();
    let (rest, end) = walk_from(&servers, &query, third.cursor.clone()).await;
    let mut listed: Vec<Uuid> = [ids(&first), ids(&second), ids(&third), rest].concat();
    // By small pages, so that a gap is filled piece by piece.
    let small = ServerQuery {
        limit: 3,
        ..query.clone()
    };
    let (mut cursor, mut late) = (end, Vec::new());
    while cursor.has_gaps() {
        let page = servers
            .resume(&small, &cursor, DownCells::Fail)
            .await
            .unwrap();
        assert_eq!(page.cells.len(), 1);
        late.extend(ids(&page));
        cursor = page.cursor;
    }
    let lost: HashSet<Uuid> = world.cloud.cells()[1]
        .servers()
        .iter()
        .map(|seed| seed.uuid)
        .collect();
    assert!(!late.is_empty() && late.iter().all(|uuid| lost.contains(uuid)));
    let in_order: Vec<Uuid> = all
        .iter()
        .filter(|uuid| late.contains(uuid))
        .copied()
        .collect();
    assert_eq!(late, in_order);
    listed.extend(late);
    assert_eq!(listed.len(), all.len(), "nothing twice");
    assert_eq!(
        listed.into_iter().collect::<HashSet<_>>(),
        all.into_iter().collect(),
        "nothing lost"
    );
}

/// Cells go and come back between pages at random; at the end everything is there once.
#[tokio::test]
async fn whatever_goes_down_when_the_pages_and_the_gaps_are_the_list() {
    let ctx = admin();
    for seed in 0..12 {
        let world = nasty_world(seed + 500, 40).await;
        let servers = world.servers(&ctx);
        let mut rng = Rng::new(seed);
        let sort = [
            vec![],
            vec!["host:desc"],
            vec!["display_name:asc", "power_state:desc"],
        ];
        let query = ServerQuery {
            limit: u32::try_from(1 + rng.below(9)).unwrap(),
            ..sorted(&sort[usize::try_from(rng.below(3)).unwrap()])
        };
        let mut listed = Vec::new();
        let mut cursor: Option<PageCursor> = None;
        while cursor.as_ref().is_none_or(PageCursor::has_next) {
            let mut away = Vec::new();
            for cell in world.cloud.cells() {
                if rng.percent(30) {
                    away.push(cell.path().to_owned());
                }
            }
            hide(&away);
            close(&world).await;
            let page = match &cursor {
                None => servers.list(&query, DownCells::Skip).await.unwrap(),
                Some(cursor) => servers
                    .list_after(&query, cursor, DownCells::Skip)
                    .await
                    .unwrap(),
            };
            show(&away);
            assert_eq!(page.is_partial(), !away.is_empty(), "seed {seed}");
            listed.extend(ids(&page));
            cursor = Some(page.cursor);
        }
        let mut cursor = cursor.unwrap();
        while cursor.has_gaps() {
            let page = servers
                .resume(&query, &cursor, DownCells::Fail)
                .await
                .unwrap();
            listed.extend(ids(&page));
            cursor = page.cursor;
        }
        let mut expected = world.plain(VISIBLE, "uuid").await;
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "seed {seed}");
    }
}

fn hide(files: &[std::path::PathBuf]) {
    for file in files {
        std::fs::rename(file, file.with_extension("away")).unwrap();
    }
}

fn show(files: &[std::path::PathBuf]) {
    for file in files {
        std::fs::rename(file.with_extension("away"), file).unwrap();
    }
}

/// Drops open connections, which would still reach a renamed file.
async fn close(world: &World) {
    for cell in world.cloud.cells() {
        world.cells.invalidate(cells::Invalidation::Cell(cell.id()));
    }
}

#[tokio::test]
async fn a_cursor_is_for_its_own_query_and_its_own_owner() {
    let world = World::of(CloudBuilder::new().servers(100)).await;
    let ctx = admin();
    let servers = world.servers(&ctx);
    let query = ServerQuery {
        limit: 5,
        ..ServerQuery::default()
    };
    let cursor = servers.list(&query, DownCells::Fail).await.unwrap().cursor;
    let other = ServerQuery {
        filter: ServerFilter {
            vm_states: vec!["active".into()],
            ..ServerFilter::default()
        },
        ..query.clone()
    };
    let refused = |error| matches!(error, ListError::Cursor(CursorError::OtherQuery));
    assert!(refused(
        servers
            .list_after(&other, &cursor, DownCells::Skip)
            .await
            .unwrap_err()
    ));
    let somebody = member(Some("p"), None);
    let theirs = world.servers(&somebody);
    assert!(refused(
        theirs
            .list_after(&query, &cursor, DownCells::Skip)
            .await
            .unwrap_err()
    ));
    assert!(refused(
        theirs
            .resume(&query, &cursor, DownCells::Skip)
            .await
            .unwrap_err()
    ));
}

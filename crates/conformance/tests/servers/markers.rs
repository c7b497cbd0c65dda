//! Markers: any server's id, as Nova has it, deleted ones included; and what happens where one cannot be used.

use instances::{DownCells, ListError, Markers, ServerFilter, ServerQuery};
use nova_conformance::{CloudBuilder, HeldCell, Population, alter};
use std::time::Duration;
use uuid::Uuid;

use crate::support::{VISIBLE, World, admin, ids, member, sorted, walk};

fn after(marker: Uuid) -> ServerQuery {
    ServerQuery {
        marker: Some(marker),
        limit: 5,
        ..ServerQuery::default()
    }
}

#[tokio::test]
async fn a_deleted_server_is_a_marker_and_stands_where_it_stood() {
    let world = World::of(CloudBuilder::new().servers(300)).await;
    let ctx = admin();
    let everything = world.plain("1 = 1", "created_at DESC, id DESC, uuid").await;
    let visible = world.plain(VISIBLE, "created_at DESC, id DESC, uuid").await;
    let gone = world
        .cloud
        .servers()
        .find(|seed| seed.deleted != 0)
        .unwrap()
        .uuid;
    let place = everything.iter().position(|uuid| *uuid == gone).unwrap();
    let expected: Vec<_> = everything[place..]
        .iter()
        .filter(|uuid| visible.contains(uuid))
        .take(5)
        .copied()
        .collect();
    let with_mappings = world
        .servers(&ctx)
        .list(&after(gone), DownCells::Fail)
        .await
        .unwrap();
    assert_eq!(ids(&with_mappings), expected);
}

#[tokio::test]
async fn a_marker_that_no_server_has_is_not_found() {
    let world = World::of(CloudBuilder::new().servers(30)).await;
    let ctx = admin();
    let nobody = Uuid::from_u128(7);
    let error = world
        .servers(&ctx)
        .list(&after(nobody), DownCells::Skip)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ListError::MarkerNotFound(marker) if marker == nobody),
        "{error}"
    );
    let plain = instances::Servers::new(
        &ctx,
        &world.cells,
        scatter::TokioExecutor::current().unwrap(),
    );
    let error = plain
        .list(&after(nobody), DownCells::Skip)
        .await
        .unwrap_err();
    assert!(matches!(error, ListError::MarkerNotFound(_)), "{error}");
}

#[tokio::test]
async fn without_the_api_database_all_cells_are_asked_for_the_marker() {
    let world = World::of(CloudBuilder::new().servers(60)).await;
    let ctx = admin();
    let all = world.plain(VISIBLE, "created_at DESC, id DESC, uuid").await;
    let plain = instances::Servers::new(
        &ctx,
        &world.cells,
        scatter::TokioExecutor::current().unwrap(),
    );
    let page = plain.list(&after(all[9]), DownCells::Fail).await.unwrap();
    assert_eq!(ids(&page), all[10..15]);
}

#[tokio::test]
async fn a_marker_in_a_cell_that_is_down_says_so_and_a_cursor_goes_on_without_it() {
    let world = World::of(CloudBuilder::new().servers(120)).await;
    let ctx = admin();
    let servers = world.servers(&ctx).timeout(Duration::from_millis(400));
    let query = ServerQuery {
        limit: 10,
        ..ServerQuery::default()
    };
    let first = servers.list(&query, DownCells::Fail).await.unwrap();
    let last = first.servers.last().unwrap();
    let cell = world
        .cloud
        .cells()
        .iter()
        .find(|cell| Some(cell.id()) == last.cell.id())
        .unwrap();
    let elsewhere: Vec<_> = world
        .plain(VISIBLE, "created_at DESC, id DESC, uuid")
        .await
        .into_iter()
        .skip(10)
        .filter(|uuid| cell.servers().iter().all(|seed| seed.uuid != *uuid))
        .take(10)
        .collect();
    let _held = HeldCell::hold(cell).await.unwrap();
    let error = servers
        .list(&after(last.uuid), DownCells::Skip)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ListError::MarkerUnreachable { missing, .. } if missing.0.len() == 1),
        "{error}"
    );
    let second = servers
        .list_after(&query, &first.cursor, DownCells::Skip)
        .await
        .unwrap();
    assert_eq!(ids(&second), elsewhere);
}

#[tokio::test]
async fn the_end_of_a_page_that_is_remembered_needs_neither_its_row_nor_its_cell() {
    let world = World::of(CloudBuilder::new().servers(120)).await;
    let ctx = admin();
    let all = world.plain(VISIBLE, "created_at DESC, id DESC, uuid").await;
    let markers = Markers::new();
    // A service makes these anew for each request.
    let servers = || {
        let servers = world.servers(&ctx).markers(&markers);
        servers.timeout(Duration::from_millis(400))
    };
    let query = ServerQuery {
        limit: 5,
        ..ServerQuery::default()
    };
    let first = servers().list(&query, DownCells::Fail).await.unwrap();
    let marker = first.next_marker.unwrap();
    let holder = |uuid| {
        let has = |cell: &&nova_conformance::CloudCell| {
            cell.servers().iter().any(|seed| seed.uuid == uuid)
        };
        world.cloud.cells().iter().find(has).unwrap()
    };
    let purge = format!("DELETE FROM instances WHERE uuid = '{marker}'");
    alter(holder(marker).path(), &purge).await.unwrap();
    let second = servers()
        .list(&after(marker), DownCells::Fail)
        .await
        .unwrap();
    assert_eq!(ids(&second), all[5..10]);
    let forgetful = world.servers(&ctx);
    let error = forgetful.list(&after(marker), DownCells::Fail).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ListError::MarkerNotFound(_)), "{error}");

    let marker = second.next_marker.unwrap();
    let down = holder(marker);
    let _held = HeldCell::hold(down).await.unwrap();
    let lost = |uuid: &&Uuid| down.servers().iter().all(|seed| seed.uuid != **uuid);
    let expected: Vec<Uuid> = all[10..].iter().filter(lost).take(5).copied().collect();
    let third = servers()
        .list(&after(marker), DownCells::Skip)
        .await
        .unwrap();
    assert_eq!(ids(&third), expected);
    // Not the end of a page: looked up as ever.
    let elsewhere = down
        .servers()
        .iter()
        .find(|seed| seed.uuid != marker)
        .unwrap();
    let error = servers()
        .list(&after(elsewhere.uuid), DownCells::Skip)
        .await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, ListError::MarkerUnreachable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn what_an_administrator_s_page_ended_with_is_no_marker_for_others() {
    let world = World::of(CloudBuilder::new().servers(120)).await;
    let markers = Markers::new();
    let query = ServerQuery {
        limit: 5,
        ..ServerQuery::default()
    };
    let administrator = admin();
    let servers = world.servers(&administrator).markers(&markers);
    let page = servers.list(&query, DownCells::Fail).await.unwrap();
    let last = page.servers.last().unwrap();
    let foreign = (0..)
        .map(Population::project)
        .find(|p| last.project_id.as_ref() != Some(p));
    for ctx in [
        member(foreign.as_deref(), Some("u")),
        member(None, Some("u")),
    ] {
        let servers = world.servers(&ctx).markers(&markers);
        let error = servers.list(&after(last.uuid), DownCells::Fail).await;
        let error = error.unwrap_err();
        assert!(matches!(error, ListError::MarkerNotFound(_)), "{error}");
    }
}

#[tokio::test]
async fn another_project_s_server_is_no_marker_for_a_member_even_while_its_cell_is_down() {
    let world = World::of(CloudBuilder::new().servers(200)).await;
    let own = Population::project(1);
    let ctx = member(Some(&own), Some("u"));
    let cell = &world.cloud.cells()[1];
    let foreign = cell
        .servers()
        .iter()
        .find(|seed| seed.project_id.as_ref() != Some(&own))
        .unwrap();
    let mine = cell
        .servers()
        .iter()
        .find(|seed| seed.project_id.as_ref() == Some(&own))
        .unwrap();
    let servers = world.servers(&ctx).timeout(Duration::from_millis(400));
    let error = servers
        .list(&after(foreign.uuid), DownCells::Skip)
        .await
        .unwrap_err();
    assert!(matches!(error, ListError::MarkerNotFound(_)), "{error}");
    servers
        .list(&after(mine.uuid), DownCells::Skip)
        .await
        .unwrap();
    let _held = HeldCell::hold(cell).await.unwrap();
    let error = servers
        .list(&after(foreign.uuid), DownCells::Skip)
        .await
        .unwrap_err();
    assert!(matches!(error, ListError::MarkerNotFound(_)), "{error}");
    let error = servers
        .list(&after(mine.uuid), DownCells::Skip)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ListError::MarkerUnreachable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_id_filter_and_a_marker_intersect() {
    let world = World::of(CloudBuilder::new().servers(200)).await;
    let ctx = admin();
    let all = world.plain(VISIBLE, "created_at DESC, id DESC, uuid").await;
    // Every third, so that cells interleave: the case in which Nova's pages repeat for ever (W-23).
    let chosen: Vec<Uuid> = all.iter().step_by(3).copied().collect();
    let query = ServerQuery {
        filter: ServerFilter {
            uuids: Some(chosen.clone()),
            ..ServerFilter::default()
        },
        ..sorted(&[])
    };
    for size in [1, 2, 5] {
        assert_eq!(walk(&world.servers(&ctx), &query, size).await, chosen);
    }
    // A marker outside the filter is not in the page, and what stands after it is.
    let query = ServerQuery {
        marker: Some(all[1]),
        ..query
    };
    let page = world
        .servers(&ctx)
        .list(&query, DownCells::Fail)
        .await
        .unwrap();
    assert_eq!(ids(&page), chosen[1..]);
}

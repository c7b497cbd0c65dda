//! Counting, and finding one.

use instances::{DownCells, ListError, ServerFilter, ServerQuery};
use nova_conformance::CloudBuilder;

use crate::support::{VISIBLE, World, admin};

#[tokio::test]
async fn counts_by_cell_project_and_state_add_up() {
    let world = World::of(CloudBuilder::new().servers(500)).await;
    let ctx = admin();
    let counts = world
        .servers(&ctx)
        .count(&ServerFilter::default())
        .await
        .unwrap()
        .require_all()
        .unwrap();
    let all = world.plain(VISIBLE, "uuid").await.len() as u64;
    assert_eq!(counts.total(), all);
    let sum =
        |counts: Vec<(Option<String>, u64)>| counts.iter().map(|(_, servers)| servers).sum::<u64>();
    assert_eq!(
        (sum(counts.by_project()), sum(counts.by_state())),
        (all, all)
    );
    assert_eq!(counts.by_project().len(), 4);
    for (label, servers) in counts.by_cell() {
        let cell = world
            .cloud
            .cells()
            .iter()
            .find(|cell| Some(cell.id()) == label.id())
            .unwrap();
        let living = cell
            .servers()
            .iter()
            .filter(|seed| seed.deleted == 0 && seed.hidden != Some(true));
        assert_eq!(servers, living.count() as u64);
    }
}

#[tokio::test]
async fn a_count_that_lacks_a_cell_is_none_unless_asked_for() {
    let world = World::of(CloudBuilder::new().servers(100)).await;
    let ctx = admin();
    std::fs::remove_file(world.cloud.cells()[2].path()).unwrap();
    let report = world
        .servers(&ctx)
        .count(&ServerFilter::default())
        .await
        .unwrap();
    let error = report.require_all().unwrap_err();
    assert_eq!(error.missing().len(), 1);
    let (counts, missing) = world
        .servers(&ctx)
        .count(&ServerFilter::default())
        .await
        .unwrap()
        .into_parts();
    assert_eq!((counts.cells.len(), missing.len()), (3, 1));
}

#[tokio::test]
async fn one_server_is_found_in_its_cell_and_a_missing_cell_is_not_a_missing_server() {
    let world = World::of(CloudBuilder::new().servers(200)).await;
    let ctx = admin();
    let servers = world.servers(&ctx);
    let cell = &world.cloud.cells()[1];
    let living = cell
        .servers()
        .iter()
        .find(|seed| seed.deleted == 0)
        .unwrap();
    let deleted = cell
        .servers()
        .iter()
        .find(|seed| seed.deleted != 0)
        .unwrap();
    let found = servers.get(living.uuid).await.unwrap().unwrap();
    assert_eq!(
        (found.name, found.cell.id()),
        (living.display_name.clone(), Some(cell.id()))
    );
    assert_eq!(servers.get(deleted.uuid).await.unwrap(), None);
    assert_eq!(servers.get(uuid::Uuid::nil()).await.unwrap(), None);
    let reads_deleted = ctx.with_read_deleted(context::ReadDeleted::Yes);
    assert!(
        world
            .servers(&reads_deleted)
            .get(deleted.uuid)
            .await
            .unwrap()
            .unwrap()
            .deleted
    );
    let listed = servers
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    assert!(
        listed
            .servers
            .iter()
            .any(|server| server.uuid == living.uuid)
    );
    world.cells.invalidate(cells::Invalidation::Cell(cell.id()));
    std::fs::remove_file(cell.path()).unwrap();
    let error = servers.get(living.uuid).await.unwrap_err();
    assert!(matches!(error, ListError::CellsDown(_)), "{error}");
}

//! A cell that hangs, fails or is not one costs only itself, and the page says which.

use std::time::{Duration, Instant};

use cells::ErrorClass;
use context::Deadline;
use instances::{BatchStrategy, DownCells, ListError, ServerFilter, ServerQuery, Servers};
use nova_conformance::{CloudBuilder, HeldCell, Population, alter};
use scatter::{BridgedExecutor, Outcome, OutcomeKind, ThreadExecutor, ThreadPolicy};

use crate::support::{VISIBLE, World, admin, ids, member};

async fn visible_without(world: &World, cell: usize) -> Vec<uuid::Uuid> {
    let lost = world.cloud.cells()[cell].servers();
    let all = world.plain(VISIBLE, "created_at DESC, id DESC, uuid").await;
    all.into_iter()
        .filter(|uuid| lost.iter().all(|seed| seed.uuid != *uuid))
        .collect()
}

#[tokio::test]
async fn a_hung_cell_is_the_one_blamed_and_the_others_rows_are_all_there() {
    let world = World::of(CloudBuilder::new().servers(300)).await;
    let ctx = admin();
    let expected = visible_without(&world, 2).await;
    let _held = HeldCell::hold(&world.cloud.cells()[2]).await.unwrap();
    let begun = Instant::now();
    let servers = world.servers(&ctx).timeout(Duration::from_millis(300));
    let page = servers
        .list(&ServerQuery::default(), DownCells::Skip)
        .await
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(ids(&page), expected);
    let kinds: Vec<OutcomeKind> = page.cells.iter().map(|cell| cell.outcome.kind()).collect();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == OutcomeKind::Answered)
            .count(),
        3
    );
    assert_ne!(kinds[2], OutcomeKind::Answered);
    assert!(page.is_partial() && page.counts().add_up());
    assert_eq!(page.cursor.missing(), [world.cloud.cells()[2].id()]);
    let rows: usize = page
        .cells
        .iter()
        .map(|cell| match cell.outcome {
            Outcome::Answered(rows) => rows,
            _ => 0,
        })
        .sum();
    assert_eq!(rows, page.servers.len());
}

#[tokio::test]
async fn a_cell_whose_file_is_gone_fails_and_the_caller_may_refuse_a_partial_page() {
    let world = World::of(CloudBuilder::new().servers(300)).await;
    let ctx = admin();
    std::fs::remove_file(world.cloud.cells()[1].path()).unwrap();
    let page = world
        .servers(&ctx)
        .list(&ServerQuery::default(), DownCells::Skip)
        .await
        .unwrap();
    assert_eq!(ids(&page), {
        let files = world
            .cloud
            .cells()
            .iter()
            .filter(|cell| cell.name() != "cell1");
        crate::support::union(
            files.map(|cell| cell.path()),
            VISIBLE,
            "created_at DESC, id DESC, uuid",
        )
        .await
    });
    assert_eq!(page.cells[1].outcome.kind(), OutcomeKind::Failed);
    let error = world
        .servers(&ctx)
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap_err();
    let ListError::CellsDown(missing) = &error else {
        panic!("{error}");
    };
    assert_eq!(missing.0[0].cell.id(), Some(world.cloud.cells()[1].id()));
    assert!(!error.to_string().contains("sqlite"), "{error}");
}

#[tokio::test]
async fn a_cell_whose_port_refuses_is_blamed_at_once_and_the_others_rows_are_all_there() {
    let world = World::of(CloudBuilder::new().servers(300)).await;
    let ctx = admin();
    let expected = visible_without(&world, 2).await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let cell = world.cloud.cells()[2].id();
    let sql = format!(
        "UPDATE cell_mappings SET database_connection = 'mysql+pymysql://nova:secret@127.0.0.1:{closed}/nova_cell2' \
         WHERE uuid = '{cell}'"
    );
    alter(world.cloud.api_path(), &sql).await.unwrap();
    let soon = Deadline::after(Duration::from_secs(10));
    world.cells.refresh(soon).await.unwrap();
    // As patient as Nova is: it is the refusal that ends the wait, not the budget.
    let servers = world.servers(&ctx).timeout(Duration::from_secs(60));
    let begun = Instant::now();
    let page = servers.list(&ServerQuery::default(), DownCells::Skip).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    let page = page.unwrap();
    assert_eq!(ids(&page), expected);
    assert_eq!(page.cursor.missing(), [cell]);
    let Outcome::Failed(failure) = &page.cells[2].outcome else {
        panic!("{:?}", page.cells[2].outcome);
    };
    assert_eq!(failure.class(), ErrorClass::Unreachable);
    assert_eq!(page.counts().answered, 3);
}

#[tokio::test]
async fn threads_give_the_same_page_as_tasks() {
    let world = World::of(CloudBuilder::new().servers(300)).await;
    let expected = visible_without(&world, 3).await;
    let held = HeldCell::hold(&world.cloud.cells()[3]).await.unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listing = std::thread::spawn(move || {
        let ctx = admin();
        let policy = ThreadPolicy {
            workers: 4,
            ..ThreadPolicy::default()
        };
        let threads = ThreadExecutor::new("list", policy).unwrap();
        let executor = BridgedExecutor::new(threads, runtime.handle().clone());
        let servers = Servers::new(&ctx, &world.cells, executor)
            .timeout(Duration::from_millis(300))
            .batch(BatchStrategy::Fixed(100));
        let page = runtime
            .block_on(servers.list(&ServerQuery::default(), DownCells::Skip))
            .unwrap();
        (ids(&page), page.counts())
    });
    let (listed, counts) = tokio::task::spawn_blocking(|| listing.join().unwrap())
        .await
        .unwrap();
    held.release().await.unwrap();
    assert_eq!(listed, expected);
    assert_eq!((counts.asked, counts.answered), (4, 3));
}

#[tokio::test]
async fn servers_of_a_missing_cell_are_named_from_their_mappings() {
    let world = World::of(CloudBuilder::new().servers(300)).await;
    let cell = &world.cloud.cells()[1];
    std::fs::remove_file(cell.path()).unwrap();
    let (ctx, own) = (admin(), Population::project(2));
    let page = world
        .servers(&ctx)
        .list(&ServerQuery::default(), DownCells::Stub)
        .await
        .unwrap();
    let living = |seed: &&nova_conformance::ServerSeed| seed.deleted == 0;
    assert_eq!(
        page.stubs.len(),
        cell.servers().iter().filter(living).count()
    );
    assert!(
        page.stubs
            .iter()
            .all(|stub| stub.cell.id() == Some(cell.id()) && stub.created_at.is_some())
    );
    let ctx = member(Some(&own), None);
    let page = world
        .servers(&ctx)
        .list(&ServerQuery::default(), DownCells::Stub)
        .await
        .unwrap();
    assert!(!page.stubs.is_empty() && page.stubs.iter().all(|stub| stub.project_id == own));
    // What mappings do not know cannot be answered from them.
    let query = ServerQuery {
        filter: ServerFilter {
            vm_states: vec!["active".into()],
            ..ServerFilter::default()
        },
        ..ServerQuery::default()
    };
    let page = world
        .servers(&ctx)
        .list(&query, DownCells::Stub)
        .await
        .unwrap();
    assert!(page.stubs.is_empty() && page.is_partial());
    let query = ServerQuery {
        limit: 5,
        ..ServerQuery::default()
    };
    let page = world
        .servers(&ctx)
        .list(&query, DownCells::Stub)
        .await
        .unwrap();
    assert!(page.servers.len() + page.stubs.len() <= 5);
}

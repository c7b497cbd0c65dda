//! A member sees its own project's servers, whatever it asks for.

use context::ProjectId;
use instances::{DownCells, ListError, ServerFilter, ServerQuery};
use nova_conformance::{CloudBuilder, Population};

use crate::support::{VISIBLE, World, admin, ids, member};

#[tokio::test]
async fn a_member_lists_finds_and_counts_its_own_project_alone() {
    let world = World::of(CloudBuilder::new().servers(400)).await;
    let own = Population::project(1);
    let ctx = member(Some(&own), Some("u"));
    let servers = world.servers(&ctx);
    let condition = format!("{VISIBLE} AND project_id = '{own}'");
    let mine = world
        .plain(&condition, "created_at DESC, id DESC, uuid")
        .await;
    let page = servers
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    assert_eq!(ids(&page), mine);
    let counted = servers
        .count(&ServerFilter::default())
        .await
        .unwrap()
        .require_all()
        .unwrap();
    assert_eq!(counted.total(), mine.len() as u64);
    let foreign = world
        .cloud
        .servers()
        .find(|seed| seed.project_id.as_ref() != Some(&own) && seed.deleted == 0)
        .unwrap();
    assert_eq!(servers.get(foreign.uuid).await.unwrap(), None);
    assert_eq!(servers.get(mine[0]).await.unwrap().unwrap().uuid, mine[0]);
    let asked = ServerQuery {
        filter: ServerFilter {
            project: Some(ProjectId::parse(&Population::project(0)).unwrap()),
            ..ServerFilter::default()
        },
        ..ServerQuery::default()
    };
    assert!(
        servers
            .list(&asked, DownCells::Fail)
            .await
            .unwrap()
            .servers
            .is_empty()
    );
}

#[tokio::test]
async fn without_a_project_a_member_sees_what_the_user_made() {
    let world = World::of(CloudBuilder::new().servers(400)).await;
    let user = world
        .cloud
        .servers()
        .next()
        .unwrap()
        .user_id
        .clone()
        .unwrap();
    let ctx = member(None, Some(&user));
    let page = world
        .servers(&ctx)
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    let condition = format!("{VISIBLE} AND user_id = '{user}'");
    assert_eq!(
        ids(&page),
        world
            .plain(&condition, "created_at DESC, id DESC, uuid")
            .await
    );
    let nobody = member(None, None);
    let error = world
        .servers(&nobody)
        .list(&ServerQuery::default(), DownCells::Skip)
        .await
        .unwrap_err();
    assert!(matches!(error, ListError::Scope(_)), "{error}");
}

#[tokio::test]
async fn pruning_asks_only_cells_that_have_servers_of_the_project() {
    let world = World::of(CloudBuilder::new().servers(4).cells(4).projects(4)).await;
    let seed = world.cloud.servers().next().unwrap();
    let ctx = member(seed.project_id.as_deref(), None);
    let pruned = world
        .servers(&ctx)
        .prune(true)
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    let whole = world
        .servers(&ctx)
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    assert_eq!(ids(&pruned), ids(&whole));
    assert!(pruned.cells.len() < whole.cells.len());
    let admin = admin();
    let all = world
        .servers(&admin)
        .prune(true)
        .list(&ServerQuery::default(), DownCells::Fail)
        .await
        .unwrap();
    assert_eq!(all.cells.len(), 5);
}

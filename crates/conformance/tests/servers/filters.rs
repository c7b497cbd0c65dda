//! Every filter finds what a plain condition finds.

use context::{ProjectId, ReadDeleted, UserId};
use instances::{DownCells, NameFilter, ServerFilter, ServerQuery};
use nova_conformance::{CloudBuilder, Population};
use time::macros::datetime;

use crate::support::{World, admin, ids, nasty_world};

const ORDER: &str = "created_at DESC, id DESC, uuid";

async fn check(world: &World, filter: ServerFilter, condition: &str) {
    let ctx = admin();
    let query = ServerQuery {
        filter,
        ..ServerQuery::default()
    };
    let page = world
        .servers(&ctx)
        .list(&query, DownCells::Fail)
        .await
        .unwrap();
    let expected = world.plain(condition, ORDER).await;
    assert_eq!(ids(&page), expected, "{condition}");
    assert!(!expected.is_empty(), "{condition} finds something");
    let counted = world
        .servers(&ctx)
        .count(&query.filter)
        .await
        .unwrap()
        .require_all()
        .unwrap();
    assert_eq!(counted.total(), expected.len() as u64, "{condition}");
}

#[tokio::test]
async fn every_filter_finds_what_a_plain_condition_finds() {
    let world = World::of(CloudBuilder::new().servers(600)).await;
    let any = ServerFilter::default;
    let (project, user) = (
        Population::project(2),
        world
            .cloud
            .servers()
            .next()
            .unwrap()
            .user_id
            .clone()
            .unwrap(),
    );
    let shown = "deleted = 0 AND (hidden = 0 OR hidden IS NULL)";
    let uuids: Vec<_> = world
        .cloud
        .servers()
        .step_by(9)
        .map(|seed| seed.uuid)
        .collect();
    let listed: Vec<String> = uuids.iter().map(|uuid| format!("'{uuid}'")).collect();
    let cases = [
        (any(), String::new()),
        (
            ServerFilter {
                project: Some(ProjectId::parse(&project).unwrap()),
                ..any()
            },
            format!("project_id = '{project}'"),
        ),
        (
            ServerFilter {
                user: Some(UserId::parse(&user).unwrap()),
                ..any()
            },
            format!("user_id = '{user}'"),
        ),
        (
            ServerFilter {
                host: Some("cell2-compute-01".into()),
                ..any()
            },
            "host = 'cell2-compute-01'".into(),
        ),
        (
            ServerFilter {
                vm_states: vec!["active".into(), "error".into()],
                ..any()
            },
            "vm_state IN ('active', 'error')".into(),
        ),
        (
            ServerFilter {
                statuses: vec!["SHUTOFF".parse().unwrap()],
                ..any()
            },
            "vm_state = 'stopped'".into(),
        ),
        (
            ServerFilter {
                statuses: vec!["reboot".parse().unwrap(), "ERROR".parse().unwrap()],
                ..any()
            },
            "((vm_state = 'active' AND task_state = 'rebooting') OR vm_state = 'error')".into(),
        ),
        (
            ServerFilter {
                power_states: vec![4, 0],
                ..any()
            },
            "power_state IN (0, 4)".into(),
        ),
        (
            ServerFilter {
                availability_zone: Some("az-1".into()),
                ..any()
            },
            "availability_zone = 'az-1'".into(),
        ),
        (
            ServerFilter {
                flavor_id: Some(3),
                ..any()
            },
            "instance_type_id = 3".into(),
        ),
        (
            ServerFilter {
                uuids: Some(uuids),
                ..any()
            },
            format!("uuid IN ({})", listed.join(", ")),
        ),
        (
            ServerFilter {
                created_since: Some(datetime!(2026-09-20 0:00)),
                ..any()
            },
            "created_at >= '2026-09-20'".into(),
        ),
        (
            ServerFilter {
                updated_since: Some(datetime!(2026-09-20 0:00)),
                ..any()
            },
            "updated_at >= '2026-09-20'".into(),
        ),
        (
            ServerFilter {
                name: Some(NameFilter::Exactly("web".into())),
                ..any()
            },
            "display_name = 'web'".into(),
        ),
    ];
    for (filter, condition) in cases {
        let condition = if condition.is_empty() {
            "1 = 1".to_owned()
        } else {
            condition
        };
        check(&world, filter, &format!("{shown} AND {condition}")).await;
    }
    let visible = "(hidden = 0 OR hidden IS NULL)";
    check(
        &world,
        ServerFilter {
            deleted: Some(ReadDeleted::Yes),
            ..any()
        },
        visible,
    )
    .await;
    check(
        &world,
        ServerFilter {
            deleted: Some(ReadDeleted::Only),
            ..any()
        },
        &format!("{visible} AND deleted <> 0"),
    )
    .await;
    check(
        &world,
        ServerFilter {
            hidden: true,
            ..any()
        },
        "deleted = 0",
    )
    .await;
}

#[tokio::test]
async fn no_character_of_a_name_has_a_special_meaning() {
    let world = nasty_world(31, 200).await;
    let shown = "deleted = 0 AND (hidden = 0 OR hidden IS NULL)";
    for part in ["web", "WE", "%", "w%b", "é", "😀", " "] {
        let filter = ServerFilter {
            name: Some(NameFilter::Contains(part.into())),
            ..ServerFilter::default()
        };
        check(
            &world,
            filter,
            &format!("{shown} AND instr(display_name, '{part}') > 0"),
        )
        .await;
    }
    let nothing = ServerFilter {
        name: Some(NameFilter::Contains("w_b".into())),
        ..ServerFilter::default()
    };
    let query = ServerQuery {
        filter: nothing,
        ..ServerQuery::default()
    };
    let ctx = admin();
    assert!(
        world
            .servers(&ctx)
            .list(&query, DownCells::Fail)
            .await
            .unwrap()
            .servers
            .is_empty()
    );
}

#[tokio::test]
async fn an_empty_set_of_ids_finds_nothing() {
    let world = World::of(CloudBuilder::new().servers(20)).await;
    let query = ServerQuery {
        filter: ServerFilter {
            uuids: Some(Vec::new()),
            ..ServerFilter::default()
        },
        ..ServerQuery::default()
    };
    let ctx = admin();
    let page = world
        .servers(&ctx)
        .list(&query, DownCells::Fail)
        .await
        .unwrap();
    assert!(page.servers.is_empty() && !page.is_partial());
}

#[tokio::test]
async fn a_time_bound_holds_however_the_times_are_written() {
    let world = nasty_world(32, 200).await;
    let filter = ServerFilter {
        created_since: Some(datetime!(2026-09-18 04:33:00)),
        ..ServerFilter::default()
    };
    let condition =
        "deleted = 0 AND (hidden = 0 OR hidden IS NULL) AND created_at LIKE '2026-09-18%'";
    check(&world, filter, condition).await;
}

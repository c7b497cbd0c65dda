//! P9: lists and walks over three cells of ten thousand servers on MariaDB, by Nova's own `instance_list` and by ours.

use std::time::{Duration, Instant};

use cells::{Cells, RevisionKey, UrlDefaults};
use conformance::{CloudBuilder, MariaDb};
use connect::{ConnectorOptions, NovaApi, NovaConnector};
use context::{Deadline, Identity, RequestContext, Roles};
use instances::{DownCells, Markers, ServerQuery, Servers};
use nova_interop::{NovaCloud, Oracle, Peers};
use scatter::TokioExecutor;
use serde_json::json;

use crate::peers::{median, row};
use crate::{asked, number};

const DATABASES: [&str; 5] = [
    "nova_api",
    "nova_cell0",
    "nova_cell1",
    "nova_cell2",
    "nova_cell3",
];

type Listing<'a> = Servers<'a, NovaConnector, TokioExecutor>;

/// How a walk says where it is.
#[derive(Debug, Clone, Copy)]
enum By {
    Cursor,
    Marker,
}

pub(crate) async fn measure(peers: &Peers) {
    let server = MariaDb::start_with_memory(&DATABASES, 256).await;
    let server = server.expect("MariaDB");
    let urls = DATABASES.map(|name| server.url(name).expose().to_owned());
    // Nova reads more tables than ours have.
    let cloud = NovaCloud::create_on(peers, urls.to_vec());
    let folder = tempfile::tempdir().expect("a folder");
    let made = CloudBuilder::new().cells(3).servers(33_400).projects(20);
    let made = made.build(folder.path()).await.expect("a made-up cloud");
    let servers = made.cells().iter().map(|cell| cell.servers().to_vec());
    let (stores, all) = cloud.fill(servers.collect()).await;
    for mut store in stores {
        // A table that was just filled is planned for as if it were empty, until the server comes to look at it.
        store
            .run("ANALYZE TABLE instances")
            .await
            .expect("statistics");
    }
    let live = all
        .iter()
        .filter(|server| server.deleted == 0 && server.hidden != Some(true));
    let all = live.count();
    let mut nova = Oracle::with_config(peers, Some(&cloud.config()));

    let api =
        NovaApi::open(&server.url("nova_api"), &ConnectorOptions::default()).expect("nova_api");
    let key = RevisionKey::from_bytes(b"bench");
    let cells = Cells::new(
        api.clone(),
        NovaConnector::default(),
        UrlDefaults::default(),
        key,
    );
    let deadline = Deadline::after(Duration::from_secs(20));
    cells.refresh(deadline).await.expect("mappings");
    let ctx = RequestContext::for_background("bench", Identity::default(), Roles::admin());
    let listing =
        || Servers::new(&ctx, &cells, TokioExecutor::current().expect("a runtime")).api(&api);
    let markers = Markers::new();
    let (plain, remembering) = (listing(), listing().markers(&markers));

    for limit in [1000, 50] {
        let theirs = asked(
            &mut nova,
            json!({"ask": "timings.listed", "limit": limit, "times": 5}),
        );
        assert_eq!(theirs[1], json!(limit));
        let theirs = theirs[0]
            .as_array()
            .expect("seconds")
            .iter()
            .map(number)
            .collect();
        let query = query(limit);
        let mut ours = Vec::new();
        for _ in 0..15 {
            let began = Instant::now();
            let page = plain.list(&query, DownCells::Fail).await.expect("a page");
            ours.push(began.elapsed().as_secs_f64() * 1e3);
            assert_eq!(page.servers.len(), limit as usize);
        }
        let theirs = median(theirs) * 1e3;
        row(
            &format!("P9 list {limit}; peer Nova"),
            median(ours),
            "ms",
            Some(theirs),
        );
    }
    for limit in [1000, 50] {
        let theirs = asked(&mut nova, json!({"ask": "timings.walked", "limit": limit}));
        assert_eq!(theirs[1], json!(all), "Nova lists as many");
        let theirs = number(&theirs[0]) * 1e3;
        for (how, servers, by) in [
            ("by cursor", &plain, By::Cursor),
            (
                "by marker, ends of pages remembered",
                &remembering,
                By::Marker,
            ),
            ("by marker, each looked up", &plain, By::Marker),
        ] {
            let mut ours = Vec::new();
            for _ in 0..5 {
                let began = Instant::now();
                assert_eq!(walked(servers, limit, by).await, all);
                ours.push(began.elapsed().as_secs_f64() * 1e3);
            }
            let name = format!("P9 walk {all} by {limit}, {how}; peer Nova");
            row(&name, median(ours), "ms", Some(theirs));
        }
    }
}

fn query(limit: u32) -> ServerQuery {
    ServerQuery {
        limit,
        ..ServerQuery::default()
    }
}

/// How many servers a walk over all pages gives.
async fn walked(servers: &Listing<'_>, limit: u32, by: By) -> usize {
    let mut query = query(limit);
    let mut page = servers.list(&query, DownCells::Fail).await.expect("a page");
    let mut count = page.servers.len();
    while let Some(marker) = page.next_marker {
        page = match by {
            By::Cursor => {
                servers
                    .list_after(&query, &page.cursor, DownCells::Fail)
                    .await
            }
            By::Marker => {
                query.marker = Some(marker);
                servers.list(&query, DownCells::Fail).await
            }
        }
        .expect("a page");
        count += page.servers.len();
    }
    count
}

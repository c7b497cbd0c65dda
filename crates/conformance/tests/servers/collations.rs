//! Cells of MariaDB whose columns have other collations than Nova's migrations give them, or not all the same.

use instances::{DownCells, NameFilter, ServerFilter, ServerQuery, Servers, TextOrder};
use nova_conformance::{Rng, ServerSeed};
use scatter::{OutcomeKind, TokioExecutor};
use uuid::Uuid;

use crate::differential::differential;
use crate::stage::{CELLS, Stage, VISIBLE};
use crate::support::{admin, ids, nasty, sorted, walk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_collation_all_cells_share_is_the_order() {
    let mut stage = Stage::mariadb().await;
    for collation in [
        "utf8mb4_unicode_ci",
        "utf8mb4_bin",
        "utf8mb4_nopad_bin",
        "utf8mb4_unicode_520_nopad_ci",
        "utf8mb4_swedish_ci",
    ] {
        stage.collate(&[collation; CELLS + 1]).await;
        stage = differential(stage, 0..16).await;
    }
}

/// Text ordered by its bytes: what is left where cells do not agree.
const BYTES: &str = "CAST(CONVERT(display_name USING utf8mb4) AS BINARY)";

async fn mixed() -> (Stage, Vec<Uuid>) {
    let mut stage = Stage::mariadb().await;
    let collations = [
        "utf8mb4_general_ci",
        "utf8mb4_unicode_ci",
        "utf8mb4_bin",
        "utf8mb4_swedish_ci",
        "utf8mb4_general_ci",
        "utf8mb4_bin",
    ];
    stage.collate(&collations).await;
    let mut rng = Rng::new(77);
    let mut placed: Vec<Vec<ServerSeed>> = (0..CELLS)
        .map(|_| (1..=12).map(|id| nasty(&mut rng, id)).collect())
        .collect();
    stage.fill(&mut placed).await;
    let sql = format!("SELECT uuid FROM instances WHERE {VISIBLE} ORDER BY {BYTES} DESC, uuid ASC");
    let expected = stage.union.uuids(&sql).await.unwrap();
    (stage, expected)
}

#[tokio::test]
async fn cells_that_do_not_agree_are_noticed_and_text_is_ordered_by_bytes() {
    let (stage, expected) = mixed().await;
    let ctx = admin();
    let servers = || Servers::new(&ctx, &stage.cells, TokioExecutor::current().unwrap());
    let query = sorted(&["display_name:desc"]);
    for size in [1, 3, 7, 100] {
        assert_eq!(walk(&servers(), &query, size).await, expected, "by {size}");
    }
    // A caller that knows need not find out.
    let forced = servers().text_order(TextOrder::Bytes);
    assert_eq!(walk(&forced, &query, 9).await, expected);
    // Cells that agree among themselves are ordered by their collation.
    let alike = instances_of(&stage, &[0, 4]);
    let by_collation = servers()
        .selection(alike)
        .list(&query, DownCells::Fail)
        .await
        .unwrap();
    let names: Vec<&str> = by_collation
        .servers
        .iter()
        .filter_map(|s| s.name.as_deref())
        .collect();
    assert!(!names.is_sorted_by(|one, next| one >= next), "{names:?}");
}

fn instances_of(stage: &Stage, cells: &[usize]) -> cells::Selection {
    cells::Selection::Only(cells.iter().map(|at| stage.ids[*at]).collect())
}

#[tokio::test]
async fn a_cell_that_joins_a_list_in_another_order_is_missing_and_not_merged_wrongly() {
    let (stage, _) = mixed().await;
    let ctx = admin();
    let servers = |cells| {
        Servers::new(&ctx, &stage.cells, TokioExecutor::current().unwrap())
            .selection(instances_of(&stage, cells))
    };
    let query = ServerQuery {
        limit: 4,
        ..sorted(&["display_name:asc"])
    };
    let alone = servers(&[0]).list(&query, DownCells::Fail).await.unwrap();
    let both = servers(&[0, 2])
        .list_after(&query, &alone.cursor, DownCells::Skip)
        .await
        .unwrap();
    let kinds: Vec<OutcomeKind> = both.cells.iter().map(|cell| cell.outcome.kind()).collect();
    assert_eq!(kinds, [OutcomeKind::Answered, OutcomeKind::Failed]);
    assert_eq!(both.cursor.missing(), [stage.ids[2]]);
    let again = servers(&[0])
        .list_after(&query, &alone.cursor, DownCells::Fail)
        .await
        .unwrap();
    assert_eq!(ids(&both), ids(&again));
}

#[tokio::test]
async fn a_text_that_no_column_can_hold_is_found_nowhere_and_fails_no_cell() {
    let mut stage = Stage::mariadb().await;
    let ctx = admin();
    let mut seed = ServerSeed::new(1, Rng::new(3).uuid());
    seed.display_name = Some("web 😀".into());
    let any = ServerFilter::default;
    let filters = || {
        [
            ServerFilter {
                name: Some(NameFilter::Contains("😀".into())),
                ..any()
            },
            ServerFilter {
                name: Some(NameFilter::Exactly("web 😀".into())),
                ..any()
            },
        ]
    };
    for (wide, found) in [(false, 0), (true, 1)] {
        if wide {
            stage.collate(&["utf8mb4_bin"; CELLS + 1]).await;
        }
        stage.fill(&mut [vec![seed.clone()]]).await;
        for filter in filters() {
            let query = ServerQuery {
                filter,
                ..ServerQuery::default()
            };
            let servers = Servers::new(&ctx, &stage.cells, TokioExecutor::current().unwrap());
            let page = servers.list(&query, DownCells::Fail).await.unwrap();
            assert_eq!(page.servers.len(), found, "{:?}", query.filter);
        }
    }
}

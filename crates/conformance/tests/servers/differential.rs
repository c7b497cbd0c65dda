//! R8: random clouds, random questions, on every kind of database and both executors: all pages put together are what one
//! query on a database that holds the union gives. Some clouds change while they are walked.
//!
//! In the usual run a few hundred data sets; `SERVERS_DATA_SETS` sets how many for each kind of database, or which
//! (`8000..10000`). A failure names its seed.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use context::RequestContext;
use instances::{Direction, DownCells, ServerQuery, Servers, SortBy, SortKey};
use nova_conformance::{Rng, ServerSeed};
use scatter::{AsyncExecutor, BridgedExecutor, ThreadExecutor, ThreadPolicy, TokioExecutor};
use uuid::Uuid;

use crate::stage::{CELLS, Stage, VISIBLE};
use crate::support::{admin, ids, nasty};

/// The seeds of the data sets.
fn sets(usual: u64) -> Range<u64> {
    let Ok(set) = std::env::var("SERVERS_DATA_SETS") else {
        return 0..usual;
    };
    let (from, to) = set.split_once("..").unwrap_or(("0", &set));
    let number = |text: &str| {
        text.parse()
            .expect("SERVERS_DATA_SETS is a number or a range")
    };
    number(from)..number(to)
}

/// One data set: what is there, what is asked, and how.
struct Case {
    seed: u64,
    placed: Vec<Vec<ServerSeed>>,
    sort: Vec<SortBy>,
    size: u32,
    /// Goes on by cursors, not by markers.
    by_cursor: bool,
    /// Rows change between pages.
    changing: bool,
    on_threads: bool,
}

impl Case {
    fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let cells = 1 + usize::try_from(rng.below(CELLS as u64)).unwrap();
        let mut placed = vec![Vec::new(); cells];
        for _ in 0..rng.below(40) {
            let at = usize::try_from(rng.below(cells as u64)).unwrap();
            let id = 1 + i64::try_from(placed[at].len()).unwrap();
            placed[at].push(nasty(&mut rng, id));
        }
        // Every key in both directions comes first in turn; what follows it is random.
        let direction = |up: bool| if up { Direction::Asc } else { Direction::Desc };
        let turn = usize::try_from(seed % (2 * SortKey::ALL.len() as u64)).unwrap();
        let mut sort = vec![SortBy {
            key: SortKey::ALL[turn / 2],
            direction: direction(turn.is_multiple_of(2)),
        }];
        for _ in 0..rng.below(3) {
            sort.push(SortBy {
                key: *rng.pick(SortKey::ALL).unwrap(),
                direction: direction(rng.percent(50)),
            });
        }
        if rng.percent(10) {
            sort.clear();
        }
        let servers: usize = placed.iter().map(Vec::len).sum();
        Self {
            seed,
            sort,
            size: 1 + u32::try_from(rng.below(servers as u64 + 2)).unwrap(),
            by_cursor: rng.percent(50),
            changing: rng.percent(30),
            on_threads: rng.percent(50),
            placed,
        }
    }
}

pub(crate) async fn differential(mut stage: Stage, seeds: Range<u64>) -> Stage {
    let ctx = admin();
    let policy = ThreadPolicy {
        workers: CELLS,
        ..ThreadPolicy::default()
    };
    let threads = ThreadExecutor::new("list", policy).unwrap();
    let threads = BridgedExecutor::new(threads, tokio::runtime::Handle::current());
    let tasks = TokioExecutor::current().unwrap();
    let (mut pages, sets) = (0, seeds.end - seeds.start);
    for seed in seeds {
        let case = Case::of(seed);
        pages += match case.on_threads {
            true => check(&mut stage, &ctx, threads.clone(), case).await,
            false => check(&mut stage, &ctx, tasks.clone(), case).await,
        };
    }
    assert!(pages > sets, "{pages} pages");
    stage
}

async fn check<E: AsyncExecutor + Clone>(
    stage: &mut Stage,
    ctx: &RequestContext,
    executor: E,
    mut case: Case,
) -> u64 {
    stage.fill(&mut case.placed).await;
    let before = stage.plain(VISIBLE, &case.sort).await;
    let (listed, touched, pages) = walk(stage, ctx, executor, &case, &before).await;
    let untouched = |all: &[Uuid]| -> Vec<Uuid> {
        all.iter()
            .filter(|uuid| !touched.contains(uuid))
            .copied()
            .collect()
    };
    let Case {
        seed,
        sort,
        size,
        by_cursor,
        ..
    } = &case;
    assert_eq!(
        untouched(&listed),
        untouched(&before),
        "{:?}, seed {seed}: {sort:?} by {size}, by cursor: {by_cursor}",
        stage.dialect
    );
    if touched.is_empty() {
        assert_eq!(listed.len(), before.len());
    }
    pages
}

/// All pages, the rows that were changed meanwhile, and the number of pages.
async fn walk<E: AsyncExecutor + Clone>(
    stage: &mut Stage,
    ctx: &RequestContext,
    executor: E,
    case: &Case,
    before: &[Uuid],
) -> (Vec<Uuid>, HashSet<Uuid>, u64) {
    let mut rng = Rng::new(case.seed ^ 0xdead);
    let selection = stage.first(case.placed.len());
    let cells = stage.cells.clone();
    // Markers are looked for in all cells: mappings are another test's.
    let servers = Servers::new(ctx, &cells, executor)
        .selection(selection)
        .timeout(Duration::from_secs(30));
    let mut query = ServerQuery {
        sort: case.sort.clone(),
        limit: case.size,
        ..ServerQuery::default()
    };
    let (mut listed, mut touched, mut pages, mut cursor) = (Vec::new(), HashSet::new(), 0, None);
    loop {
        let page = match &cursor {
            Some(cursor) => servers.list_after(&query, cursor, DownCells::Fail).await,
            None => servers.list(&query, DownCells::Fail).await,
        };
        let page = page.unwrap_or_else(|error| panic!("seed {}: {error}", case.seed));
        listed.extend(ids(&page));
        pages += 1;
        assert!(pages < 200, "seed {}: the walk does not end", case.seed);
        let Some(marker) = page.next_marker else {
            assert!(page.servers.len() < case.size as usize);
            return (listed, touched, pages);
        };
        match case.by_cursor {
            true => cursor = Some(page.cursor),
            false => query.marker = Some(marker),
        }
        if case.changing {
            change(stage, &mut rng, case, marker, before, &mut touched).await;
        }
    }
}

/// Deletes what was just listed, as its owner may, and changes another row.
async fn change(
    stage: &mut Stage,
    rng: &mut Rng,
    case: &Case,
    marker: Uuid,
    before: &[Uuid],
    touched: &mut HashSet<Uuid>,
) {
    let mut changes = Vec::new();
    if rng.percent(50) {
        // A row that is a marker must not go altogether: it could not be looked up. A cursor needs nobody.
        changes.push(match case.by_cursor && rng.percent(50) {
            true => (marker, "DELETE FROM instances WHERE uuid = "),
            false => (marker, "UPDATE instances SET deleted = id WHERE uuid = "),
        });
    }
    if let Some(other) = rng.pick(before).copied().filter(|other| *other != marker) {
        changes.push((
            other,
            "UPDATE instances SET display_name = 'Zoé', host = NULL, created_at = NULL, locked = TRUE, \
             vm_state = 'error', launched_at = '2026-09-18 04:33:00' WHERE uuid = ",
        ));
    }
    for (uuid, sql) in changes {
        for store in &mut stage.stores[..case.placed.len()] {
            store.run(&format!("{sql}'{uuid}'")).await.unwrap();
        }
        touched.insert(uuid);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_clouds_on_sqlite_list_as_their_union_does() {
    differential(Stage::sqlite().await, sets(310)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_clouds_on_mariadb_list_as_their_union_does() {
    differential(Stage::mariadb().await, sets(124)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_clouds_on_postgres_list_as_their_union_does() {
    differential(Stage::postgres().await, sets(124)).await;
}

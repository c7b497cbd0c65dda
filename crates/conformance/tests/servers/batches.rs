//! How many statements a page costs each cell: Nova's `TestBatching` (nova-facts 6.2), ten times its sizes because a batch is
//! at least 100 rows. The witness is MariaDB's own log of what it was sent.

use instances::{BatchStrategy, DownCells, ServerQuery, Servers};
use nova_conformance::{MariaDb, Rng, ServerSeed};
use scatter::TokioExecutor;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{Connection, Executor, Row};

use crate::stage::{CELLS, Stage};
use crate::support::{admin, ids};

/// The page of all cases.
const LIMIT: u32 = 500;

/// What the server is sent, as it writes it down itself.
struct Log(MySqlConnection);

impl Log {
    async fn of(server: &MariaDb) -> Self {
        let options = MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(server.port())
            .username("root")
            .database("mysql");
        let mut log = Self(MySqlConnection::connect_with(&options).await.unwrap());
        log.run("SET GLOBAL log_output = 'TABLE'").await;
        log
    }

    async fn run(&mut self, sql: &'static str) {
        self.0.execute(sql).await.unwrap();
    }

    /// What this work gives, and the statements on each cell's servers that it took.
    async fn of_work<T>(&mut self, work: impl Future<Output = T>) -> (T, Vec<i64>) {
        self.run("TRUNCATE TABLE general_log").await;
        self.run("SET GLOBAL general_log = ON").await;
        let given = work.await;
        self.run("SET GLOBAL general_log = OFF").await;
        // The log names connections; they stay open in their pools.
        let sql = "SELECT COUNT(*) FROM general_log sent \
             JOIN information_schema.processlist link ON link.id = sent.thread_id WHERE link.db = ? \
             AND sent.command_type IN ('Execute', 'Query') AND sent.argument LIKE '%FROM instances%'";
        let mut statements = Vec::new();
        for cell in 0..CELLS {
            let counted = sqlx::query(sql).bind(format!("nova_cell{cell}"));
            let counted = counted.fetch_one(&mut self.0).await.unwrap();
            statements.push(counted.get(0));
        }
        (given, statements)
    }
}

/// Servers made one after the other, second by second, from this second on.
fn made(rng: &mut Rng, seconds: impl Iterator<Item = u32>) -> Vec<ServerSeed> {
    let server = |(id, at): (i64, u32)| ServerSeed {
        created_at: Some(format!(
            "2026-09-18 {:02}:{:02}:{:02}.000000",
            at / 3600,
            at / 60 % 60,
            at % 60
        )),
        ..ServerSeed::new(id, rng.uuid())
    };
    (1..).zip(seconds).map(server).collect()
}

/// The statements that one page costs each cell, by each of these strategies.
async fn costs(
    stage: &mut Stage,
    log: &mut Log,
    mut placed: Vec<Vec<ServerSeed>>,
    strategies: &[BatchStrategy],
) -> Vec<Vec<i64>> {
    stage.fill(&mut placed).await;
    let mut expected: Vec<&ServerSeed> = placed.iter().flatten().collect();
    expected.sort_by_key(|server| std::cmp::Reverse((&server.created_at, server.id)));
    let expected = expected.into_iter().take(LIMIT as usize);
    let expected: Vec<_> = expected.map(|server| server.uuid).collect();
    let ctx = admin();
    let query = ServerQuery {
        limit: LIMIT,
        ..ServerQuery::default()
    };
    let mut costs = Vec::new();
    for batch in strategies {
        let servers = Servers::new(&ctx, &stage.cells, TokioExecutor::current().unwrap());
        let servers = servers.batch(*batch);
        let (page, cost) = log.of_work(servers.list(&query, DownCells::Fail)).await;
        assert_eq!(ids(&page.unwrap()), expected, "{batch:?}");
        costs.push(cost);
    }
    costs
}

#[tokio::test]
async fn batches_cost_the_winning_cell_one_statement_each_and_the_others_one() {
    let mut stage = Stage::mariadb().await;
    let mut log = Log::of(stage.mariadb_server()).await;
    let mut rng = Rng::new(61);

    // `batches` and `no_batches`: all of the page's servers are in the third cell.
    let wins = |cell| match cell {
        2 => 40_000..41_000,
        _ => 0..1_000,
    };
    let placed = (0..CELLS).map(|cell| made(&mut rng, wins(cell)));
    let strategies = [
        BatchStrategy::Fixed(100),
        BatchStrategy::Fixed(LIMIT),
        BatchStrategy::Distributed,
        BatchStrategy::Adaptive,
    ];
    let placed = placed.collect();
    assert_eq!(
        costs(&mut stage, &mut log, placed, &strategies).await,
        [
            [1, 1, 5, 1, 1],
            // The limit is the batch.
            [1, 1, 1, 1, 1],
            // 110 rows a time.
            [1, 1, 5, 1, 1],
            // 110, then all that the page still lacks.
            [1, 1, 2, 1, 1],
        ]
    );

    // `batches_not_needed`: servers are spread evenly.
    let evenly = |cell: usize| (u32::try_from(cell).unwrap()..1_000).step_by(CELLS);
    let placed = (0..CELLS).map(|cell| made(&mut rng, evenly(cell)));
    let placed = placed.collect();
    let strategies = [BatchStrategy::Distributed, BatchStrategy::Adaptive];
    assert_eq!(
        costs(&mut stage, &mut log, placed, &strategies).await,
        [[1; CELLS], [1; CELLS]]
    );

    // `get_instances_batched`: what one cell has more of than its share is fetched in a batch of its own.
    let more = |cell: usize| match cell {
        0 => 0..=349,
        other => 50 * u32::try_from(other).unwrap()..=50 * u32::try_from(other).unwrap() + 49,
    };
    let placed = (0..CELLS).map(|cell| made(&mut rng, more(cell)));
    let placed = placed.collect();
    let cost = costs(&mut stage, &mut log, placed, &[BatchStrategy::Fixed(100)]).await;
    // Three full batches and one row; the others end, which takes a look at servers without a time.
    assert_eq!(cost, [[4, 2, 2, 2, 2]]);
}

#[tokio::test]
async fn a_page_after_another_asks_each_cell_for_its_part_and_all_of_them_once() {
    let mut stage = Stage::mariadb().await;
    let mut log = Log::of(stage.mariadb_server()).await;
    let mut rng = Rng::new(62);
    // The first cell has few of the servers, as cell0 has; a fair share of all cells is too little for the others.
    let spread = |cell: usize| match cell {
        0 => (0..4_000).step_by(20),
        other => (u32::try_from(other).unwrap()..4_000).step_by(CELLS - 1),
    };
    let mut placed: Vec<_> = (0..CELLS)
        .map(|cell| made(&mut rng, spread(cell)))
        .collect();
    stage.fill(&mut placed).await;
    let ctx = admin();
    let servers = Servers::new(&ctx, &stage.cells, TokioExecutor::current().unwrap());
    let query = ServerQuery {
        limit: LIMIT,
        ..ServerQuery::default()
    };
    let (first, cost) = log.of_work(servers.list(&query, DownCells::Fail)).await;
    // Whoever would run dry next is asked together with who did.
    assert_eq!(cost, [1, 2, 2, 2, 2]);
    let cursor = first.unwrap().cursor;
    let next = servers.list_after(&query, &cursor, DownCells::Fail);
    let (next, cost) = log.of_work(next).await;
    assert_eq!(cost, [1; CELLS]);
    assert_eq!(next.unwrap().servers.len(), LIMIT as usize);
}

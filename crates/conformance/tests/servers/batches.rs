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

/// What the server was sent, cell by cell.
struct Log {
    root: MySqlConnection,
    counted: Vec<i64>,
}

impl Log {
    /// Begins with connections that are made from now on.
    async fn begin(server: &MariaDb) -> Self {
        let options = MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(server.port())
            .username("root")
            .database("mysql");
        let mut root = MySqlConnection::connect_with(&options).await.unwrap();
        root.execute("SET GLOBAL log_output = 'TABLE'")
            .await
            .unwrap();
        root.execute("SET GLOBAL general_log = ON").await.unwrap();
        Self {
            root,
            counted: vec![0; CELLS],
        }
    }

    /// Statements on each cell's servers since this was last asked.
    async fn statements(&mut self) -> Vec<i64> {
        // A connection's first line names its database, the others the connection alone.
        let sql = "SELECT COUNT(*) FROM general_log sent JOIN general_log met USING (thread_id) \
             WHERE met.command_type = 'Connect' AND met.argument LIKE ? \
             AND sent.command_type IN ('Execute', 'Query') AND sent.argument LIKE '%FROM instances%'";
        let mut now = Vec::new();
        for cell in 0..CELLS {
            let counted = sqlx::query(sql).bind(format!("% on nova_cell{cell} %"));
            let counted = counted.fetch_one(&mut self.root).await.unwrap();
            now.push(counted.get(0));
        }
        let before = std::mem::replace(&mut self.counted, now);
        let both = self.counted.iter().zip(before);
        both.map(|(now, before)| now - before).collect()
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
        log.statements().await;
        let page = servers.batch(*batch).list(&query, DownCells::Fail).await;
        assert_eq!(ids(&page.unwrap()), expected, "{batch:?}");
        costs.push(log.statements().await);
    }
    costs
}

#[tokio::test]
async fn batches_cost_the_winning_cell_one_statement_each_and_the_others_one() {
    let mut stage = Stage::mariadb().await;
    let mut log = Log::begin(stage.mariadb_server()).await;
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

//! Rows that hold what Nova would not write: times of the day 0000-00-00, and what cannot be read at all.

use std::io;
use std::sync::{Arc, Mutex};

use instances::{DownCells, ServerQuery, Servers};
use nova_conformance::{Rng, ServerSeed};
use scatter::TokioExecutor;
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use crate::stage::{CELLS, Stage, VISIBLE};
use crate::support::{admin, ids, nasty, sorted, walk};

/// A third of the rows have no time of their own, of the others some are NULL.
const ZEROS: &str = "SET SESSION sql_mode = ''; \
    UPDATE instances SET created_at = 0 WHERE MOD(CRC32(uuid), 3) = 0; \
    UPDATE instances SET launched_at = 0 WHERE MOD(CRC32(uuid), 5) < 2";

async fn filled() -> Stage {
    let mut stage = Stage::mariadb().await;
    let mut rng = Rng::new(4711);
    let mut placed: Vec<Vec<ServerSeed>> = (0..CELLS)
        .map(|_| (1..=12).map(|id| nasty(&mut rng, id)).collect())
        .collect();
    stage.fill(&mut placed).await;
    for store in stage.stores.iter_mut().chain([&mut stage.union]) {
        store.run(ZEROS).await.unwrap();
    }
    stage
}

#[tokio::test]
async fn the_day_0000_00_00_is_no_time_and_keeps_its_place_above_null() {
    let mut stage = filled().await;
    let ctx = admin();
    for sort in [
        &[][..],
        &["created_at:asc"],
        &["launched_at:desc", "created_at:asc"],
        &["launched_at:asc", "display_name:desc"],
        &["locked:asc", "created_at:desc", "launched_at:asc"],
    ] {
        let query = sorted(sort);
        let expected = stage.plain(VISIBLE, &query.sort).await;
        let servers = || Servers::new(&ctx, &stage.cells, TokioExecutor::current().unwrap());
        for size in [1, 3, 100] {
            let walked = walk(&servers(), &query, size).await;
            assert_eq!(walked, expected, "{sort:?} by {size}");
        }
        let query = ServerQuery { limit: 4, ..query };
        let page = servers().list(&query, DownCells::Fail).await.unwrap();
        let (mut listed, mut cursor) = (ids(&page), page.cursor);
        while cursor.has_next() {
            let page = servers().list_after(&query, &cursor, DownCells::Fail).await;
            let page = page.unwrap();
            listed.extend(ids(&page));
            cursor = page.cursor;
        }
        assert_eq!(listed, expected, "{sort:?} by cursor");
    }
    let zero = format!("{VISIBLE} AND MOD(CRC32(uuid), 3) = 0");
    let zeros: Vec<Uuid> = stage.plain(&zero, &[]).await;
    assert!(!zeros.is_empty());
    let servers = Servers::new(&ctx, &stage.cells, TokioExecutor::current().unwrap());
    let page = servers.list(&sorted(&[]), DownCells::Fail).await.unwrap();
    for server in &page.servers {
        assert!(server.created_at.is_none() || !zeros.contains(&server.uuid));
    }
}

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_to_the_log_and_fails_its_cell_alone() {
    let mut stage = filled().await;
    let sql = "UPDATE instances SET uuid = 'not a uuid', deleted = 0, hidden = FALSE WHERE id = 7";
    stage.stores[2].run(sql).await.unwrap();
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let ctx = admin();
    let servers = Servers::new(&ctx, &stage.cells, TokioExecutor::current().unwrap());
    let page = servers.list(&sorted(&[]), DownCells::Skip).await.unwrap();
    let counts = page.counts();
    assert_eq!((counts.answered, counts.failed), (CELLS - 1, 1));
    assert!(
        page.servers
            .iter()
            .all(|s| s.cell.id() != Some(stage.ids[2]))
    );
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the row of instances with id 7"), "{log}");
    assert!(!log.contains("not a uuid"), "{log}");
}

//! R5: a mapping whose login or place changes under load, again and again, without one failed request.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cells::{
    CellError, CellId, Cells, MappingSource, RawCellMapping, RevisionKey, SecretText, UrlDefaults,
};
use connect::{ConnectorOptions, NovaConnector};
use context::{Deadline, Identity, RequestContext, Roles};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::stages::{proxy, through};
use crate::{DATABASE, Server, connections_fall_to, fill, open, rows, say, within};

const CELL: &str = "6d5bd30e-147b-44db-9ceb-1a392e756c36";
const ROTATIONS: usize = 20;
/// The one whose password is wrong.
const BAD: usize = 10;
const PER_SECOND: u32 = 200;

/// Mappings that are changed while they are in use.
#[derive(Clone)]
struct Changing(Arc<Mutex<SecretText>>);

#[async_trait]
impl MappingSource for Changing {
    async fn load(&self, _deadline: Deadline) -> Result<Vec<RawCellMapping>, CellError> {
        Ok(vec![RawCellMapping {
            uuid: CELL.into(),
            name: Some("cell1".into()),
            database_connection: Some(self.0.lock().unwrap().clone()),
            transport_url: Some("fake:///c1".into()),
            disabled: false,
        }])
    }
}

/// The URL with another login.
fn with_login(url: &SecretText, user: &str, password: &str) -> SecretText {
    let (scheme, rest) = url.expose().split_once("://").unwrap();
    let (_, place) = rest.split_once('@').unwrap();
    SecretText::new(format!("{scheme}://{user}:{password}@{place}"))
}

pub(crate) async fn suite(server: &impl Server) {
    let first = open(&server.url(DATABASE), 1);
    fill(&first).await;
    first.close();
    // A second way to the same server: another host, as far as the mapping goes.
    let detour = proxy(server).await;
    let direct = server.url(DATABASE);
    let detoured = through(&detour, &direct);
    for sql in server.login("rotated0", "p0") {
        server.superuser(&sql).await;
    }
    let source = Changing(Arc::new(Mutex::new(with_login(&direct, "rotated0", "p0"))));
    let cells = Cells::new(
        source.clone(),
        // Few connections: each rotation logs in anew for all of them, and a debug build takes its time for that.
        NovaConnector::new(ConnectorOptions {
            pool_size: 2,
            ..ConnectorOptions::default()
        }),
        UrlDefaults::default(),
        RevisionKey::ephemeral().unwrap(),
    );
    cells.refresh(within(10_000)).await.unwrap();

    let (done, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let load = tokio::spawn(load(cells.clone(), Arc::clone(&done), Arc::clone(&stop)));
    let mut slowest = Duration::ZERO;
    for n in 1..=ROTATIONS {
        let (user, password) = (format!("rotated{n}"), format!("p{n}"));
        for sql in server.login(&user, &password) {
            server.superuser(&sql).await;
        }
        let place = if n % 4 == 3 { &detoured } else { &direct };
        let url = match n {
            BAD => with_login(&direct, &user, "mistyped"),
            _ => with_login(place, &user, &password),
        };
        *source.0.lock().unwrap() = url;
        let begun = Instant::now();
        let before = done.load(Ordering::Acquire);
        cells.refresh(within(10_000)).await.unwrap();
        let id: CellId = CELL.parse().unwrap();
        let ctx = request();
        let target = cells.target(&ctx, id).unwrap();
        // In use, and the load goes on.
        target.database().ping(within(10_000)).await.unwrap();
        slowest = slowest.max(begun.elapsed());
        while done.load(Ordering::Acquire) < before + 40 {
            tokio::task::yield_now().await;
        }
        let rolled_back = target.database().login_rolled_back();
        assert_eq!(rolled_back, n == BAD, "rotation {n}");
    }
    stop.store(true, Ordering::Release);
    let failed = load.await.unwrap();
    let count = done.load(Ordering::Acquire);
    say(&format!(
        "{count} requests over {ROTATIONS} rotations, slowest in use after {slowest:?}"
    ));
    assert_eq!(failed, Vec::<String>::new());
    assert!(count >= ROTATIONS * 40);
    // The old ones' connections have gone with the last who held them.
    drop(cells);
    connections_fall_to(0, server).await;
}

fn request() -> RequestContext {
    RequestContext::for_background("rotation", Identity::default(), Roles::admin())
}

/// Asks all the time, and gives what went wrong.
async fn load(
    cells: Cells<NovaConnector>,
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Vec<String> {
    let mut requests = JoinSet::new();
    let mut clock = interval(Duration::from_secs(1) / PER_SECOND);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !stop.load(Ordering::Acquire) {
        clock.tick().await;
        let (cells, done) = (cells.clone(), Arc::clone(&done));
        requests.spawn(async move {
            let cell = cells.target(&request(), CELL.parse().unwrap()).unwrap();
            let session = cell.database().read_only(within(10_000));
            let read = rows(&session, "SELECT * FROM t").await;
            done.fetch_add(1, Ordering::AcqRel);
            (read != Ok(3)).then(|| format!("{:?}", read.map_err(|e| format!("{e} {e:?}"))))
        });
    }
    requests.join_all().await.into_iter().flatten().collect()
}

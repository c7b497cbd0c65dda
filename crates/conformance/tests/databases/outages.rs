//! Outages of one cell's server, beside cells whose server is well: stopped, killed, restarted, its disk full. The others'
//! answers and how long they take stay as they were, and the cell itself is used again soon after it is back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cells::{
    CellId, Cells, ErrorClass, RawCellMapping, RevisionKey, SecretText, StaticSource, UrlDefaults,
};
use connect::{CellDb, ConnectorOptions, NovaConnector, classify};
use context::{Identity, RequestContext, Roles};
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;

use crate::{DATABASE, SLACK, Server, class, fill, open, rows, say, within};

/// The second database of the healthy server.
const OTHER: &str = "nova_api";

/// What an asker of the sick cell has.
const BUDGET: u64 = 500;

/// R5: a server that is back is used within.
const RECOVERY: Duration = Duration::from_secs(2);

/// Requests to the healthy cells while something is wrong.
const ASKED: usize = 400;

/// One connector's cells: the first is the one that falls ill, the others are databases of a server that stays well.
struct Cloud {
    sick: CellDb,
    healthy: [CellDb; 2],
    _cells: Cells<NovaConnector>,
}

impl Cloud {
    async fn new(sick: &impl Server, healthy: &impl Server) -> Self {
        let urls = [
            sick.url(DATABASE),
            healthy.url(DATABASE),
            healthy.url(OTHER),
        ];
        for url in &urls {
            let db = open(url, 1);
            fill(&db).await;
            db.close();
        }
        let row = |(n, url): (usize, SecretText)| RawCellMapping {
            uuid: format!("{n:08x}-147b-44db-9ceb-1a392e756c36"),
            name: Some(format!("cell{n}")),
            database_connection: Some(url),
            transport_url: Some(SecretText::new(format!("fake:///c{n}"))),
            disabled: false,
        };
        let source = StaticSource::new(urls.into_iter().enumerate().map(row).collect());
        let connector = NovaConnector::new(ConnectorOptions::default());
        let key = RevisionKey::ephemeral().unwrap();
        let cells = Cells::new(source, connector, UrlDefaults::default(), key);
        cells.refresh(within(10_000)).await.unwrap();
        let request = RequestContext::for_background("outage", Identity::default(), Roles::admin());
        let database = |n: usize| {
            let id: CellId = format!("{n:08x}-147b-44db-9ceb-1a392e756c36")
                .parse()
                .unwrap();
            cells.target(&request, id).unwrap().database().clone()
        };
        Self {
            sick: database(0),
            healthy: [database(1), database(2)],
            _cells: cells,
        }
    }

    /// What the healthy cells' requests take in the middle, while eight callers ask the first one, each again and again,
    /// and get `expected` from it; none of them later than their budget. Where nothing is expected, anything is right.
    async fn asked(&self, what: &str, expected: Option<&[Option<ErrorClass>]>) -> Duration {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(Mutex::new(Vec::new()));
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            let (db, stop) = (self.sick.clone(), Arc::clone(&stop));
            let answers = Arc::clone(&answers);
            callers.spawn(async move {
                // A refusal takes no time; nobody asks ten thousand times a second.
                let mut clock = tokio::time::interval(Duration::from_millis(5));
                while !stop.load(Ordering::Acquire) {
                    clock.tick().await;
                    let begun = Instant::now();
                    let read = rows(&db.read_only(within(BUDGET)), "SELECT * FROM t").await;
                    let class = read.err().map(|error| classify(error).class());
                    let late = begun.elapsed();
                    assert!(late < Duration::from_millis(BUDGET) + SLACK, "{late:?}");
                    answers.lock().unwrap().push(class);
                }
            });
        }
        let next = AtomicUsize::new(0);
        let ask = || async {
            let mut took = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::AcqRel);
                // As long as it takes until the sick one has been asked, too.
                if n >= ASKED && answers.lock().unwrap().len() >= 8 {
                    return took;
                }
                let begun = Instant::now();
                let session = self.healthy[n % 2].read_only(within(10_000));
                assert_eq!(rows(&session, "SELECT * FROM t").await, Ok(3), "{what}");
                took.push(begun.elapsed());
            }
        };
        let (mut took, others) = tokio::join!(ask(), ask());
        took.extend(others);
        stop.store(true, Ordering::Release);
        while let Some(done) = callers.join_next().await {
            done.unwrap();
        }
        took.sort();
        let (middle, last) = (took[took.len() / 2], took[took.len() - 1]);
        let answers = answers.lock().unwrap();
        say(&format!(
            "{what}: {} healthy requests, middle {middle:?}, longest {last:?}; {} to the sick one",
            took.len(),
            answers.len()
        ));
        for answer in answers.iter() {
            let is_right = expected.is_none_or(|expected| expected.contains(answer));
            assert!(is_right, "{what}: {answer:?}");
        }
        assert!(last < SLACK, "{what}: {last:?}");
        middle
    }

    async fn recovers(&self, what: &str) {
        let begun = Instant::now();
        while rows(&self.sick.read_only(within(10_000)), "SELECT * FROM t").await != Ok(3) {
            tokio::task::yield_now().await;
        }
        let took = begun.elapsed();
        say(&format!("{what}: used again after {took:?}"));
        assert!(took <= RECOVERY, "{what}: {took:?}");
    }
}

/// What a healthy request may take beside a sick cell, by what it takes beside a healthy one. Wide, since a server that starts
/// computes; waiting for the sick one would take the whole of its budget.
fn fits(before: Duration, now: Duration, what: &str) {
    let most = before * 3 + Duration::from_millis(10);
    assert!(now <= most, "{what}: {now:?}, and before {before:?}");
}

/// `sick` has a small disk.
pub(crate) async fn suite<S: Server + Send + 'static>(mut sick: S, healthy: &impl Server) {
    let cloud = Cloud::new(&sick, healthy).await;
    cloud.asked("at first", None).await;
    let before = cloud.asked("well", Some(&[None])).await;

    sick.signal("STOP").unwrap();
    let timeout = Some(ErrorClass::Timeout);
    let now = cloud.asked("stopped", Some(&[timeout])).await;
    fits(before, now, "stopped");
    sick.signal("CONT").unwrap();
    cloud.recovers("stopped and continued").await;

    sick.signal("KILL").unwrap();
    let unreachable = Some(ErrorClass::Unreachable);
    let now = cloud.asked("killed", Some(&[unreachable, timeout])).await;
    fits(before, now, "killed");
    let restarting = tokio::task::spawn_blocking(move || {
        let restarted = sick.restart();
        (sick, restarted)
    });
    while !restarting.is_finished() {
        let now = cloud.asked("restarting", None).await;
        fits(before, now, "restarting");
    }
    let (mut sick, restarted) = restarting.await.unwrap();
    restarted.unwrap();
    cloud.recovers("killed and restarted").await;

    // The callers' own connections are there again, which a debug build logs in for slowly; and are taken away.
    cloud.asked("restarted, at first", None).await;
    let now = cloud.asked("restarted", Some(&[None])).await;
    fits(before, now, "restarted");
    tokio::task::block_in_place(|| sick.restart()).unwrap();
    cloud.recovers("restarted in use").await;
    cloud.asked("restarted in use, at first", None).await;

    full_disk(&cloud, &sick, before).await;
}

/// Tables on a disk that is full: writing them is refused as a matter of load, reading goes on, and so does everybody else.
async fn full_disk(cloud: &Cloud, sick: &impl Server, before: Duration) {
    for sql in sick.on_small_disk() {
        sick.superuser(&sql).await;
    }
    let write = async |table: &str, count: i64| {
        let rows = sick.numbers(count);
        let sql = format!("INSERT INTO {table} SELECT REPEAT(x, 10) FROM ({rows}) AS n");
        let writer = cloud.sick.within(within(20_000));
        let written = writer.execute_unprepared(&sql).await;
        written.map_err(|error| classify(error).class())
    };
    write("kept", 3).await.unwrap();
    let full = loop {
        if let Err(class) = write("filler", 1000).await {
            break class;
        }
    };
    assert_eq!(full, ErrorClass::Overloaded);
    // To the last page.
    while write("kept", 1).await.is_ok() {}

    let stop = AtomicBool::new(false);
    let writing = async {
        let mut refused = 0;
        while !stop.load(Ordering::Acquire) {
            assert_eq!(write("kept", 100).await.err(), Some(ErrorClass::Overloaded));
            refused += 1;
        }
        refused
    };
    let reading = async {
        let now = cloud.asked("disk full", Some(&[None])).await;
        stop.store(true, Ordering::Release);
        now
    };
    let (refused, now) = tokio::join!(writing, reading);
    assert!(refused > 0);
    fits(before, now, "disk full");
    let reader = cloud.sick.read_only(within(10_000));
    assert!(rows(&reader, "SELECT * FROM kept").await.unwrap() >= 3);
    assert_eq!(
        class(&reader, "SELECT * FROM nonesuch").await,
        ErrorClass::Schema
    );

    sick.superuser("DROP TABLE filler").await;
    let begun = Instant::now();
    while write("kept", 100).await.is_err() {
        tokio::task::yield_now().await;
    }
    let took = begun.elapsed();
    say(&format!("disk full: written again after {took:?}"));
    assert!(took <= RECOVERY, "{took:?}");
}

//! Connections that break at each stage, in each way: reported within the budget, and nothing left behind.

use std::time::{Duration, Instant};

use cells::{DatabaseLocation, ErrorClass, SecretText};
use connect::{CellDb, ConnectorOptions, classify};
use context::Deadline;
use nova_conformance::faults::{Fault, FaultProxy, Step};
use sea_orm::ConnectionTrait;

use crate::addresses::by_name;
use crate::{DATABASE, Server, fill, open, rows, say, within};

/// R1: the report comes no later than this after the budget.
const LATE: Duration = Duration::from_millis(50);

/// On a machine that builds something else, one try in a few may be late without anybody's fault; never each.
const TRIES: usize = 5;

/// The same place, through the proxy.
pub(crate) fn through(proxy: &FaultProxy, url: &SecretText) -> SecretText {
    let (head, tail) = url.expose().split_once("127.0.0.1:").unwrap();
    let rest = tail.split_once('/').unwrap().1;
    SecretText::new(format!("{head}127.0.0.1:{}/{rest}", proxy.port()))
}

pub(crate) async fn proxy(server: &impl Server) -> FaultProxy {
    let address = ([127, 0, 0, 1], server.port()).into();
    FaultProxy::start(address).await.unwrap()
}

/// Rows of 2 kB, so that they come in several pieces. The comment is what the proxy listens for.
const QUERY: &str =
    "SELECT CONCAT('row-', i, '-', REPEAT('x', 2000)) AS v FROM t ORDER BY i /* stage */";

fn asked() -> Step {
    Step::ClientSays(b"/* stage */".to_vec())
}

/// The moments, from the first byte to the last.
pub(crate) fn stages(server: &impl Server) -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("greeting", Vec::new()),
        ("auth", server.logging_in()),
        ("query sent", vec![asked()]),
        ("first byte", vec![asked(), Step::ServerBytes(1)]),
        (
            "mid row",
            vec![asked(), Step::ServerSays(b"row-2-xx".to_vec())],
        ),
        ("end", vec![asked(), Step::ServerSays(b"row-3-xx".to_vec())]),
    ]
}

pub(crate) const FAULTS: [Fault; 5] = [
    Fault::BlackHole,
    Fault::Reset,
    Fault::Drip(Duration::from_millis(25)),
    Fault::Garbage,
    Fault::HalfClose,
];

pub(crate) async fn suite(server: &impl Server) {
    let direct = open(&server.url(DATABASE), 1);
    fill(&direct).await;
    direct.close();
    crate::connections_fall_to(0, server).await;
    let proxy = proxy(server).await;
    let url = through(&proxy, &server.url(DATABASE));
    // The runtime's own, before anything was connected.
    let tasks = alive_tasks();

    let mut worst = Duration::ZERO;
    for (stage, steps) in stages(server) {
        for fault in FAULTS {
            let late = strike(
                &proxy,
                &url,
                &format!("{fault:?} at {stage}"),
                fault,
                &steps,
            )
            .await;
            worst = worst.max(late);
            nothing_is_left(server, &proxy, tasks).await;
        }
    }
    for fault in [Fault::Refuse, Fault::Ignore] {
        let late = strike(&proxy, &url, &format!("{fault:?}"), fault, &[]).await;
        worst = worst.max(late);
        nothing_is_left(server, &proxy, tasks).await;
    }
    say(&format!("latest report {worst:?} after its budget"));
}

/// The same while TLS is agreed on, reached by a name: the driver speaks through a relay then.
pub(crate) async fn handshakes(server: &impl Server, tls: &str) {
    let direct = open(&by_name(&server.url(DATABASE), tls), 1);
    fill(&direct).await;
    direct.close();
    crate::connections_fall_to(0, server).await;
    let proxy = proxy(server).await;
    let url = by_name(&through(&proxy, &server.url(DATABASE)), tls);
    let tasks = alive_tasks();
    // A record of TLS: a handshake, of the version that all begin with.
    let hello = [Step::ClientSays(vec![0x16, 3, 1])];
    for fault in FAULTS {
        strike(&proxy, &url, &format!("{fault:?} at TLS"), fault, &hello).await;
        nothing_is_left(server, &proxy, tasks).await;
    }
}

/// Breaks the connection of one query and says how late the report of it was.
async fn strike(
    proxy: &FaultProxy,
    url: &SecretText,
    what: &str,
    fault: Fault,
    steps: &[Step],
) -> Duration {
    let door = matches!(fault, Fault::Refuse | Fault::Ignore);
    let mut budget = Duration::from_millis(250);
    for _ in 0..TRIES {
        let db = open(url, 1);
        proxy.inflict(fault, steps).await.unwrap();
        let struck = proxy.struck();
        let begun = Instant::now();
        let read = rows(&db.read_only(Deadline::after(budget)), QUERY).await;
        let took = begun.elapsed();
        let Err(error) = read else {
            panic!("{what}: all rows, as if nothing had happened");
        };
        let error = classify(error);
        proxy.heal().await.unwrap();
        // The one slot is free, whatever became of the connection.
        slot_is_free(&db, what).await;
        db.close();
        if !door && proxy.struck() == struck {
            // The stage was not even reached: a busy machine.
            budget *= 2;
            continue;
        }
        assert!(
            matches!(
                error.class(),
                ErrorClass::Timeout
                    | ErrorClass::Unreachable
                    | ErrorClass::Decode
                    | ErrorClass::Tls
            ),
            "{what}: {error}: {}",
            error.detail()
        );
        let late = took.saturating_sub(budget);
        if late <= LATE {
            return late;
        }
    }
    panic!("{what}: never reported within {LATE:?} of its budget in {TRIES} tries");
}

/// Connections that nobody used for a while, and that a firewall forgot meanwhile: whoever comes next loses a moment for each
/// and not the budget, and while nobody comes they are found and closed.
pub(crate) async fn forgotten(server: &impl Server) {
    let direct = open(&server.url(DATABASE), 1);
    fill(&direct).await;
    let proxy = proxy(server).await;
    let url = through(&proxy, &server.url(DATABASE));
    let location = DatabaseLocation::from_url(&url).unwrap();
    let forget = [
        asked(),
        Step::ServerSays(b"row-3-xx".to_vec()),
        Step::ClientSays(server.ping()),
    ];
    for keepalive in [Duration::ZERO, Duration::from_millis(1500)] {
        let options = ConnectorOptions {
            keepalive,
            answer_wait: Duration::from_millis(300),
            ..ConnectorOptions::default()
        };
        let db = CellDb::open(&location, &options).unwrap();
        proxy.inflict(Fault::BlackHole, &forget).await.unwrap();
        let reads = async || rows(&db.read_only(within(20_000)), QUERY).await;
        let (one, two) = tokio::join!(reads(), reads());
        assert_eq!((one, two), (Ok(3), Ok(3)));
        assert_eq!(proxy.connections(), 2);
        proxy.heal().await.unwrap();
        let (struck, begun) = (proxy.struck(), Instant::now());
        if keepalive.is_zero() {
            // One that was used a moment ago is not asked.
            let mut clock = tokio::time::interval(Duration::from_millis(1100));
            clock.tick().await;
            clock.tick().await;
            let begun = Instant::now();
            assert_eq!(reads().await, Ok(3));
            let took = begun.elapsed();
            say(&format!("two forgotten connections cost {took:?}"));
            assert!(took < 2 * options.answer_wait + crate::SLACK, "{took:?}");
            assert_eq!(proxy.struck(), struck + 2);
        } else {
            while proxy.connections() > 0 {
                assert!(begun.elapsed() < Duration::from_secs(20));
                tokio::task::yield_now().await;
            }
            say(&format!(
                "forgotten ones were found after {:?}",
                begun.elapsed()
            ));
            assert!(proxy.struck() > struck);
        }
        db.close();
    }
}

async fn slot_is_free(db: &CellDb, what: &str) {
    assert!(db.holders().is_empty(), "{what}");
    assert_eq!(
        rows(&db.read_only(within(20_000)), QUERY).await,
        Ok(3),
        "{what}"
    );
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// No connection of ours on the server, none through the proxy (so no descriptor here either), no task.
async fn nothing_is_left(server: &impl Server, proxy: &FaultProxy, tasks: usize) {
    let begun = Instant::now();
    loop {
        // A door that was opened anew is a task anew, and never more than one.
        let left = (
            server.connections().await,
            proxy.connections(),
            alive_tasks().saturating_sub(tasks),
        );
        if left == (0, 0, 0) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "connections on the server, in the proxy, tasks: {left:?}"
        );
        tokio::task::yield_now().await;
    }
}

/// What a session can be put through, all at once, without a word of the password anywhere.
pub(crate) async fn every_failure(server: &impl Server) -> Vec<String> {
    let direct = open(&server.url(DATABASE), 1);
    fill(&direct).await;
    let proxy = proxy(server).await;
    let url = through(&proxy, &server.url(DATABASE));
    let mut said = vec![format!("{direct:?} {:?}", direct.within(within(1)))];
    for (_, steps) in stages(server) {
        for fault in FAULTS {
            let db = open(&url, 1);
            proxy.inflict(fault, &steps).await.unwrap();
            let session = db.read_only(within(120));
            let error = rows(&session, QUERY).await.err();
            said.push(format!("{db:?} {session:?} {:?} {error:?}", db.holders()));
            said.extend(error.as_ref().map(ToString::to_string));
            let classified = error.map(classify);
            said.extend(
                classified.iter().map(|error| {
                    format!("{error} {error:?} {} {:?}", error.detail(), error.detail())
                }),
            );
            if let Err(error) = db.ping(within(120)).await {
                said.push(format!(
                    "{error} {error:?} {} {:?}",
                    error.detail(),
                    error.detail()
                ));
            }
            proxy.heal().await.unwrap();
            db.close();
        }
    }
    let wrong = direct
        .within(within(5000))
        .execute_unprepared("SELEKT 1")
        .await;
    said.push(format!("{wrong:?}"));
    direct.close();
    said
}

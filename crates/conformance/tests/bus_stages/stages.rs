//! The stages of everything that a bus is asked for, and every fault at each of them.

use std::time::{Duration, Instant};

use cells::{CellConnector, CellError, ErrorClass, SecretText};
use connect::{BusTarget, CallError, CellBus, ConnectorOptions, NovaConnector, RpcRequest};
use context::Deadline;
use nova_conformance::fakes::cell_on_bus;
use nova_conformance::faults::{Fault, FaultProxy, Step};
use serde_json::{Value, json};

use crate::left::{Left, nothing_but};
use crate::service::Service;
use crate::{at_port, say};

/// A broker under test.
pub(crate) struct Broker {
    pub(crate) url: SecretText,
    pub(crate) port: u16,
    /// The moment in which the client has said who it is and waits for the broker's answer.
    pub(crate) logging_in: Step,
}

/// R1: the report comes no later than this after the budget.
const LATE: Duration = Duration::from_millis(50);

/// On a machine that builds something else, one try in a few may be late without anybody's fault; never each.
const TRIES: usize = 5;

/// A bus is used again this soon after its network is well, on such a machine.
const RECOVERY: Duration = Duration::from_secs(5);

const FAULTS: [Fault; 5] = [
    Fault::BlackHole,
    Fault::Reset,
    Fault::Drip(Duration::from_millis(25)),
    Fault::Garbage,
    Fault::HalfClose,
];

/// Those of the broker's port.
const DOOR: [Fault; 2] = [Fault::Refuse, Fault::Ignore];

/// What the proxy listens for: in the request behind everything else, and in the answer.
const MARK: &str = "stage-mark";
const HALF: &str = "half-way";
const END: &str = "at-its-end";
/// A topic that nobody serves but who is broken while he begins to.
const ANOTHER: &str = "stage-topic";

/// An argument that comes back in several pieces.
fn long() -> Value {
    let filler = "x".repeat(40_000);
    json!(format!("{filler}{HALF}{filler}{END}"))
}

fn open(transport: &SecretText) -> CellBus {
    NovaConnector::new(ConnectorOptions::default())
        .open_messaging(&cell_on_bus(transport).unwrap())
        .unwrap()
}

fn within(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

async fn call(bus: &CellBus, deadline: Deadline) -> Result<Value, CallError> {
    let args = json!({"arg": long(), "mark": MARK});
    let mut request = RpcRequest::new("echo", args.as_object().unwrap().clone());
    request.version = "6.0".into();
    bus.call(BusTarget::server("compute", "host1"), request, deadline)
        .await
}

/// What is under way when its connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Call,
    Cast,
    Check,
    Serve,
}

impl Work {
    async fn ask(self, bus: &CellBus, deadline: Deadline) -> Result<(), CellError> {
        match self {
            Self::Call => {
                let answer = call(bus, deadline).await.map_err(bus_error)?;
                // Perhaps over another connection, and whole all the same.
                assert_eq!(answer, long());
            }
            Self::Cast => {
                let args = json!({"mark": MARK});
                let request = RpcRequest::new("note", args.as_object().unwrap().clone());
                let host = BusTarget::server("compute", "host1");
                bus.cast(host, request, deadline).await?;
            }
            Self::Check => bus.check(deadline).await?,
            Self::Serve => {
                let service = Service::new("other");
                drop(bus.serve(ANOTHER, "other", service, deadline).await?);
            }
        }
        Ok(())
    }

    /// Its moments, from the first byte to the last.
    fn stages(self, broker: &Broker) -> Vec<(&'static str, Vec<Step>)> {
        let asked = || Step::ClientSays(MARK.into());
        let mut stages = vec![
            ("greeting", Vec::new()),
            ("auth", vec![broker.logging_in.clone()]),
        ];
        match self {
            Self::Call => stages.extend([
                ("request sent", vec![asked()]),
                ("first byte", vec![asked(), Step::ServerBytes(1)]),
                ("mid reply", vec![Step::ServerSays(HALF.into())]),
                ("end", vec![Step::ServerSays(END.into())]),
            ]),
            Self::Cast => stages.push(("request sent", vec![asked()])),
            Self::Check => {}
            Self::Serve => stages.push(("queue asked for", vec![Step::ClientSays(ANOTHER.into())])),
        }
        stages
    }
}

pub(crate) async fn suite(broker: &Broker) {
    let direct = open(&broker.url);
    let service = Service::new("host1");
    let _serving = direct
        .serve("compute", "host1", service.clone(), within(60_000))
        .await
        .unwrap();
    let proxy = FaultProxy::start(([127, 0, 0, 1], broker.port).into())
        .await
        .unwrap();
    let url = at_port(&broker.url, proxy.port());
    // The server has a connection for its answers once it has given one.
    let first = open(&broker.url);
    call(&first, within(60_000)).await.unwrap();
    drop(first);
    let settled = settled(broker.port).await;

    let (mut worst, mut slowest) = (Duration::ZERO, Duration::ZERO);
    let mut struck = 0;
    for work in [Work::Call, Work::Cast, Work::Check, Work::Serve] {
        let mut stages = work.stages(broker);
        stages.push(("door", Vec::new()));
        for (stage, steps) in stages {
            let what = format!("{work:?}, {stage}");
            let faults: &[Fault] = if stage == "door" { &DOOR } else { &FAULTS };
            for &fault in faults {
                let what = format!("{what}, {fault:?}");
                let late = strike(&proxy, &url, work, &what, fault, &steps, &mut slowest).await;
                worst = worst.max(late);
                struck += 1;
            }
            // Of all together: closing what is silent takes its time.
            nothing_but(settled, broker.port, &what).await;
        }
    }
    // There is a call after each fault, if not more than that.
    assert!(service.count("echo") > struck);
    say(&format!(
        "latest report {worst:?} after its budget, used again after {slowest:?} at most"
    ));
}

/// What is there for good: the server's own. Two looks that see the same, a while after the first client has gone.
async fn settled(port: u16) -> Left {
    let mut clock = tokio::time::interval(Duration::from_millis(500));
    let mut last = Left::now(port);
    let mut same = 0;
    while same < 6 {
        clock.tick().await;
        let now = Left::now(port);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

fn bus_error(error: CallError) -> CellError {
    match error {
        CallError::Bus(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Breaks the connection of one work and says how late the report of it was.
async fn strike(
    proxy: &FaultProxy,
    url: &SecretText,
    work: Work,
    what: &str,
    fault: Fault,
    steps: &[Step],
    slowest: &mut Duration,
) -> Duration {
    let door = DOOR.contains(&fault);
    let mut budget = Duration::from_millis(300);
    for _ in 0..TRIES {
        let bus = open(url);
        proxy.inflict(fault, steps).await.unwrap();
        let struck = proxy.struck();
        let begun = Instant::now();
        let asked = work.ask(&bus, Deadline::after(budget)).await;
        let took = begun.elapsed();
        proxy.heal().await.unwrap();
        let was_struck = door || proxy.struck() > struck;
        recovers(&bus, what, slowest).await;
        drop(bus);
        if !was_struck {
            // The stage was not even reached: a busy machine.
            budget *= 2;
            continue;
        }
        if let Err(error) = asked {
            let class = error.class();
            let expected = [
                ErrorClass::Timeout,
                ErrorClass::Unreachable,
                ErrorClass::Decode,
            ];
            assert!(
                expected.contains(&class),
                "{what}: {class:?}: {}",
                error.detail()
            );
        }
        let late = took.saturating_sub(budget);
        if late <= LATE {
            return late;
        }
    }
    panic!("{what}: never reported within {LATE:?} of its budget in {TRIES} tries");
}

/// The same bus is as good as a new one, soon.
async fn recovers(bus: &CellBus, what: &str, slowest: &mut Duration) {
    let begun = Instant::now();
    while let Err(error) = call(bus, within(2000)).await {
        let error = bus_error(error);
        assert!(
            begun.elapsed() < RECOVERY,
            "{what}: still {}",
            error.detail()
        );
    }
    *slowest = begun.elapsed().max(*slowest);
}

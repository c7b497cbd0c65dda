//! The bus inside this process, and what a broker says that this build cannot speak to.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cells::{CellConnector, CellMapping, ErrorClass, RawCellMapping, RevisionKey, UrlDefaults};
use context::Deadline;
use nova_connect::{
    BusTarget, CallError, CellBus, ConnectorOptions, Endpoint, NovaConnector, RemoteError,
    RpcRequest,
};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

fn mapping(transport: &str) -> CellMapping {
    let raw = RawCellMapping {
        uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
        name: None,
        database_connection: Some("sqlite:///none.sqlite".into()),
        transport_url: Some(transport.into()),
        disabled: false,
    };
    CellMapping::parse(
        &raw,
        &UrlDefaults::default(),
        &RevisionKey::ephemeral().unwrap(),
    )
    .unwrap()
}

fn bus(connector: &NovaConnector, name: &str) -> CellBus {
    connector
        .open_messaging(&mapping(&format!("fake:///{name}")))
        .unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn request(method: &str) -> RpcRequest {
    let args = json!({"n": 2, "password": "hunter2"});
    RpcRequest::new(method, args.as_object().cloned().unwrap_or_else(Map::new))
}

/// Counts what it is asked; `hang` waits until the gate opens.
struct Service {
    name: &'static str,
    asked: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Service {
    fn new(name: &'static str) -> (Self, Arc<AtomicUsize>, Arc<Semaphore>) {
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let service = Self {
            name,
            asked: Arc::clone(&asked),
            gate: Arc::clone(&gate),
        };
        (service, asked, gate)
    }
}

#[async_trait]
impl Endpoint for Service {
    async fn handle(&self, request: RpcRequest, _: Deadline) -> Result<Value, RemoteError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match request.method.as_str() {
            "double" => Ok(json!(request.args["n"].as_i64().unwrap() * 2)),
            "who" => Ok(json!(self.name)),
            "hang" => {
                drop(self.gate.acquire().await);
                Ok(Value::Null)
            }
            other => Err(RemoteError::new(
                "NoSuchMethod",
                format!("no method {other}"),
            )),
        }
    }
}

fn class(error: CallError) -> ErrorClass {
    match error {
        CallError::Bus(error) => error.class(),
        other => panic!("the bus was expected to fail, got {other:?}"),
    }
}

#[tokio::test]
async fn a_call_is_answered_with_the_result_or_with_the_other_sides_error() {
    let connector = NovaConnector::default();
    let bus = bus(&connector, "c1");
    let (service, ..) = Service::new("host1");
    let _serving = bus
        .serve("compute", "host1", service, soon())
        .await
        .unwrap();
    let to = BusTarget::server("compute", "host1");
    assert_eq!(
        bus.call(to.clone(), request("double"), soon())
            .await
            .unwrap(),
        json!(4)
    );
    match bus.call(to, request("nonesuch"), soon()).await.unwrap_err() {
        CallError::Remote(error) => assert_eq!(error.class, "NoSuchMethod"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn cells_with_the_same_bus_share_it_and_others_do_not() {
    let connector = NovaConnector::default();
    let (service, ..) = Service::new("host1");
    let first = bus(&connector, "shared");
    let _serving = first
        .serve("compute", "host1", service, soon())
        .await
        .unwrap();
    let to = || BusTarget::topic("compute");
    assert!(
        bus(&connector, "shared")
            .call(to(), request("who"), soon())
            .await
            .is_ok()
    );
    let error = bus(&connector, "other")
        .call(to(), request("who"), soon())
        .await
        .unwrap_err();
    assert_eq!(class(error), ErrorClass::Unreachable);
}

#[tokio::test]
async fn a_fanout_reaches_every_server_and_a_topic_one_of_them() {
    let connector = NovaConnector::default();
    let bus = bus(&connector, "c1");
    let (one, asked_one, _) = Service::new("host1");
    let (two, asked_two, _) = Service::new("host2");
    let _one = bus.serve("compute", "host1", one, soon()).await.unwrap();
    let _two = bus.serve("compute", "host2", two, soon()).await.unwrap();
    bus.fanout("compute", request("who"), soon()).await.unwrap();
    while (
        asked_one.load(Ordering::SeqCst),
        asked_two.load(Ordering::SeqCst),
    ) != (1, 1)
    {
        tokio::task::yield_now().await;
    }
    bus.call(BusTarget::topic("compute"), request("who"), soon())
        .await
        .unwrap();
    assert_eq!(
        asked_one.load(Ordering::SeqCst) + asked_two.load(Ordering::SeqCst),
        3
    );
    let two = bus
        .call(
            BusTarget::server("compute", "host2"),
            request("who"),
            soon(),
        )
        .await
        .unwrap();
    assert_eq!(two, json!("host2"));
}

#[tokio::test]
async fn a_budget_ends_a_call_and_the_server_works_on() {
    let connector = NovaConnector::default();
    let bus = bus(&connector, "c1");
    let (service, asked, _gate) = Service::new("host1");
    let _serving = bus
        .serve("compute", "host1", service, soon())
        .await
        .unwrap();
    let begun = Instant::now();
    let budget = Deadline::after(Duration::from_millis(100));
    let error = bus
        .call(BusTarget::topic("compute"), request("hang"), budget)
        .await
        .unwrap_err();
    assert_eq!(class(error), ErrorClass::Timeout);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(
        bus.call(BusTarget::topic("compute"), request("who"), soon())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_request_whose_caller_is_gone_is_not_executed() {
    let connector = NovaConnector::default();
    let bus = bus(&connector, "c1");
    let (service, asked, gate) = Service::new("host1");
    let _serving = bus
        .serve("compute", "host1", service, soon())
        .await
        .unwrap();
    // As many as the server works on at once, and one more that waits in the queue until it has expired.
    for _ in 0..64 {
        bus.cast(BusTarget::topic("compute"), request("hang"), soon())
            .await
            .unwrap();
    }
    while asked.load(Ordering::SeqCst) < 64 {
        tokio::task::yield_now().await;
    }
    let budget = Deadline::after(Duration::from_millis(20));
    let error = bus
        .call(BusTarget::topic("compute"), request("who"), budget)
        .await
        .unwrap_err();
    assert_eq!(class(error), ErrorClass::Timeout);
    gate.close();
    assert!(
        bus.call(BusTarget::topic("compute"), request("who"), soon())
            .await
            .is_ok()
    );
    assert_eq!(asked.load(Ordering::SeqCst), 65);
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_stopped_server_is_forgotten() {
    let connector = NovaConnector::new(ConnectorOptions {
        bus_queue: 1,
        ..ConnectorOptions::default()
    });
    let bus = bus(&connector, "c1");
    let (service, ..) = Service::new("host1");
    let serving = bus
        .serve("compute", "host1", service, soon())
        .await
        .unwrap();
    let cast = || bus.cast(BusTarget::topic("compute"), request("hang"), soon());
    // Nothing runs in between on this runtime's one thread, so the second finds the queue full.
    cast().await.unwrap();
    assert_eq!(cast().await.unwrap_err().class(), ErrorClass::Overloaded);
    drop(serving);
    while cast().await.err().map(|e| e.class()) != Some(ErrorClass::Unreachable) {
        tokio::task::yield_now().await;
    }
}

#[cfg(not(feature = "redis"))]
#[tokio::test]
async fn a_broker_without_a_connector_opens_and_says_so_when_used() {
    let connector = NovaConnector::default();
    for transport in ["redis://:hunter2@127.0.0.1/", "rediss://127.0.0.1/"] {
        let bus = connector.open_messaging(&mapping(transport)).unwrap();
        assert_eq!(
            bus.check(soon()).await.unwrap_err().class(),
            ErrorClass::Configuration
        );
        let to = BusTarget::topic("compute");
        assert_eq!(
            bus.cast(to, request("who"), soon())
                .await
                .unwrap_err()
                .class(),
            ErrorClass::Configuration
        );
        assert!(!format!("{bus:?}").contains("hunter2"));
    }
}

#[test]
fn a_request_does_not_print_its_arguments() {
    assert!(!format!("{:?}", request("double")).contains("hunter2"));
}

//! Calls between us and the real oslo.messaging with Nova's serializers, both ways, over one RabbitMQ.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cells::{CellConnector, SecretText};
use conformance::RabbitMq;
use conformance::fakes::cell_on_bus;
use connect::{
    BusTarget, CallError, CarriedContext, CellBus, ConnectorOptions, ContextRefused, Endpoint,
    NovaConnector, RemoteError, RpcRequest,
};
use context::{Deadline, RequestContext, RequestParts, TrustPolicy, WireRules};
use nova_interop::{Answer, Ledger, Oracle, Peers};
use serde_json::{Value, json};

const HOST: &str = "cell1";

fn open(url: &SecretText) -> CellBus {
    let mapping = cell_on_bus(url).expect("a mapping");
    let options = ConnectorOptions {
        bus_monitor: Duration::from_secs(2),
        ..ConnectorOptions::default()
    };
    let connector = NovaConnector::new(options);
    connector.open_messaging(&mapping).expect("a bus")
}

/// Short enough that no sign of life is asked for.
fn within(seconds: u64) -> Deadline {
    Deadline::after(Duration::from_secs(seconds))
}

fn asking(method: &str, args: Value) -> RpcRequest {
    let mut request = RpcRequest::new(method, args.as_object().expect("arguments").clone());
    request.version = "6.0".into();
    request.context = CarriedContext::of(&member());
    request
}

fn member() -> RequestContext {
    let mut parts = RequestParts {
        roles: ["member", "reader"].into_iter().collect(),
        ..RequestParts::default()
    };
    parts.identity.user.name = Some("demo".into());
    RequestContext::for_request(parts)
}

/// Our service, asked by Nova's client.
#[derive(Clone, Default)]
struct Ours(Arc<Mutex<Vec<RpcRequest>>>);

#[async_trait]
impl Endpoint for Ours {
    fn version(&self) -> &str {
        "6.5"
    }

    async fn handle(&self, request: RpcRequest, _: Deadline) -> Result<Value, RemoteError> {
        self.0.lock().unwrap().push(request.clone());
        match request.method.as_str() {
            "echo" => Ok(request.args.get("arg").cloned().unwrap_or_default()),
            "lose" => Err(RemoteError::new(
                "InstanceNotFound",
                "Instance abc could not be found.",
            )),
            "slow" => {
                let work = std::future::pending::<()>();
                drop(tokio::time::timeout(Duration::from_secs(5), work).await);
                Ok(json!("done"))
            }
            "admin" => {
                let believed = request.context.believe(
                    &WireRules::default(),
                    TrustPolicy::Refuse,
                    Arc::default(),
                );
                match believed {
                    Ok(context) => Ok(json!(context.is_admin())),
                    Err(ContextRefused::Claim(_)) => Err(RemoteError::new("Forbidden", "no")),
                    Err(error) => Err(RemoteError::new("Invalid", error.to_string())),
                }
            }
            _ => Ok(Value::Null),
        }
    }
}

/// Something that only has to have happened.
fn done(answer: Answer) {
    assert_eq!(answer.value(), Value::Null);
}

/// One case: what came, and what had to come.
fn case(ledger: &mut Ledger, name: &str, came: &Value, expected: &Value) {
    let differs = (came != expected).then(|| name.to_owned());
    ledger.enter(differs, || format!("{came} instead of {expected}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nova_and_we_call_each_other() {
    let peers = Peers::here();
    let broker = RabbitMq::start(&[HOST]).await.expect("a broker");
    let url = broker.plain_url(HOST);
    let mut ledger = Ledger::open("messaging");
    let mut oracle = Oracle::start(&peers);
    let served =
        json!({"ask": "rpc.serve", "url": url.expose(), "topic": "compute", "server": "theirs"});
    done(oracle.ask(served));

    let bus = open(&broker.url(HOST));
    we_call(&bus, &mut oracle, &mut ledger).await;
    let ours = Ours::default();
    let serving = bus.serve("compute", "ours", ours.clone(), within(60)).await;
    let _serving = serving.expect("our server");
    let mut client = Oracle::start(&peers);
    they_call(&url, &mut client, &ours, &mut ledger).await;
    done(oracle.ask(json!({"ask": "rpc.stop", "topic": "compute", "server": "theirs"})));
    ledger.close(&peers, 20);
}

async fn we_call(bus: &CellBus, oracle: &mut Oracle, ledger: &mut Ledger) {
    let theirs = || BusTarget::server("compute", "theirs");
    for value in [
        json!(null),
        json!(true),
        json!(-7),
        json!(1.5),
        json!("\u{1F600} \"quoted\" \\ \u{7}\n"),
        json!([[], {}, {"a": {"b": [null]}}]),
        json!("x".repeat(1_000_000)),
    ] {
        let asked = asking("echo", json!({"arg": value}));
        let answer = bus
            .call(theirs(), asked, within(60))
            .await
            .expect("an answer");
        case(ledger, "our call", &answer, &value);
    }
    let any = bus.call(
        BusTarget::topic("compute"),
        asking("echo", json!({"arg": 1})),
        within(60),
    );
    case(
        ledger,
        "our call to a topic",
        &any.await.expect("an answer"),
        &json!(1),
    );

    let remote = |answer: Result<Value, CallError>| match answer {
        Err(CallError::Remote(error)) => error,
        other => panic!("{other:?}"),
    };
    let lost = asking("lose", json!({"uuid": "abc"}));
    let lost = remote(bus.call(theirs(), lost, within(60)).await);
    let came = json!([lost.class, lost.module, lost.message]);
    let expected = json!([
        "InstanceNotFound",
        "nova.exception",
        "Instance abc could not be found."
    ]);
    case(ledger, "their exception", &came, &expected);
    let fallen = remote(
        bus.call(theirs(), asking("fall", json!({})), within(60))
            .await,
    );
    let came = json!([fallen.class, fallen.module, fallen.message.len()]);
    case(
        ledger,
        "their long exception",
        &came,
        &json!(["ValueError", "builtins", 8192]),
    );
    for (method, args, version, expected) in [
        ("echo", json!({"arg": 1}), "6.6", "UnsupportedVersion"),
        ("nonesuch", json!({}), "6.0", "NoSuchMethod"),
        ("__init__", json!({}), "6.0", "NoSuchMethod"),
        ("echo", json!({"other": 1}), "6.0", "TypeError"),
    ] {
        let mut asked = asking(method, args);
        asked.version = version.into();
        let error = remote(bus.call(theirs(), asked, within(60)).await);
        case(
            ledger,
            "their refusal",
            &json!(error.class),
            &json!(expected),
        );
    }

    let who = bus
        .call(theirs(), asking("who_asks", json!({})), within(60))
        .await;
    let who = who.expect("an answer");
    let came = json!([
        who["class"],
        who["roles"],
        who["user_name"],
        who["is_admin"],
        who["auth_token"]
    ]);
    let expected = json!(["RequestContext", ["member", "reader"], "demo", false, null]);
    case(ledger, "our context", &came, &expected);
    let object = bus
        .call(theirs(), asking("mapping", json!({})), within(60))
        .await;
    let object = object.expect("an answer");
    let came = json!([
        object["nova_object.name"],
        object["nova_object.data"]["host"]
    ]);
    case(
        ledger,
        "their object",
        &came,
        &json!(["HostMapping", "compute1"]),
    );

    // Longer than a silent server is waited for.
    let begun = Instant::now();
    let slow = bus
        .call(theirs(), asking("slow", json!({"seconds": 5})), within(60))
        .await;
    case(
        ledger,
        "their long call",
        &slow.expect("an answer"),
        &json!("done"),
    );
    assert!(begun.elapsed() > Duration::from_secs(4));
    bus.cast(theirs(), asking("note", json!({"n": 1})), within(60))
        .await
        .expect("a cast");
    bus.fanout("compute", asking("note", json!({"n": 2})), within(60))
        .await
        .expect("a fanout");
    // The last request of a topic, answered, says that those before it were at least taken.
    let noted = async |oracle: &mut Oracle| {
        oracle
            .ask(json!({"ask": "rpc.noted", "topic": "compute", "server": "theirs"}))
            .value()
    };
    let begun = Instant::now();
    let mut came = noted(oracle).await;
    while came.as_array().map(Vec::len) < Some(2) && begun.elapsed() < Duration::from_secs(30) {
        tokio::task::yield_now().await;
        came = noted(oracle).await;
    }
    let mut came: Vec<i64> = came
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_i64)
        .collect();
    came.sort_unstable();
    case(ledger, "our cast and fanout", &json!(came), &json!([1, 2]));
}

async fn they_call(url: &SecretText, client: &mut Oracle, ours: &Ours, ledger: &mut Ledger) {
    let mut call = |method: &str, args: Value, who: Value, monitor: Value| {
        let question = json!({
            "ask": "rpc.call", "url": url.expose(), "topic": "compute", "server": "ours", "method": method,
            "args": args, "who": who, "timeout": 60, "monitor": monitor,
        });
        tokio::task::block_in_place(|| client.ask(question))
    };
    for value in [
        json!(null),
        json!({"a": [1, 2.5, "\u{e9}"]}),
        json!("y".repeat(1_000_000)),
    ] {
        let answer = call("echo", json!({"arg": value}), json!({}), json!(null)).value();
        case(ledger, "their call", &answer, &value);
    }
    let raised = |answer: Answer| match answer {
        Answer::Raised { class, text } => (class, text),
        Answer::Ok(value) => panic!("{value}"),
    };
    let (class, text) = raised(call("lose", json!({}), json!({}), json!(null)));
    let first = text.lines().next().unwrap_or_default();
    let came = json!([class, first]);
    let expected = json!([
        "InstanceNotFound_Remote",
        "Instance abc could not be found."
    ]);
    case(ledger, "our exception", &came, &expected);
    // A class that Nova does not import stays an error with its name in the text.
    let (class, text) = raised(call("_hidden", json!({}), json!({}), json!(null)));
    let came = json!([class, text.contains("NoSuchMethod")]);
    case(ledger, "our refusal", &came, &json!(["RemoteError", true]));

    let slow = call("slow", json!({}), json!({}), json!(2)).value();
    case(ledger, "our long call", &slow, &json!("done"));

    let admin = json!({"is_admin": true, "roles": ["member"]});
    let (class, _) = raised(call("admin", json!({}), admin, json!(null)));
    case(
        ledger,
        "a claim without the role",
        &json!(class),
        &json!("Forbidden_Remote"),
    );
    let admin = json!({"is_admin": true, "roles": ["admin"]});
    let believed = call("admin", json!({}), admin, json!(null)).value();
    case(ledger, "a claim with the role", &believed, &json!(true));

    for fanout in [false, true] {
        let cast = json!({
            "ask": "rpc.cast", "url": url.expose(), "topic": "compute", "server": "ours", "method": "note",
            "args": {"n": 1}, "fanout": fanout,
        });
        done(tokio::task::block_in_place(|| client.ask(cast)));
    }
    let notes = || {
        ours.0
            .lock()
            .unwrap()
            .iter()
            .filter(|asked| asked.method == "note")
            .count()
    };
    let begun = Instant::now();
    while notes() < 2 && begun.elapsed() < Duration::from_secs(30) {
        tokio::task::yield_now().await;
    }
    case(ledger, "their cast and fanout", &json!(notes()), &json!(2));
}

//! What a context costs: its wire form read and written beside serde_json on the same bytes, an endpoint found, a
//! policy asked. Rows go to the file named in `NOVA_BENCH_OUT` and to stdout.
//!
//! Each figure is the median of 11 rounds in which the peers take turns, so that a noisy machine troubles both alike.
//! What is good enough is not decided here.
#![expect(clippy::print_stdout, reason = "a bench target prints its rows")]
#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use nova_context::{
    CatalogForm, CatalogRules, EndpointQuery, Guard, Identity, Interface, Policy, ProjectId,
    RequestContext, RequestParts, ServiceCatalog, Target, TokenAccess, TokenOwner, TokenPolicy,
    TokenPurpose, TrustPolicy, UserId, WireContext, WireForm, WireRules,
};
use serde_json::{Value, json};

const ROUNDS: usize = 11;

fn main() {
    wire();
    lookup();
    policy();
}

/// Nanoseconds per call: one round of `times` calls.
fn round(times: u32, work: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Medians of two pieces of work that take turns.
fn beside(times: u32, mut ours: impl FnMut(), mut peer: impl FnMut()) -> (f64, f64) {
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(round(times, &mut ours));
        other.push(round(times, &mut peer));
    }
    (median(own), median(other))
}

fn alone(times: u32, mut work: impl FnMut()) -> f64 {
    median((0..ROUNDS).map(|_| round(times, &mut work)).collect())
}

fn row(name: &str, value: f64, peer: Value, ratio: Option<f64>) {
    let row = json!({"name": name, "value": value, "unit": "ns", "peer": peer, "ratio": ratio});
    println!("{row}");
    if let Some(path) = std::env::var_os("NOVA_BENCH_OUT") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.expect("the file for the rows can be opened");
        writeln!(file, "{row}").expect("the row can be written");
    }
}

fn wire() {
    let pretty: Value =
        serde_json::from_str(include_str!("../tests/data/nova-context-to_dict.json"))
            .expect("the dict is JSON");
    let json = pretty.to_string();
    let rules = WireRules::default();
    let guard = Arc::new(Guard {
        tokens: TokenPolicy::default().grant("bench", TokenPurpose::Bus),
        ..Guard::default()
    });
    let read = || {
        let wire = WireContext::from_json(json.as_bytes(), WireForm::Dict, &rules);
        let wire = wire
            .expect("the dict is a context")
            .with_guard(guard.clone());
        RequestContext::for_rpc(wire, TrustPolicy::Refuse).expect("nobody claims anything")
    };
    let ctx = read();
    let access = TokenAccess::for_bus("bench");
    let write = |ctx: &RequestContext| {
        let token = ctx.token().expect("the dict has a token");
        let granted = guard.open(token, &access, TokenOwner::User, Some(ctx));
        let granted = granted.expect("the bench is granted");
        ctx.to_wire()
            .expose_json(WireForm::Dict, &granted)
            .expect("the token is there")
    };
    let value = || serde_json::from_slice::<Value>(json.as_bytes()).expect("the dict is JSON");
    let parsed = value();
    let text = |value: &Value| serde_json::to_vec(value).expect("JSON can be written");
    let (ours, peer) = beside(
        300,
        || drop(black_box(write(&read()))),
        || drop(black_box(text(&value()))),
    );
    let name = format!("context/wire round trip, {} bytes", json.len());
    row(&name, ours, json!("serde_json::Value"), Some(ours / peer));
    row(
        "serde_json::Value round trip, same bytes",
        peer,
        Value::Null,
        None,
    );
    let (ours, peer) = beside(300, || drop(black_box(read())), || drop(black_box(value())));
    row(
        "context/wire read",
        ours,
        json!("serde_json::Value"),
        Some(ours / peer),
    );
    let (ours, peer) = beside(
        300,
        || drop(black_box(write(&ctx))),
        || drop(black_box(text(&parsed))),
    );
    row(
        "context/wire write, granted and audited",
        ours,
        json!("serde_json::Value"),
        Some(ours / peer),
    );
}

fn lookup() {
    for (name, json, form) in [
        (
            "v2",
            &include_bytes!("../tests/data/catalog-v2-20x3x3.json")[..],
            CatalogForm::V2,
        ),
        (
            "v3",
            &include_bytes!("../tests/data/catalog-v3-20x3x3.json")[..],
            CatalogForm::V3,
        ),
    ] {
        let catalog = ServiceCatalog::from_json(json, form, &CatalogRules::default());
        let catalog = catalog.expect("the catalog is good");
        let last = catalog
            .service_types()
            .last()
            .expect("it has services")
            .to_owned();
        for (what, kind) in [("by alias", "block-storage"), ("the last one", &last)] {
            let query = EndpointQuery::service(kind)
                .interface(Interface::Admin)
                .region("RegionThree");
            assert!(catalog.url_for(&query).is_ok());
            let figure = alone(20_000, || {
                black_box(catalog.url_for(black_box(&query))).expect("it is there");
            });
            row(
                &format!("context/endpoint in 20x3x3 {name}, {what}"),
                figure,
                Value::Null,
                None,
            );
        }
    }
}

fn policy() {
    let policy = Policy::nova().expect("Nova's rules hold together");
    let ids = (UserId::parse("u1"), ProjectId::parse("p1"));
    let (Ok(user), Ok(project)) = ids else {
        panic!("ids are ids")
    };
    let ctx = RequestContext::for_request(RequestParts {
        identity: Identity::of_project(user, project),
        roles: ["member", "reader"].into_iter().collect(),
        ..RequestParts::default()
    });
    let action = "os_compute_api:servers:index";
    let figure = alone(20_000, || {
        let target = Target::of(&ctx);
        black_box(ctx.can(&policy, action, &target)).expect("a reader may list");
    });
    row("context/policy check, allowed", figure, Value::Null, None);
    let other = Target::new().with("project_id", "p2");
    let figure = alone(20_000, || {
        black_box(ctx.can(&policy, action, &other)).expect_err("of another project");
    });
    row(
        "context/policy check, refused and audited",
        figure,
        Value::Null,
        None,
    );
}

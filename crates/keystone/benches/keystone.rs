//! What a verdict costs: remembered, beside the SHA-256 of the token alone; and asked for, beside the same question put
//! to the same real Keystone with the same HTTP client and nothing around it. Rows go to the file named in `NOVA_BENCH_OUT` and to stdout.
//!
//! Each figure is the median of 11 rounds in which the peers take turns, so that a noisy machine troubles both alike.
//! What is good enough is not decided here.
#![expect(clippy::print_stdout, reason = "a bench target prints its rows")]
#![expect(clippy::expect_used, reason = "a bench that cannot measure stops")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use context::{AuthToken, TokenFingerprint, TokenVerifier as _};
use nova_keystone::KeystoneVerifier;
use serde_json::{Value, json};
use support::cloud::{http, password_token};
use support::environment::{PASSWORD, Settings};
use support::peer::{Peer, Reply};
use support::real::Keystone;

const ROUNDS: usize = 11;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    // Inside the runtime, as a service's handlers are.
    runtime.block_on(async {
        let bench = async { measure().await };
        tokio::spawn(bench).await.expect("the bench measures");
    });
}

async fn measure() {
    at_once().await;
    for provider in ["fernet", "jws"] {
        let settings = Settings {
            provider,
            ..Settings::default()
        };
        let keystone = Keystone::start(&settings);
        let (own, _) = password_token(&keystone.url(), "admin", PASSWORD).await;
        let (text, _) = password_token(&keystone.url(), "admin", PASSWORD).await;
        let mut options = support::verifier_options();
        options.ttl = Duration::from_secs(3600);
        options.catalog = Some(context::CatalogRules::default());
        let verifier = KeystoneVerifier::new(keystone.admin(), options);
        if provider == "fernet" {
            remembered(&verifier, &text).await;
        }
        asked(provider, &keystone.url(), &verifier, &own, &text).await;
    }
}

/// The same against a peer that answers at once with what a Keystone said once: where the real one takes a hundred
/// milliseconds, what is put around its answer cannot be seen.
async fn at_once() {
    const SAID: &str = include_str!("../src/answer/keystone-30.json");
    let said = SAID.replace("\"2026-", "\"2096-");
    let own = "own-token-".repeat(5);
    let issued = own.clone();
    let peer = Peer::start(move |seen| match seen.method.as_str() {
        "POST" => Reply::issued(&issued, Duration::from_secs(3600)),
        _ => Reply::Http(200, String::new(), said.clone()),
    })
    .await;
    let mut options = support::verifier_options();
    options.catalog = Some(context::CatalogRules::default());
    let service = support::service_user(&peer.url(), support::admin(PASSWORD));
    let verifier = KeystoneVerifier::new(service, options);
    asked("at once", &peer.url(), &verifier, &own, &"t".repeat(183)).await;
}

/// A verdict that is there: copied for the context, or shared.
async fn remembered(verifier: &KeystoneVerifier, text: &str) {
    const TIMES: u32 = 20_000;
    let token = AuthToken::parse(text.to_owned()).expect("a token");
    verifier.verify(&token).await.expect("a good token");
    let (mut copied, mut shared, mut parsed, mut hashed) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..TIMES {
            drop(black_box(verifier.verify(black_box(&token)).await));
        }
        copied.push(nanoseconds(start, TIMES));
        let start = Instant::now();
        for _ in 0..TIMES {
            drop(black_box(
                verifier.verify_by(black_box(&token), None, None).await,
            ));
        }
        shared.push(nanoseconds(start, TIMES));
        let start = Instant::now();
        for _ in 0..TIMES {
            let token = AuthToken::parse(black_box(text).to_owned()).expect("a token");
            drop(black_box(verifier.verify(&token).await));
        }
        parsed.push(nanoseconds(start, TIMES));
        let start = Instant::now();
        for _ in 0..TIMES {
            black_box(TokenFingerprint::of(black_box(text)));
        }
        hashed.push(nanoseconds(start, TIMES));
    }
    let hash = median(hashed);
    let peer = "SHA-256 of the token";
    for (name, figures) in [
        ("keystone/remembered verdict", copied),
        ("keystone/remembered verdict, not copied", shared),
        (
            "keystone/remembered verdict, token read from its header",
            parsed,
        ),
    ] {
        let ours = median(figures);
        row(name, ours, "ns", json!(peer), Some(ours / hash));
    }
    row("SHA-256 of the token", hash, "ns", Value::Null, None);
}

/// A verdict that is not there.
async fn asked(provider: &str, keystone: &str, verifier: &KeystoneVerifier, own: &str, text: &str) {
    const TIMES: u32 = 20;
    let token = AuthToken::parse(text.to_owned()).expect("a token");
    let (client, url) = (http(), format!("{keystone}/auth/tokens"));
    let (mut ours, mut direct, mut more) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (mut here, mut there) = (Duration::ZERO, Duration::ZERO);
        // Turn by turn: what else the machine does troubles both alike.
        for _ in 0..TIMES {
            verifier.forget(&token);
            let start = Instant::now();
            verifier.verify(&token).await.expect("a good token");
            here += start.elapsed();
            let start = Instant::now();
            plain(&client, &url, own, text).await;
            there += start.elapsed();
        }
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3 / f64::from(TIMES);
        ours.push(milliseconds(here));
        direct.push(milliseconds(there));
        more.push(milliseconds(here) - milliseconds(there));
    }
    let (ours, direct) = (median(ours), median(direct));
    let peer = format!("the same question in a plain request, {provider}");
    let name = format!("keystone/verdict asked for, {provider}");
    row(&name, ours, "ms", json!(peer), Some(ours / direct));
    let name = format!("keystone/verdict asked for, {provider}: more than a plain request");
    row(&name, median(more), "ms", Value::Null, None);
    row(&peer, direct, "ms", Value::Null, None);
}

/// The same question, its answer read and thrown away.
async fn plain(client: &reqwest::Client, url: &str, own: &str, text: &str) {
    let request = client
        .get(url)
        .header("X-Auth-Token", own)
        .header("X-Subject-Token", text);
    let answer = request.send().await.expect("an answer");
    assert!(answer.status().is_success(), "Keystone refuses");
    drop(black_box(answer.bytes().await.expect("its body")));
}

fn nanoseconds(start: Instant, times: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn row(name: &str, value: f64, unit: &str, peer: Value, ratio: Option<f64>) {
    let row = json!({"name": name, "value": value, "unit": unit, "peer": peer, "ratio": ratio});
    println!("{row}");
    if let Some(path) = std::env::var_os("NOVA_BENCH_OUT") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.expect("the file for the rows can be opened");
        writeln!(file, "{row}").expect("the row can be written");
    }
}

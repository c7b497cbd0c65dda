//! After a request over HTTP, through axum and the tower layer, no copy of its token is left in the process's memory.
//!
//! hyper and axum copy headers as they please and wipe nothing. A process that cares has an allocator that wipes what is
//! freed, as this one does: one line, no change to anything else. The request is served by a child process, this same test
//! binary; its parent, which is the client, is the only one to know the token in clear.
#![cfg(all(feature = "http", feature = "serde", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod canary;

use std::alloc::System;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::routing::get;
use axum::{Extension, Router};
use canary::Canary;
use nova_context::{
    AuthToken, ContextLayer, Guard, Identity, ProjectId, RequestContext, ServiceCatalog,
    TokenAccess, TokenKeeper, TokenPolicy, TokenPurpose, TokenVerifier, UserId, VerifiedToken,
    VerifyError, WireForm,
};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static WIPES: ZeroAlloc<System> = ZeroAlloc(System);

const CHILD: &str = "NOVA_CONTEXT_MEMORY_HTTP";

struct Anybody;

#[async_trait]
impl TokenVerifier for Anybody {
    async fn verify(&self, _: &AuthToken) -> Result<VerifiedToken, VerifyError> {
        Ok(VerifiedToken {
            identity: Identity::of_project(
                UserId::parse("u1").unwrap(),
                ProjectId::parse("p1").unwrap(),
            ),
            roles: ["member"].into_iter().collect(),
            catalog: ServiceCatalog::default(),
            expires_at: SystemTime::now() + Duration::from_secs(3600),
        })
    }
}

/// Uses the context as a service does: elevates it, opens its token, writes it for the bus.
async fn handler(Extension(ctx): Extension<RequestContext>) -> String {
    let admin = ctx.elevated("test").clone();
    let granted = admin.auth().unwrap();
    let granted = granted.token(&TokenAccess::for_bus("rpc")).unwrap();
    let wire = admin
        .to_wire()
        .expose_json(WireForm::Rpc, &granted)
        .unwrap();
    format!("{} bytes for {admin:?}", wire.expose().len())
}

/// Tells the parent; nothing else may print between.
fn write_line(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Serves one request, ends the runtime, and searches.
fn serve(canary: &Canary) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let guard = Arc::new(Guard {
            tokens: TokenPolicy::default().grant("rpc", TokenPurpose::Bus),
            ..Guard::default()
        });
        let layer = ContextLayer::new(Arc::new(Anybody), guard, TokenKeeper::default());
        let served = Arc::new(Notify::new());
        let told = served.clone();
        let app = Router::new()
            .route("/", get(handler))
            .route("/end", get(async move || told.notify_one()))
            .layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        write_line(&format!("port {}", listener.local_addr().unwrap().port()));
        let end = async move { served.notified().await };
        axum::serve(listener, app)
            .with_graceful_shutdown(end)
            .await
            .unwrap();
    });
    drop(runtime);
    assert_eq!(canary.copies(), 0, "after the request");
    write_line("searched");
}

/// The child's side; by itself it searches for a token that it holds, and finds it.
#[test]
fn child_process() {
    if let Ok(masked) = std::env::var(CHILD) {
        return serve(&Canary::from_masked(&masked));
    }
    let canary = Canary::random();
    let held = canary.text();
    assert!(canary.copies() >= canary.pieces());
    drop(held);
    assert_eq!(canary.copies(), 0, "the allocator wipes");
}

fn ask(port: &str, path: &str, canary: &Canary) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let token = canary.text();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    stream
        .write_all(format!("{head}X-Auth-Token: {token}\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_token_that_came_over_http_leaves_nothing_in_a_process_whose_allocator_wipes() {
    let canary = Canary::random();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "child_process",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD, canary.masked())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let port = loop {
        line.clear();
        assert!(
            said.read_line(&mut line).unwrap() > 0,
            "the child said no port"
        );
        if let Some((_, port)) = line.trim_end().split_once("port ") {
            break port.to_owned();
        }
    };
    let answer = ask(&port, "/", &canary);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("bytes for RequestContext"), "{answer}");
    assert!(!answer.contains(&canary.text()));
    assert!(ask(&port, "/end", &canary).starts_with("HTTP/1.1 200"));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("searched"), "{rest}");
}

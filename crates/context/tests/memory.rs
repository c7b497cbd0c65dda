//! After the last drop, or at a token's end, no copy of it is left in this process's memory.
//!
//! Each scenario runs in a child process, this same test binary, that searches `/proc/self/mem` for pieces of a token
//! made up there. The token's text is never an argument, a variable of the environment or a literal. What HTTP servers and
//! clients copy is theirs; `memory_http.rs` shows how a process gets rid of that, too.
#![cfg(all(feature = "serde", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod canary;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use canary::Canary;
use nova_context::{
    AuthToken, Guard, RequestContext, RequestParts, SecretBuf, TokenAccess, TokenKeeper,
    TokenPolicy, TokenPurpose, TrustPolicy, UpstreamTrust, VerifiedHeaders, WireContext, WireForm,
    WireRules,
};

const CHILD: &str = "NOVA_CONTEXT_MEMORY_SCENARIO";
/// The plain text between two others, in memory that wipes itself.
fn between(canary: &Canary, before: &str, after: &str) -> SecretBuf {
    let mut text = SecretBuf::with_capacity(before.len() + canary.bytes().count() + after.len());
    text.push(before.as_bytes());
    for byte in canary.bytes() {
        text.push(&[byte]);
    }
    text.push(after.as_bytes());
    text
}

fn token(canary: &Canary) -> AuthToken {
    AuthToken::parse(canary.text()).unwrap()
}

fn guard() -> Arc<Guard> {
    Arc::new(Guard {
        tokens: TokenPolicy::default().grant("rpc", TokenPurpose::Bus),
        ..Guard::default()
    })
}

fn context(token: AuthToken) -> RequestContext {
    RequestContext::for_request(RequestParts {
        token: Some(token),
        guard: guard(),
        ..RequestParts::default()
    })
}

/// Used as a service uses it: cloned, elevated, granted, written, printed.
fn use_up(ctx: &RequestContext) {
    let admin = ctx.child().elevated("test").clone();
    let granted = admin
        .auth()
        .unwrap()
        .token(&TokenAccess::for_bus("rpc"))
        .unwrap();
    assert!(granted.expose(|text| text.len() > 32).unwrap());
    for form in [WireForm::Dict, WireForm::Rpc] {
        assert!(
            admin
                .to_wire()
                .expose_json(form, &granted)
                .unwrap()
                .expose()
                .len()
                > 500
        );
    }
    assert!(!format!("{admin:?} {granted:?} {:?}", admin.to_wire()).is_empty());
}

/// Runs one scenario; what it returns stays alive while the memory is searched.
fn scenario(name: &str, canary: &Canary) -> Option<RequestContext> {
    match name {
        "used" => use_up(&context(token(canary))),
        "read" => {
            let json = between(canary, r#"{"user_id":"u","auth_token":""#, r#""}"#);
            let rules = WireRules::default();
            let wire = WireContext::from_json(json.expose(), WireForm::Dict, &rules).unwrap();
            let wire = wire.with_guard(guard());
            use_up(&RequestContext::for_rpc(wire, TrustPolicy::Refuse).unwrap());
        }
        "headers" => {
            let token = between(canary, "", "");
            let headers = [
                ("x-identity-status", &b"Confirmed"[..]),
                ("x-user-id", b"u"),
                ("x-auth-token", token.expose()),
            ];
            let trust = UpstreamTrust::because("a test");
            let verified = VerifiedHeaders::from_upstream(headers, trust).unwrap();
            use_up(&verified.context(guard(), None, None, None));
        }
        "refused" => {
            let mut spaced = canary.text();
            spaced.push(' ');
            assert!(AuthToken::parse(spaced).is_err());
            let past = SystemTime::now() - Duration::from_secs(1);
            assert!(AuthToken::parse_until(canary.text(), past).is_err());
            let json = between(canary, r#"{"read_deleted":"x","auth_token":""#, r#""}"#);
            let rules = WireRules::default();
            let error = WireContext::from_json(json.expose(), WireForm::Dict, &rules).unwrap_err();
            assert!(error.to_string().contains("read_deleted"));
        }
        "panicked" => {
            let ctx = context(token(canary));
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let granted = ctx
                    .auth()
                    .unwrap()
                    .token(&TokenAccess::for_bus("rpc"))
                    .unwrap();
                let _: Result<(), _> = granted.expose(|_| panic!("{ctx:?}"));
            }));
            assert!(caught.is_err());
        }
        "ended" => {
            let start = SystemTime::now();
            let end = start + Duration::from_secs(3600);
            let token = AuthToken::parse_until(canary.text(), end).unwrap();
            let keeper = TokenKeeper::default();
            keeper.watch(&token);
            let ctx = context(token);
            use_up(&ctx);
            assert_eq!(keeper.wipe_ended(end), 1);
            return Some(ctx);
        }
        other => panic!("no scenario `{other}`"),
    }
    None
}

/// The child's side, which the tests below run with a scenario; by itself it runs the first one.
#[test]
fn child_process() {
    let name = std::env::var(CHILD).unwrap_or_else(|_| "used".to_owned());
    let canary = Canary::random();
    assert_eq!(canary.copies(), 0, "the search finds only what is there");
    let held = token(&canary);
    let pieces = canary.pieces();
    assert!(
        canary.copies() >= pieces,
        "the search finds a token that is there"
    );
    drop(held);
    assert_eq!(canary.copies(), 0, "a plain drop");
    let alive = scenario(&name, &canary);
    assert_eq!(canary.copies(), 0, "scenario `{name}`");
    drop(alive);
    println!("searched after `{name}`");
}

fn check(scenario: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "child_process",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD, scenario)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}\n{errors}");
    assert!(
        said.contains(&format!("searched after `{scenario}`")),
        "{said}"
    );
}

#[test]
fn a_token_that_was_used_leaves_nothing() {
    check("used");
}

#[test]
fn a_token_from_the_wire_leaves_nothing() {
    check("read");
}

#[test]
fn a_token_from_headers_leaves_nothing() {
    check("headers");
}

#[test]
fn refused_tokens_and_contexts_leave_nothing() {
    check("refused");
}

#[test]
fn a_panic_with_a_context_in_hand_leaves_nothing() {
    check("panicked");
}

#[test]
fn a_token_that_ended_is_gone_while_contexts_live() {
    check("ended");
}

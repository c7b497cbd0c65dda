//! After the last drop, or at a token's end, no copy of it is left in this process's memory.
//!
//! Each scenario runs in a child process, this same test binary, that searches `/proc/self/mem` for pieces of a token
//! made up there. The token's text is never an argument, a variable of the environment or a literal, and the search
//! compares masked bytes, so that nothing but the code under test can hold it. What HTTP servers and clients copy is
//! theirs and not tested here.
#![cfg(all(feature = "serde", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nova_context::{
    AuthToken, Guard, RequestContext, RequestParts, SecretBuf, TokenAccess, TokenKeeper,
    TokenPolicy, TokenPurpose, TrustPolicy, UpstreamTrust, VerifiedHeaders, WireContext, WireForm,
    WireRules,
};

const CHILD: &str = "NOVA_CONTEXT_MEMORY_SCENARIO";
const MASK: u8 = 0xA5;
const PIECE: usize = 16;

/// A token's text, masked.
struct Canary(Vec<u8>);

impl Canary {
    fn random() -> Self {
        let random = (0..6).flat_map(|_| uuid::Uuid::new_v4().into_bytes());
        let letters = random.map(|byte| (b'A' + byte % 26) ^ MASK);
        Self(letters.collect())
    }

    /// The plain text between two others, in memory that wipes itself.
    fn between(&self, before: &str, after: &str) -> SecretBuf {
        let mut text = SecretBuf::with_capacity(before.len() + self.0.len() + after.len());
        text.push(before.as_bytes());
        for byte in &self.0 {
            text.push(&[byte ^ MASK]);
        }
        text.push(after.as_bytes());
        text
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(self.0.len() + 1);
        text.extend(self.0.iter().map(|byte| char::from(byte ^ MASK)));
        text
    }

    fn token(&self) -> AuthToken {
        AuthToken::parse(self.text()).unwrap()
    }

    /// How many pieces of it are in this process's writable memory.
    fn copies(&self) -> usize {
        let maps = read_to_string("/proc/self/maps").unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        let pieces: Vec<&[u8]> = self.0.chunks_exact(PIECE).collect();
        let mut buffer = vec![0_u8; 1 << 16];
        let mut copies = 0;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let mut at = u64::from_str_radix(from, 16).unwrap();
            let end = u64::from_str_radix(to, 16).unwrap();
            while at < end {
                let wanted = buffer.len().min(usize::try_from(end - at).unwrap());
                // A page that went away meanwhile holds nothing.
                let Ok(read) = memory.read_at(&mut buffer[..wanted], at) else {
                    break;
                };
                copies += count(&buffer[..read], &pieces);
                // The next read overlaps by a piece, so that none is cut in two.
                let step = read.saturating_sub(PIECE - 1).max(1);
                at += u64::try_from(step).unwrap();
            }
        }
        copies
    }
}

fn count(memory: &[u8], pieces: &[&[u8]]) -> usize {
    let mut first = [false; 256];
    for piece in pieces {
        first[usize::from(piece[0] ^ MASK)] = true;
    }
    let hits = memory
        .windows(PIECE)
        .filter(|window| first[usize::from(window[0])]);
    hits.filter(|window| {
        let same = |piece: &&&[u8]| piece.iter().zip(*window).all(|(a, b)| a ^ MASK == *b);
        pieces.iter().any(|piece| same(&piece))
    })
    .count()
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
        "used" => use_up(&context(canary.token())),
        "read" => {
            let json = canary.between(r#"{"user_id":"u","auth_token":""#, r#""}"#);
            let rules = WireRules::default();
            let wire = WireContext::from_json(json.expose(), WireForm::Dict, &rules).unwrap();
            let wire = wire.with_guard(guard());
            use_up(&RequestContext::for_rpc(wire, TrustPolicy::Refuse).unwrap());
        }
        "headers" => {
            let token = canary.between("", "");
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
            let json = canary.between(r#"{"read_deleted":"x","auth_token":""#, r#""}"#);
            let rules = WireRules::default();
            let error = WireContext::from_json(json.expose(), WireForm::Dict, &rules).unwrap_err();
            assert!(error.to_string().contains("read_deleted"));
        }
        "panicked" => {
            let ctx = context(canary.token());
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
    let held = canary.token();
    let pieces = canary.0.len() / PIECE;
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

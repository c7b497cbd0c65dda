//! After tokens were verified with Keystone over HTTP, no copy of a password or token is left in the process's memory.
//!
//! The HTTP client's own buffers are not wiped by it, so the process has an allocator that wipes what is freed: one line,
//! no change to anything else. The client is a child process, this same test binary; its parent is the Keystone.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../../context/tests/canary/mod.rs"]
mod canary;
mod support;

use std::alloc::System;
use std::process::Command;
use std::time::Duration;

use canary::Canary;
use context::{AuthToken, TokenVerifier as _};
use nova_keystone::{ApplicationCredential, Credential, Password, Scope};
use support::peer::{Peer, Reply};
use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static WIPES: ZeroAlloc<System> = ZeroAlloc(System);

const OWN: &str = "NOVA_KEYSTONE_MEMORY_OWN";
const URL: &str = "NOVA_KEYSTONE_MEMORY_URL";
const HOUR: Duration = Duration::from_secs(3600);

/// Authenticates, verifies, asks again, revokes, fails; prints everything that can be printed.
async fn use_up(url: &str, credential: Credential, subject: &Canary) {
    let service = support::service_user(url, credential);
    let verifier = support::verifier(service.clone());
    let token = AuthToken::parse(subject.text()).unwrap();
    for _ in 0..3 {
        let verified = verifier.verify(&token).await.unwrap();
        assert!(!format!("{verified:?} {service:?} {verifier:?} {token:?}").is_empty());
        verifier.forget(&token);
    }
    verifier.verify_vouched_for(&token).await.unwrap();
    verifier.revoke(&token).await.unwrap();
    assert!(verifier.verify(&token).await.is_err());
    let nobody = support::service_user(
        "http://127.0.0.1:1/v3",
        Credential::Password {
            user: support::by_name("nova"),
            password: Password::new(subject.text()),
            scope: Scope::Project(support::by_name("service")),
        },
    );
    let again = AuthToken::parse(subject.text()).unwrap();
    assert!(support::verifier(nobody).verify(&again).await.is_err());
}

/// The child's side; by itself it searches for a secret that it holds, and finds it.
#[test]
fn child_process() {
    let (Ok(masked), Ok(url)) = (std::env::var(OWN), std::env::var(URL)) else {
        let canary = Canary::random();
        let held = canary.text();
        assert!(canary.copies() >= canary.pieces());
        drop(held);
        return assert_eq!(canary.copies(), 0, "the allocator wipes");
    };
    let own = Canary::from_masked(&masked);
    let (password, secret, subject) = (Canary::random(), Canary::random(), Canary::random());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let by_password = support::admin(&password.text());
        use_up(&url, by_password, &subject).await;
        let by_secret = Credential::ApplicationCredential {
            credential: ApplicationCredential::Id("a1".to_owned()),
            secret: Password::new(secret.text()),
        };
        use_up(&url, by_secret, &subject).await;
    });
    drop(runtime);
    for (what, canary) in [
        ("password", password),
        ("application credential's secret", secret),
        ("own token", own),
        ("user's token", subject),
    ] {
        assert_eq!(canary.copies(), 0, "the {what}");
    }
    println!("searched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_and_tokens_that_went_to_keystone_leave_nothing_in_a_process_whose_allocator_wipes()
 {
    let own = Canary::random();
    let text = own.text();
    let peer = Peer::start(move |seen| match seen.method.as_str() {
        "POST" => Reply::issued(&text, HOUR),
        "DELETE" => Reply::Http(204, String::new(), String::new()),
        _ => Reply::good(HOUR),
    })
    .await;
    let (masked, url) = (own.masked(), peer.url());
    let child = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "child_process",
                "--exact",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(OWN, masked)
            .env(URL, url)
            .output()
            .unwrap()
    });
    let child = child.await.unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}\n{errors}");
    assert!(said.contains("searched"), "{said}");
    assert_eq!((peer.count("POST"), peer.count("GET")), (2, 8));
}

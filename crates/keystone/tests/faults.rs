//! A Keystone that misbehaves: garbage, silence, floods, redirects, wrong statuses, broken connections. Whatever it does,
//! the caller hears "unavailable" within its budget, nobody's token leaks, and nothing wrong is remembered.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::error::Error;
use std::time::{Duration, Instant};

use context::{Guard, TokenVerifier as _, VerifyError};
use nova_keystone::{KeystoneError, KeystoneUrl, KeystoneVerifier, ServiceUser};
use support::peer::{Peer, Reply, Seen};
use support::{admin, client_options, made_up, service_options, verifier_options};

const HOUR: Duration = Duration::from_secs(3600);
const OWN: &str = "canary-own-token-canary-own-token-canary";

/// Issues tokens, and answers questions about users' tokens as `answer` says.
async fn keystone(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Peer {
    Peer::start(move |seen| match seen.method.as_str() {
        "POST" => Reply::issued(OWN, HOUR),
        _ => answer(seen),
    })
    .await
}

/// Patience for answers that come; no machine is that slow.
const LONG: Duration = Duration::from_secs(60);
/// Patience for answers that never come.
const SHORT: Duration = Duration::from_millis(300);

fn verifier(peer: &Peer, budget: Duration) -> KeystoneVerifier {
    let mut client = client_options();
    client.budget = budget;
    client.max_answer = 64 << 10;
    let service = support::with_options(&peer.url(), admin("canary"), client, service_options());
    KeystoneVerifier::new(service, verifier_options())
}

/// The error behind "unavailable". Its whole chain, and its `Debug`, must be clean.
fn reason(error: VerifyError) -> std::sync::Arc<KeystoneError> {
    let mut texts = vec![format!("{error:?}")];
    let mut link: Option<&dyn Error> = Some(&error);
    while let Some(error) = link {
        texts.push(error.to_string());
        link = error.source();
    }
    for text in texts {
        assert!(!text.contains("canary"), "{text}");
        assert!(!text.contains("/v3"), "{text}");
    }
    let VerifyError::Unavailable(source) = error else {
        panic!("{error:?} is a verdict")
    };
    *source.downcast().unwrap()
}

/// Whatever the peer answers to the question, the caller hears of it in time and nothing is remembered.
async fn check(reply: Reply, expected: impl Fn(&KeystoneError) -> bool) {
    check_within(LONG, reply, expected).await;
}

async fn check_within(budget: Duration, reply: Reply, expected: impl Fn(&KeystoneError) -> bool) {
    let peer = keystone(move |_| reply.clone()).await;
    let verifier = verifier(&peer, budget);
    let began = Instant::now();
    let error = reason(verifier.verify(&made_up('u')).await.unwrap_err());
    assert!(expected(&error), "{error:?}");
    // A wide margin for a busy machine; a hang would take for ever.
    assert!(began.elapsed() < budget + Duration::from_secs(10));
    assert_eq!(verifier.remembered(), (0, 0));
}

fn head(length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

fn broken(error: &KeystoneError) -> bool {
    matches!(error, KeystoneError::Exchange(_)) && error.is_retryable()
}

fn late(error: &KeystoneError) -> bool {
    matches!(error, KeystoneError::Timeout { .. }) && error.is_retryable()
}

#[tokio::test]
async fn what_is_not_http_is_no_verdict() {
    check(Reply::Raw(b"canary canary\r\n\r\n".to_vec()), broken).await;
    check(Reply::Raw(Vec::new()), broken).await;
}

#[tokio::test]
async fn what_is_not_a_tokens_json_is_no_verdict() {
    for body in ["", "canary", "[]", r#"{"token":{}}"#, r#"{"canary":1}"#] {
        let reply = Reply::Http(200, String::new(), body.to_owned());
        check(reply, |error| matches!(error, KeystoneError::Json { .. })).await;
    }
}

#[tokio::test]
async fn silence_ends_with_the_budget_wherever_it_begins() {
    check_within(SHORT, Reply::Stall(Vec::new()), late).await;
    check_within(SHORT, Reply::Stall(b"HTTP/1.1 200 OK\r\n".to_vec()), late).await;
    let mut partly = head(1000);
    partly.extend_from_slice(b"{\"token\":");
    check_within(SHORT, Reply::Stall(partly), late).await;
}

#[tokio::test]
async fn a_connection_that_closes_half_way_is_no_verdict() {
    let mut partly = head(1000);
    partly.extend_from_slice(b"{\"token\":");
    check(Reply::HalfClose(partly.clone()), broken).await;
    check(Reply::Raw(partly), broken).await;
    check(Reply::HalfClose(Vec::new()), broken).await;
}

#[tokio::test]
async fn an_answer_larger_than_allowed_is_not_read_to_its_end() {
    let too_large =
        |error: &KeystoneError| matches!(error, KeystoneError::TooLarge { limit: 65_536 });
    check(Reply::Stall(head(65_537)), too_large).await;
    let reply = Reply::Http(200, String::new(), "x".repeat(65_537));
    check(reply, too_large).await;
}

#[tokio::test]
async fn an_endless_answer_costs_no_more_than_the_limit() {
    // Headers, and chunks, that never end.
    let first = b"HTTP/1.1 200 OK\r\n".to_vec();
    let headers = Reply::Endless(first, b"X-Canary: canary\r\n".to_vec());
    check(headers, broken).await;
    let first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunks = Reply::Endless(first, b"10\r\n0123456789abcdef\r\n".repeat(100));
    check(chunks, |error| {
        matches!(error, KeystoneError::TooLarge { .. })
    })
    .await;
}

#[tokio::test]
async fn a_redirect_carries_no_token_anywhere() {
    let elsewhere = Peer::start(|_| Reply::good(HOUR)).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("Location: {}/auth/tokens\r\n", elsewhere.url());
        let reply = Reply::Http(status, to, String::new());
        check(reply, |error| matches!(error, KeystoneError::Redirect)).await;
    }
    assert_eq!(elsewhere.seen().len(), 0);
}

#[tokio::test]
async fn other_statuses_are_no_verdict_and_say_whether_to_come_again() {
    for (status, again) in [
        (503, true),
        (500, true),
        (429, true),
        (400, false),
        (204, false),
    ] {
        check(Reply::status(status), |error| {
            matches!(error, KeystoneError::Status { status: s } if *s == status)
                && error.is_retryable() == again
        })
        .await;
    }
    check(Reply::status(403), |error| {
        matches!(error, KeystoneError::NotAllowed) && !error.is_retryable()
    })
    .await;
}

#[tokio::test]
async fn nobody_at_the_door_is_no_verdict() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v3", listener.local_addr().unwrap());
    drop(listener);
    let service = support::service_user(&url, admin("canary"));
    let error = reason(
        support::verifier(service)
            .verify(&made_up('u'))
            .await
            .unwrap_err(),
    );
    assert!(matches!(*error, KeystoneError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn the_services_own_401_brings_one_new_token_and_the_very_same_question() {
    let peer = Peer::start(|seen| match seen.method.as_str() {
        "POST" => Reply::issued(&format!("{:x<40}", seen.headers.len()), HOUR),
        _ => Reply::status(401),
    })
    .await;
    let verifier = verifier(&peer, LONG);
    let error = reason(
        verifier
            .verify_vouched_for(&made_up('u'))
            .await
            .unwrap_err(),
    );
    assert!(matches!(*error, KeystoneError::OwnToken), "{error:?}");
    let asked: Vec<String> = (peer.seen().iter())
        .map(|seen| format!("{} {}", seen.method, seen.target))
        .collect();
    let (post, get) = (
        "POST /v3/auth/tokens",
        "GET /v3/auth/tokens?allow_expired=1",
    );
    assert_eq!(asked, [post, get, post, get]);
}

#[tokio::test]
async fn a_token_that_has_ended_counts_for_a_service_within_the_window_and_no_longer() {
    let ended = |ago: u64| {
        let end = time::OffsetDateTime::now_utc() - Duration::from_secs(ago);
        let end = end
            .format(&time::format_description::well_known::Rfc3339)
            .unwrap();
        let body = format!(
            r#"{{"token":{{"expires_at":"{end}","user":{{"id":"u"}},"roles":[{{"name":"member"}}]}}}}"#
        );
        keystone(move |_| Reply::Http(200, String::new(), body.clone()))
    };
    for (ago, counts) in [(60, true), (3 * 24 * 3600, false)] {
        let peer = ended(ago).await;
        let verifier = verifier(&peer, LONG);
        let token = made_up('u');
        assert!(verifier.verify(&token).await.is_err());
        verifier.forget(&token);
        let vouched = verifier.verify_vouched_for(&token).await;
        assert_eq!(vouched.is_ok(), counts, "{ago} s after its end");
    }
}

#[tokio::test]
async fn a_new_own_token_is_enough_after_keystone_lost_the_old_one() {
    const NEW: &str = "another-own-token-another-own-token-anot";
    let peer = Peer::start({
        let tokens = std::sync::Mutex::new(vec![NEW, OWN]);
        move |seen| match seen.method.as_str() {
            "POST" => Reply::issued(tokens.lock().unwrap().pop().unwrap(), HOUR),
            _ if seen.header("x-auth-token") == Some(NEW) => Reply::good(HOUR),
            _ => Reply::status(401),
        }
    })
    .await;
    let service = support::service_user(&peer.url(), admin("canary"));
    let old = service.token().await.unwrap();
    let verifier = support::verifier(service);
    let verified = verifier.verify(&made_up('u')).await.unwrap();
    assert_eq!(verified.identity.user.name.as_deref(), Some("alice"));
    assert!(old.is_wiped());
    assert_eq!((peer.count("POST"), peer.count("GET")), (2, 2));
}

#[tokio::test]
async fn a_token_that_somebody_wiped_is_not_handed_out_again() {
    let peer = keystone(|_| Reply::status(404)).await;
    let service = support::service_user(&peer.url(), admin("canary"));
    let token = service.token().await.unwrap();
    token.wipe();
    assert!(service.current().is_none());
    assert!(!service.token().await.unwrap().is_wiped());
    assert_eq!(peer.count("POST"), 2);
}

#[tokio::test]
async fn a_keystone_that_refuses_its_own_tokens_is_not_asked_in_a_loop() {
    let peer = keystone(|_| Reply::status(401)).await;
    let mut options = service_options();
    options.hold_off = HOUR;
    let service = support::with_options(&peer.url(), admin("canary"), client_options(), options);
    let verifier = support::verifier(service);
    for letter in 'a'..='z' {
        let error = reason(verifier.verify(&made_up(letter)).await.unwrap_err());
        assert!(matches!(*error, KeystoneError::OwnToken), "{error:?}");
    }
    assert_eq!((peer.count("POST"), peer.count("GET")), (1, 1));
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_not_again_for_a_while() {
    let peer = Peer::start(|_| Reply::status(401)).await;
    let mut options = service_options();
    options.hold_off = HOUR;
    let service = support::with_options(&peer.url(), admin("canary"), client_options(), options);
    for _ in 0..100 {
        let error = service.token().await.unwrap_err();
        assert!(matches!(*error, KeystoneError::Credentials), "{error:?}");
    }
    assert_eq!(peer.count("POST"), 1);
}

#[tokio::test]
async fn without_a_grant_no_token_reaches_the_wire() {
    let peer = keystone(|_| Reply::good(HOUR)).await;
    let service = ServiceUser::new(
        KeystoneUrl::parse(&peer.url()).unwrap(),
        admin("canary"),
        std::sync::Arc::new(Guard::default()),
        &client_options(),
        service_options(),
    );
    let verifier = support::verifier(service.unwrap());
    let error = reason(verifier.verify(&made_up('u')).await.unwrap_err());
    assert!(matches!(*error, KeystoneError::Guard(_)), "{error:?}");
    assert_eq!(peer.count("GET"), 0);
}

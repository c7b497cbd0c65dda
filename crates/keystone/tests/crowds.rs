//! Many callers at once and in a row: what is asked of Keystone once, what is remembered, what is forgotten.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use context::{Deadline, RevokedTokens, TokenVerifier as _, VerifyError};
use futures_util::future::join_all;
use nova_keystone::{KeystoneError, KeystoneVerifier};
use support::peer::{Peer, Reply};
use support::{admin, client_options, made_up, service_options};
use tokio::sync::Semaphore;

const HOUR: Duration = Duration::from_secs(3600);
const OWN: &str = "own-token-own-token-own-token-own-token-";

async fn keystone(about_users: Reply) -> (Peer, KeystoneVerifier) {
    let peer = Peer::start(move |seen| match seen.method.as_str() {
        "POST" => Reply::issued(OWN, HOUR),
        "DELETE" => Reply::Http(204, String::new(), String::new()),
        _ => about_users.clone(),
    })
    .await;
    let service = support::service_user(&peer.url(), admin("secret"));
    (peer, support::verifier(service))
}

/// Waits until something is so.
async fn until(what: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !what() {
            ticks.tick().await;
        }
    });
    waited.await.unwrap();
}

#[tokio::test]
async fn a_verdict_is_asked_for_once_and_remembered_good_or_bad() {
    for (reply, good) in [(Reply::good(HOUR), true), (Reply::status(404), false)] {
        let (peer, verifier) = keystone(reply).await;
        for _ in 0..100 {
            match verifier.verify(&made_up('u')).await {
                Ok(verified) => {
                    assert!(good);
                    assert_eq!(verified.identity.user.name.as_deref(), Some("alice"));
                    assert!(verified.roles.contains("member"));
                }
                Err(error) => assert!(!good && matches!(error, VerifyError::Invalid)),
            }
        }
        assert_eq!((peer.count("POST"), peer.count("GET")), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_with_one_token_ask_once() {
    let gate = Arc::new(Semaphore::new(0));
    let (peer, verifier) = keystone(Reply::When(gate.clone(), Box::new(Reply::good(HOUR)))).await;
    let all = (0..1000).map(|_| {
        let verifier = verifier.clone();
        tokio::spawn(async move { verifier.verify(&made_up('u')).await.is_ok() })
    });
    let all: Vec<_> = all.collect();
    until(|| peer.count("GET") > 0).await;
    gate.add_permits(1000);
    assert!(join_all(all).await.into_iter().all(|good| good.unwrap()));
    assert_eq!((peer.count("POST"), peer.count("GET")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_thousand_tasks_at_the_moment_of_expiry_authenticate_once() {
    let lives = std::sync::Mutex::new(vec![HOUR, HOUR, Duration::from_secs(2)]);
    let peer =
        Peer::start(move |_| Reply::issued(OWN, lives.lock().unwrap().pop().unwrap_or_default()))
            .await;
    let service = support::service_user(&peer.url(), admin("secret"));
    let first = service.token().await.unwrap();
    assert_eq!(peer.count("POST"), 1);
    // Nobody asks meanwhile, so nothing is renewed ahead of the end.
    until(|| service.current().is_none()).await;
    let barrier = Arc::new(tokio::sync::Barrier::new(4000));
    let all: Vec<_> = (0..4000)
        .map(|_| {
            let (service, barrier) = (service.clone(), barrier.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                service.token().await.map(|token| !token.is_wiped())
            })
        })
        .collect();
    for task in all {
        assert!(task.await.unwrap().unwrap());
    }
    assert_eq!(peer.count("POST"), 2);
    assert!(first.expires_at() < service.token().await.unwrap().expires_at());
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_while_nobody_waits() {
    let gate = Arc::new(Semaphore::new(1));
    let peer = Peer::start({
        let gate = gate.clone();
        // A token of 5 s is renewed when it is 4 s old.
        move |_| {
            Reply::When(
                gate.clone(),
                Box::new(Reply::issued(OWN, Duration::from_secs(5))),
            )
        }
    })
    .await;
    let service = support::service_user(&peer.url(), admin("secret"));
    let first = service.token().await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    while peer.count("POST") < 2 {
        let token = service.token().await.unwrap();
        assert_eq!(token.expires_at(), first.expires_at());
        ticks.tick().await;
    }
    // Its renewal hangs, and the old token is still handed out.
    if let Some(token) = service.current() {
        assert_eq!(token.expires_at(), first.expires_at());
    }
    gate.add_permits(1);
    until(|| {
        service
            .current()
            .is_some_and(|token| token.expires_at() > first.expires_at())
    })
    .await;
    assert_eq!(peer.count("POST"), 2);
}

#[tokio::test]
async fn what_is_forgotten_is_asked_again() {
    let (peer, verifier) = keystone(Reply::good(HOUR)).await;
    let token = made_up('u');
    for expected in 1..=3 {
        verifier.verify(&token).await.unwrap();
        verifier.verify(&token).await.unwrap();
        assert_eq!(peer.count("GET"), expected);
        verifier.forget(&token);
        assert_eq!(verifier.remembered(), (0, 0));
    }
}

#[tokio::test]
async fn an_answer_on_its_way_is_not_remembered_after_forget() {
    let gate = Arc::new(Semaphore::new(0));
    let (peer, verifier) = keystone(Reply::When(gate.clone(), Box::new(Reply::good(HOUR)))).await;
    let token = made_up('u');
    let asking = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        async move { verifier.verify(&token).await.is_ok() }
    });
    until(|| peer.count("GET") == 1).await;
    verifier.forget(&token);
    gate.add_permits(2);
    assert!(asking.await.unwrap());
    assert_eq!(verifier.remembered(), (0, 0));
    verifier.verify(&token).await.unwrap();
    assert_eq!(peer.count("GET"), 2);
}

#[tokio::test]
async fn what_peers_say_was_revoked_is_asked_again_and_everything_where_they_may_have_been_missed()
{
    let gate = Arc::new(Semaphore::new(0));
    let (peer, verifier) = keystone(Reply::When(gate.clone(), Box::new(Reply::good(HOUR)))).await;
    let tokens = [made_up('u'), made_up('v')];
    gate.add_permits(2);
    for token in &tokens {
        verifier.verify(token).await.unwrap();
    }
    assert_eq!(verifier.remembered().0, 2);
    verifier.hear(RevokedTokens::One(tokens[0].fingerprint()));
    verifier.verify(&tokens[1]).await.unwrap();
    assert_eq!((verifier.remembered().0, peer.count("GET")), (1, 2));
    // One answer is on its way when all are in doubt.
    let asking = tokio::spawn({
        let (verifier, token) = (verifier.clone(), tokens[0].clone());
        async move { verifier.verify(&token).await.is_ok() }
    });
    until(|| peer.count("GET") == 3).await;
    verifier.hear(RevokedTokens::Unknown);
    gate.add_permits(3);
    assert!(asking.await.unwrap());
    assert_eq!(verifier.remembered(), (0, 0));
    for token in &tokens {
        verifier.verify(token).await.unwrap();
    }
    assert_eq!((verifier.remembered().0, peer.count("GET")), (2, 5));
}

#[tokio::test]
async fn a_callers_own_deadline_ends_its_wait_and_nobody_elses() {
    let gate = Arc::new(Semaphore::new(0));
    let (peer, verifier) = keystone(Reply::When(gate.clone(), Box::new(Reply::good(HOUR)))).await;
    let token = made_up('u');
    let patient = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        async move { verifier.verify(&token).await.is_ok() }
    });
    until(|| peer.count("GET") == 1).await;
    let soon = Deadline::after(Duration::from_millis(20));
    let error = verifier
        .verify_by(&token, None, Some(soon))
        .await
        .unwrap_err();
    let VerifyError::Unavailable(source) = error else {
        panic!("no verdict has come")
    };
    let error: Box<Arc<KeystoneError>> = source.downcast().unwrap();
    assert!(matches!(**error, KeystoneError::Timeout { .. }));
    gate.add_permits(1);
    assert!(patient.await.unwrap());
    assert_eq!(peer.count("GET"), 1);
}

#[tokio::test]
async fn revoking_wipes_the_token_and_asks_nobody_about_it_again() {
    let (peer, verifier) = keystone(Reply::good(HOUR)).await;
    let token = made_up('u');
    verifier.verify(&token).await.unwrap();
    verifier.revoke(&token).await.unwrap();
    assert!(token.is_wiped());
    assert!(matches!(
        verifier.verify(&token).await,
        Err(VerifyError::Invalid)
    ));
    assert_eq!((peer.count("GET"), peer.count("DELETE")), (1, 1));
}

#[tokio::test]
async fn no_more_questions_are_aloft_than_allowed() {
    let gate = Arc::new(Semaphore::new(0));
    let peer = Peer::start({
        let gate = gate.clone();
        move |seen| match seen.method.as_str() {
            "POST" => Reply::issued(OWN, HOUR),
            _ => Reply::When(gate.clone(), Box::new(Reply::good(HOUR))),
        }
    })
    .await;
    let mut client = client_options();
    client.max_in_flight = 3;
    let service = support::with_options(&peer.url(), admin("secret"), client, service_options());
    let verifier = support::verifier(service);
    let all: Vec<_> = ('a'..='z')
        .map(|letter| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(&made_up(letter)).await.is_ok() })
        })
        .collect();
    until(|| peer.count("GET") == 3).await;
    for passed in 1..=26 {
        // Three hang at any time until the last ones come.
        until(|| peer.count("GET") == 26.min(passed + 2)).await;
        assert_eq!(peer.count("GET"), 26.min(passed + 2));
        gate.add_permits(1);
    }
    for task in all {
        assert!(task.await.unwrap());
    }
}

//! The verifier and the service user against a real Keystone: issue, validate, catalog, expire, revoke, wrong password,
//! application credential, a crowd at the moment of expiry, restarts. Misbehaving peers are `faults.rs`'s matter.
//!
//! Starting one takes seconds, so a test asks its Keystone several things.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use context::{
    AuthToken, CatalogRules, Credentials, EndpointQuery, Interface, RequestLine, TokenAccess,
    TokenOwner, TokenShape, TokenVerifier as _, VerifyError,
};
use nova_keystone::{
    ApplicationCredential, COMPONENT, Credential, KeystoneError, KeystoneVerifier, Named, Password,
    Scope, VerifierOptions,
};
use serde_json::json;
use support::cloud::{Admin, password_token};
use support::environment::{PASSWORD, Settings};
use support::real::Keystone;
use support::{by_name, service_user, verifier_options};

const ISSUED: &str = "POST /v3/auth/tokens? 201";

async fn token_of(keystone: &Keystone, user: &str) -> AuthToken {
    let (text, _) = password_token(&keystone.url(), user, "password").await;
    AuthToken::parse(text).unwrap()
}

fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, VerifyError>) {
    assert!(matches!(outcome, Err(VerifyError::Invalid)), "{outcome:?}");
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, VerifyError>) -> Arc<KeystoneError> {
    match outcome {
        Err(VerifyError::Unavailable(source)) => *source.downcast().unwrap(),
        other => panic!("{other:?} is a verdict"),
    }
}

/// All services, remembering nothing.
fn forgetful() -> VerifierOptions {
    let mut options = verifier_options();
    options.ttl = Duration::ZERO;
    options.refused_ttl = Duration::ZERO;
    options.catalog = Some(CatalogRules::default());
    options
}

#[tokio::test]
async fn a_users_token_is_what_keystone_says_until_it_is_revoked() {
    let keystone = Keystone::start(&Settings::default());
    let admin = Admin::of(&keystone).await;
    let alice = admin.user("alice", "password", "member").await;
    let service = keystone.admin();
    let mut options = verifier_options();
    options.catalog = Some(CatalogRules::default());
    // Longer than the slowest machine takes for this test.
    options.ttl = Duration::from_secs(3600);
    options.refused_ttl = Duration::from_secs(3600);
    let verifier = KeystoneVerifier::new(service.clone(), options);

    let token = token_of(&keystone, "alice").await;
    assert_eq!(token.shape(), TokenShape::Fernet);
    let verified = verifier.verify(&token).await.unwrap();
    let identity = &verified.identity;
    assert_eq!(identity.user.id.as_ref().unwrap().as_str(), alice);
    assert_eq!(identity.user.name.as_deref(), Some("alice"));
    assert_eq!(
        identity.user.domain.id.as_ref().unwrap().as_str(),
        "default"
    );
    assert_eq!(
        identity.project.id.as_ref().unwrap().as_str(),
        admin.project
    );
    assert!(identity.system_scope.is_none() && identity.domain.id.is_none());
    // Bootstrap lets `member` imply `reader`.
    assert!(verified.roles.contains("member") && verified.roles.contains("reader"));
    assert!(!verified.roles.contains("admin"));
    let left = verified
        .expires_at
        .duration_since(SystemTime::now())
        .unwrap();
    assert!((3500..=3600).contains(&left.as_secs()), "{left:?}");
    let query = EndpointQuery::service("identity").interface(Interface::Public);
    let found = verified.catalog.url_for(&query).unwrap();
    assert_eq!(found.as_str(), "http://127.0.0.1:5000/v3");

    // Asked once, remembered; without the catalog where none is wanted.
    verifier.verify(&token).await.unwrap();
    assert_eq!(keystone.count("GET /v3/auth/tokens? 200"), 1);
    let mut options = verifier_options();
    options.catalog = None;
    let bare = KeystoneVerifier::new(service.clone(), options);
    assert!(bare.verify(&token).await.unwrap().catalog.is_empty());
    assert_eq!(keystone.count("GET /v3/auth/tokens?nocatalog=1 200"), 1);

    // Tokens nobody issued, one of them cut from a real one.
    assert_refused(verifier.verify(&support::made_up('x')).await);
    let (mut text, _) = password_token(&keystone.url(), "alice", "password").await;
    text.truncate(text.len() - 4);
    assert_refused(verifier.verify(&AuthToken::parse(text).unwrap()).await);

    // Revoked through the verifier: at once, for everybody.
    let fresh = KeystoneVerifier::new(service.clone(), forgetful());
    let (text, _) = password_token(&keystone.url(), "alice", "password").await;
    let (first, second) = (
        AuthToken::parse(text.clone()).unwrap(),
        AuthToken::parse(text).unwrap(),
    );
    fresh.verify(&second).await.unwrap();
    verifier.revoke(&first).await.unwrap();
    assert!(first.is_wiped());
    assert_refused(fresh.verify(&second).await);

    // Revoked behind its back: remembered for its time, refused once somebody else has refused it.
    let open = |token: &AuthToken, owner| {
        let access = TokenAccess::for_keystone(COMPONENT);
        support::guard().open(token, &access, owner, None).unwrap()
    };
    let own = service.token().await.unwrap();
    let credentials = Credentials {
        user: open(&token, TokenOwner::User),
        service: Some(open(&own, TokenOwner::Service)),
    };
    assert_eq!(credentials.blame(&verifier).await.unwrap(), None);
    admin.disable(&alice).await;
    verifier.verify(&token).await.unwrap();
    let blamed = credentials.blame(&verifier).await.unwrap();
    assert_eq!(blamed, Some(TokenOwner::User));
    assert!(token.is_wiped() && !own.is_wiped());
}

#[tokio::test]
async fn every_credential_gets_what_it_is_worth() {
    let keystone = Keystone::start(&Settings::default());
    let admin = Admin::of(&keystone).await;
    admin.user("plain", "password", "reader").await;
    let url = keystone.url();

    let wrong = service_user(&url, support::admin("not the password"));
    let error = wrong.token().await.unwrap_err();
    assert!(matches!(*error, KeystoneError::Credentials), "{error:?}");

    // A service user that may not validate tokens is to blame itself, not the user's token.
    let plain = Credential::Password {
        user: by_name("plain"),
        password: Password::new("password".to_owned()),
        scope: Scope::Project(Named::Id(admin.project.clone())),
    };
    let plain = KeystoneVerifier::new(service_user(&url, plain), forgetful());
    let subject = keystone.admin().token().await.unwrap();
    let error = reason(plain.verify(&subject).await);
    assert!(matches!(*error, KeystoneError::NotAllowed), "{error:?}");

    let system = Credential::Password {
        user: Named::Id(admin.user.clone()),
        password: Password::new(PASSWORD.to_owned()),
        scope: Scope::System,
    };
    let system = service_user(&url, system);
    let verified = system.verified().await.unwrap();
    assert_eq!(verified.identity.system_scope.as_deref(), Some("all"));
    assert!(verified.identity.project.id.is_none());

    let (id, secret) = admin.application_credential("nova", None).await;
    for credential in [
        ApplicationCredential::Id(id),
        ApplicationCredential::Name {
            name: "nova".to_owned(),
            user: by_name("admin"),
        },
    ] {
        let credential = Credential::ApplicationCredential {
            credential,
            secret: Password::new(secret.clone()),
        };
        let service = service_user(&url, credential);
        let verifier = KeystoneVerifier::new(service.clone(), forgetful());
        let verified = verifier
            .verify(&service.token().await.unwrap())
            .await
            .unwrap();
        assert_eq!(verified.identity.user.name.as_deref(), Some("admin"));
        // And it is good for validating others' tokens.
        verifier.verify(&subject).await.unwrap();
    }
}

#[tokio::test]
async fn access_rules_hold_users_and_not_the_service_that_asks_about_them() {
    let keystone = Keystone::start(&Settings::default());
    let admin = Admin::of(&keystone).await;
    let url = keystone.url();
    let rules = json!([
        {"service": "compute", "method": "GET", "path": "/v2.1/servers/*"},
        {"service": "identity", "method": "GET", "path": "/v3/users"},
    ]);
    let (id, secret) = admin.application_credential("held", Some(rules)).await;
    let held = service_user(
        &url,
        Credential::ApplicationCredential {
            credential: ApplicationCredential::Id(id),
            secret: Password::new(secret),
        },
    );
    let token = held.token().await.unwrap();

    let mut options = verifier_options();
    options.service_type = Some("compute".to_owned());
    let compute = KeystoneVerifier::new(keystone.admin(), options);
    let asked = |method, path| RequestLine { method, path };
    let good = asked("GET", "/v2.1/servers/s1");
    let verified = compute.verify_for(&token, good).await.unwrap();
    assert_eq!(verified.identity.user.name.as_deref(), Some("admin"));
    for refused in [
        asked("GET", "/v2.1/servers"),
        asked("GET", "/v2.1/servers/s1/action"),
        asked("GET", "/v2.1/servers/.."),
        asked("DELETE", "/v2.1/servers/s1"),
        asked("GET", "/v3/users"),
    ] {
        assert_refused(compute.verify_for(&token, refused).await);
    }
    assert_refused(compute.verify(&token).await);
    // One answer of Keystone's for all of these. Where a service vouches for the request, rules are not asked.
    assert_eq!(keystone.count("GET /v3/auth/tokens? 200"), 1);
    compute.verify_vouched_for(&token).await.unwrap();

    // A verifier that does not know what service it speaks for lets no such token do anything.
    let nobody = KeystoneVerifier::new(keystone.admin(), forgetful());
    assert_refused(nobody.verify_for(&token, good).await);

    // A service user that is held itself may still ask about others.
    let subject = keystone.admin().token().await.unwrap();
    let asking = KeystoneVerifier::new(held, forgetful());
    asking.verify(&subject).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_end_and_a_crowd_at_that_moment_authenticates_once() {
    let keystone = Keystone::start(&Settings {
        expiration: 15,
        ..Settings::default()
    });
    let service = keystone.admin();
    let verifier = KeystoneVerifier::new(service.clone(), verifier_options());
    service.token().await.unwrap();
    // On a busy machine a token can end before anybody asks about it.
    let (text, end) = loop {
        let (text, _) = password_token(&keystone.url(), "admin", PASSWORD).await;
        let token = AuthToken::parse(text.clone()).unwrap();
        if let Ok(verified) = verifier.verify(&token).await {
            break (text, verified.expires_at);
        }
    };
    let read = || AuthToken::parse(text.clone()).unwrap();

    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while SystemTime::now() < end || service.current().is_some() {
        ticks.tick().await;
    }
    let before = keystone.count(ISSUED);
    let barrier = Arc::new(tokio::sync::Barrier::new(4000));
    let crowd: Vec<_> = (0..4000)
        .map(|_| {
            let (service, barrier) = (service.clone(), barrier.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                service.token().await.map(|token| token.fingerprint())
            })
        })
        .collect();
    let mut tokens = Vec::new();
    for task in crowd {
        tokens.push(task.await.unwrap().unwrap());
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    assert_eq!(keystone.count(ISSUED), before + 1);

    // The user's token has ended: refused, although it was remembered as good; unless a service vouches for it.
    assert_refused(verifier.verify(&read()).await);
    let verified = verifier.verify_vouched_for(&read()).await.unwrap();
    assert_eq!(verified.expires_at, end);
    assert_refused(verifier.verify(&read()).await);
}

#[tokio::test]
async fn a_restart_of_keystone_costs_an_outage_and_nothing_else() {
    let mut keystone = Keystone::start(&Settings::default());
    let service = keystone.admin();
    let verifier = KeystoneVerifier::new(service.clone(), forgetful());
    let (text, _) = password_token(&keystone.url(), "admin", PASSWORD).await;
    let token = AuthToken::parse(text).unwrap();
    verifier.verify(&token).await.unwrap();
    let own = service.token().await.unwrap();

    keystone.kill();
    let error = reason(verifier.verify(&token).await);
    assert!(matches!(*error, KeystoneError::Connect(_)), "{error:?}");
    assert!(error.is_retryable());

    keystone.serve();
    verifier.verify(&token).await.unwrap();
    // The old own token is still good, so nobody authenticated again.
    assert_eq!(
        service.token().await.unwrap().fingerprint(),
        own.fingerprint()
    );

    // With new keys Keystone knows no old token: the service's is got anew, the user's is refused.
    keystone.kill();
    keystone.forget_keys();
    keystone.serve();
    assert_refused(verifier.verify(&token).await);
    assert!(own.is_wiped());
    let new = service.token().await.unwrap();
    assert_ne!(new.fingerprint(), own.fingerprint());
    verifier.verify(&new).await.unwrap();
}

#[cfg(feature = "jws")]
#[tokio::test]
async fn signed_tokens_are_keystones_to_judge_and_forged_ones_cost_it_nothing() {
    let keystone = Keystone::start(&Settings {
        provider: "jws",
        ..Settings::default()
    });
    let pem = std::fs::read(keystone.folder().join("jws/public.pem")).unwrap();
    let keys = nova_keystone::JwsKeys::from_pem(&pem).unwrap();
    let verifier = KeystoneVerifier::with_jws_keys(keystone.admin(), forgetful(), keys);
    let (text, _) = password_token(&keystone.url(), "admin", PASSWORD).await;
    let token = AuthToken::parse(text.clone()).unwrap();
    assert_eq!(token.shape(), TokenShape::Jws);
    let verified = verifier.verify(&token).await.unwrap();
    assert_eq!(verified.identity.user.name.as_deref(), Some("admin"));

    let asked = keystone.answered().len();
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    let forged = AuthToken::parse(format!("{signed}.{turned}")).unwrap();
    assert_refused(verifier.verify(&forged).await);
    assert_eq!(keystone.answered().len(), asked);

    // A good signature is not enough.
    verifier
        .revoke(&AuthToken::parse(text).unwrap())
        .await
        .unwrap();
    assert_refused(verifier.verify(&token).await);
}

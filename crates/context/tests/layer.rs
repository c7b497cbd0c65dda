//! The tower layer: who gets a context, who gets which refusal, what reaches the service behind it.
#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{Request, Response, StatusCode};
use nova_context::{
    AuthToken, ContextLayer, Guard, Identity, ProjectId, RequestContext, RequestLine,
    ServiceCatalog, TokenFingerprint, TokenKeeper, TokenVerifier, UserId, VerifiedToken,
    VerifyError,
};
use tower_layer::Layer;
use tower_service::Service;

const USER: &str = "gAAAAAB-user-000000000000000000000000000";
const SERVICE: &str = "gAAAAAB-service-000000000000000000000000";
const ENDED: &str = "gAAAAAB-ended-00000000000000000000000000";
const OUTAGE: &str = "gAAAAAB-outage-0000000000000000000000000";
const HELD: &str = "gAAAAAB-held-000000000000000000000000000";

/// Knows two tokens, fails on a third, takes a fourth, which has ended, only where a service vouches for it, and a fifth
/// for one request or where a service vouches.
struct Fake;

#[async_trait]
impl TokenVerifier for Fake {
    async fn verify(&self, token: &AuthToken) -> Result<VerifiedToken, VerifyError> {
        let is = |text: &str| token.fingerprint() == TokenFingerprint::of(text);
        let (user, role) = match () {
            () if is(USER) => ("u1", "member"),
            () if is(SERVICE) => ("nova", "service"),
            () if is(OUTAGE) => return Err(VerifyError::Unavailable("connection refused".into())),
            () => return Err(VerifyError::Invalid),
        };
        Ok(VerifiedToken {
            identity: Identity::of_project(
                UserId::parse(user).unwrap(),
                ProjectId::parse("p1").unwrap(),
            ),
            roles: [role].into_iter().collect(),
            catalog: ServiceCatalog::default(),
            expires_at: SystemTime::now() + Duration::from_secs(60),
        })
    }

    async fn verify_for(
        &self,
        token: &AuthToken,
        asked: RequestLine<'_>,
    ) -> Result<VerifiedToken, VerifyError> {
        let held = token.fingerprint() == TokenFingerprint::of(HELD);
        let allowed = asked.method == "GET" && asked.path == "/v2.1/servers";
        match (held, allowed) {
            (false, _) => self.verify(token).await,
            (true, true) => {
                self.verify(&AuthToken::parse(USER.to_owned()).unwrap())
                    .await
            }
            (true, false) => Err(VerifyError::Invalid),
        }
    }

    async fn verify_vouched_for(&self, token: &AuthToken) -> Result<VerifiedToken, VerifyError> {
        let is = |text: &str| token.fingerprint() == TokenFingerprint::of(text);
        if !is(ENDED) && !is(HELD) {
            return self.verify(token).await;
        }
        let mut verified = self
            .verify(&AuthToken::parse(USER.to_owned()).unwrap())
            .await?;
        verified.expires_at = SystemTime::now() - Duration::from_secs(60);
        Ok(verified)
    }
}

/// Answers with what it sees: the user, the chain's id, the service's user, and the identity headers left.
#[derive(Clone)]
struct Mirror;

impl Service<Request<()>> for Mirror {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let ctx = request.extensions().get::<RequestContext>().unwrap();
        let user = ctx.identity().user.id.as_ref().unwrap();
        let service = ctx.service().and_then(|service| service.user.id.clone());
        let left: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        let seen = format!("{user} {service:?} {:?} {left:?}", ctx.global_request_id());
        ready(Ok(Response::new(seen)))
    }
}

fn call(headers: &[(&str, &str)]) -> Response<String> {
    call_to("GET", "/", headers, |layer| layer)
}

fn call_to(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    set_up: impl FnOnce(ContextLayer) -> ContextLayer,
) -> Response<String> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let guard = Arc::new(Guard::default());
    let layer = ContextLayer::new(Arc::new(Fake), guard, TokenKeeper::default());
    let mut service = set_up(layer).layer(Mirror);
    let future = service.call(request.body(()).unwrap());
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn a_valid_token_becomes_a_context_and_no_identity_header_gets_through() {
    let caller = "req-0af1b2c3-0000-4000-8000-0123456789ab";
    let response = call(&[
        ("x-auth-token", USER),
        ("x-user-id", "spoofed"),
        ("x-roles", "admin"),
        ("openstack-system-scope", "all"),
        ("x-openstack-request-id", caller),
    ]);
    let expected = format!(r#"u1 None Some(RequestId({caller})) ["x-openstack-request-id"]"#);
    assert_eq!(response.body(), &expected);
    let ids = ["x-openstack-request-id", "x-compute-request-id"];
    let ids = ids.map(|name| response.headers().get(name).unwrap().to_str().unwrap());
    assert!(ids[0] == ids[1] && ids[0].starts_with("req-") && ids[0] != caller);
}

#[test]
fn a_service_token_needs_the_service_role() {
    let good = call(&[("x-auth-token", USER), ("x-service-token", SERVICE)]);
    assert!(good.body().starts_with("u1 Some(UserId(nova))"));
    let bad = call(&[("x-auth-token", USER), ("x-service-token", USER)]);
    assert_eq!(bad.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn a_token_that_has_ended_counts_where_a_service_vouches_for_the_request_and_nowhere_else() {
    let alone = call(&[("x-auth-token", ENDED)]);
    assert_eq!(alone.status(), StatusCode::UNAUTHORIZED);
    let vouched = call(&[("x-auth-token", ENDED), ("x-service-token", SERVICE)]);
    assert!(vouched.body().starts_with("u1 Some(UserId(nova))"));
    // Who has no service role vouches for nobody.
    let pretended = call(&[("x-auth-token", ENDED), ("x-service-token", USER)]);
    assert_eq!(pretended.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn a_token_held_to_certain_requests_is_good_for_those_and_where_a_service_vouches() {
    let held = &[("x-auth-token", HELD)][..];
    let good = call_to("GET", "/v2.1/servers?limit=1", held, |layer| layer);
    assert!(good.body().starts_with("u1 None"), "{}", good.body());
    for (method, path) in [("GET", "/v2.1/flavors"), ("POST", "/v2.1/servers")] {
        let refused = call_to(method, path, held, |layer| layer);
        assert_eq!(
            refused.status(),
            StatusCode::UNAUTHORIZED,
            "{method} {path}"
        );
    }
    let vouched = &[("x-auth-token", HELD), ("x-service-token", SERVICE)][..];
    let vouched = call_to("POST", "/v2.1/servers", vouched, |layer| layer);
    assert!(vouched.body().starts_with("u1 Some(UserId(nova))"));
    // A service whose own token is held vouches only within its rules, and not at all without the role.
    let held_service = &[("x-auth-token", USER), ("x-service-token", HELD)][..];
    let refused = call_to("GET", "/v2.1/flavors", held_service, |layer| layer);
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn the_path_that_counts_is_the_whole_one() {
    let held = &[("x-auth-token", HELD)][..];
    let cut = call_to("GET", "/servers", held, |layer| layer);
    assert_eq!(cut.status(), StatusCode::UNAUTHORIZED);
    let whole = call_to("GET", "/servers", held, |layer| {
        layer.whole_path(|_, _| "/v2.1/servers")
    });
    assert_eq!(whole.status(), StatusCode::OK);
}

#[test]
fn refusals_are_keystonemiddlewares() {
    for headers in [
        &[][..],
        &[("x-auth-token", "short")],
        &[("x-auth-token", "gAAAAAB-unknown-000000000000000000000000")],
        &[("x-auth-token", USER), ("x-auth-token", SERVICE)],
    ] {
        let response = call(headers);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
        assert!(response.headers().contains_key("www-authenticate"));
        assert!(response.headers().contains_key("x-openstack-request-id"));
        assert!(response.body().contains("requires authentication"));
    }
    let outage = call(&[("x-auth-token", OUTAGE)]);
    assert_eq!(outage.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!outage.headers().contains_key("www-authenticate"));
}

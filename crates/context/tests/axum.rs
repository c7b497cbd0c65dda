//! The tower layer where it is meant to be: in an axum application behind a socket, asked over HTTP.
#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Extension, Router};
use nova_context::{
    AuthToken, ContextLayer, EndpointUrl, Guard, Identity, ProjectId, RequestContext,
    ServiceCatalog, TokenFingerprint, TokenKeeper, TokenVerifier, UserId, VerifiedToken,
    VerifyError,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const GOOD: &str = "gAAAAAB-user-000000000000000000000000000";
const NOBODYS: &str = "gAAAAAB-nobody-0000000000000000000000000";
const OUTAGE: &str = "gAAAAAB-outage-0000000000000000000000000";

struct Fake;

#[async_trait]
impl TokenVerifier for Fake {
    async fn verify(&self, token: &AuthToken) -> Result<VerifiedToken, VerifyError> {
        let is = |text: &str| token.fingerprint() == TokenFingerprint::of(text);
        let identity = match () {
            () if is(GOOD) => Identity::of_project(
                UserId::parse("u1").unwrap(),
                ProjectId::parse("p1").unwrap(),
            ),
            () if is(NOBODYS) => Identity::default(),
            () if is(OUTAGE) => return Err(VerifyError::Unavailable("connection refused".into())),
            () => return Err(VerifyError::Invalid),
        };
        Ok(VerifiedToken {
            identity,
            roles: ["member"].into_iter().collect(),
            catalog: ServiceCatalog::default(),
            expires_at: SystemTime::now() + Duration::from_secs(60),
        })
    }
}

async fn show(Extension(ctx): Extension<RequestContext>, headers: HeaderMap) -> String {
    let leaked = headers
        .values()
        .any(|value| value.as_bytes() == GOOD.as_bytes());
    format!(
        "user={} from={} leaked={leaked}",
        ctx.identity().user.id.as_ref().unwrap(),
        ctx.remote_address().unwrap(),
    )
}

/// Serves the application, asks it once, and returns the whole answer as text.
async fn answer(request_headers: &str) -> String {
    let keystone = EndpointUrl::parse("https://identity.example.org:5000/v3").unwrap();
    let guard = Arc::new(Guard::default());
    let layer = ContextLayer::new(Arc::new(Fake), guard, TokenKeeper::default())
        .authenticate_at(&keystone)
        .remote_address(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip()));
    let app = Router::new().route("/servers", get(show)).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET /servers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{request_headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    server.abort();
    answer
}

#[tokio::test]
async fn a_handler_gets_the_context_of_its_request_and_where_it_came_from() {
    let spoofed = "X-User-Id: root\r\nX-Forwarded-For: 10.9.8.7\r\n";
    let answer = answer(&format!("X-Auth-Token: {GOOD}\r\n{spoofed}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.ends_with("user=u1 from=127.0.0.1 leaked=false"),
        "{answer}"
    );
    assert!(answer.contains("x-compute-request-id: req-"), "{answer}");
}

#[tokio::test]
async fn a_refusal_says_where_to_get_a_token() {
    for headers in [
        String::new(),
        "X-Auth-Token: nonsense\r\n".to_owned(),
        // A token of no user, from a verifier that lets one pass.
        format!("X-Auth-Token: {NOBODYS}\r\n"),
    ] {
        let answer = answer(&headers).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        let challenge =
            "www-authenticate: Keystone uri=\"https://identity.example.org:5000/v3\"\r\n";
        assert!(answer.contains(challenge), "{answer}");
        assert!(answer.contains(r#""title":"Unauthorized""#), "{answer}");
    }
}

#[tokio::test]
async fn an_outage_is_not_the_callers_fault() {
    let answer = answer(&format!("X-Auth-Token: {OUTAGE}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(!answer.contains("www-authenticate"), "{answer}");
}

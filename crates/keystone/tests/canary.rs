//! A password and tokens with one word in them, put through everything that prints, of this crate and of `context`: Debug,
//! Display, chains of errors, log lines at TRACE (the HTTP client's, too), panics, audit events, JSON documents. The word
//! comes out nowhere.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Debug;
use std::future::{Ready, ready};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use context::{
    AuditJournal, AuthToken, CatalogForm, CatalogRules, ContextLayer, EndpointUrl, FileAudit,
    Guard, Identity, InvalidHeaders, RequestContext, RequestParts, Roles, ServiceCatalog,
    TokenAccess, TokenKeeper, TokenPolicy, TokenPurpose, TokenVerifier as _, TracingAudit,
    TrustPolicy, UpstreamTrust, VerifiedHeaders, WireContext, WireForm, WireRules,
};
use http::{Request, Response};
use nova_keystone::{
    ApplicationCredential, COMPONENT, Credential, JwsKeys, KeystoneUrl, KeystoneVerifier, Password,
    Scope,
};
use support::peer::{Peer, Reply};
use tower_layer::Layer as _;
use tower_service::Service;

/// The word. Tokens and passwords hold it in different company.
const WORD: &str = "CANARYCANARY";
const OWN: &str = "gAAAAABo-own-CANARYCANARY-own-token-own-token";
const USERS: &str = "gAAAAABo-users-CANARYCANARY-token-users-token";
const SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.CANARYCANARY.c2lnbmF0dXJl";
const PASSWORD: &str = "s3cret-CANARYCANARY-s3cret";
const HOUR: Duration = Duration::from_secs(3600);

/// Everything that was printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn debug(&self, value: &dyn Debug) {
        writeln!(self.clone(), "{value:?}\n{value:#?}").unwrap();
    }

    /// An error in both forms, with every source.
    fn error(&self, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(link) = next {
            self.debug(&link);
            writeln!(self.clone(), "{link}").unwrap();
            next = link.source();
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs at TRACE and panics go where everything else goes.
fn listen(printed: &Printed) {
    let writer = printed.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let writer = printed.clone();
    std::panic::set_hook(Box::new(move |panic| {
        writeln!(writer.clone(), "{panic}").unwrap();
    }));
}

fn token(text: &str) -> AuthToken {
    AuthToken::parse(text.to_owned()).unwrap()
}

fn guard(printed: &Printed, folder: &std::path::Path) -> Arc<Guard> {
    let file = FileAudit::open(&folder.join("audit")).unwrap();
    let guard = Arc::new(Guard {
        tokens: TokenPolicy::default()
            .grant(COMPONENT, TokenPurpose::Keystone)
            .grant("rpc", TokenPurpose::Bus),
        journal: Arc::new(AuditJournal::new(vec![
            Arc::new(file),
            Arc::new(TracingAudit),
        ])),
        ..Guard::default()
    });
    printed.debug(&guard);
    guard
}

/// A Keystone that answers each user's question in another way, and repeats what it was told wherever it can.
async fn keystone() -> Peer {
    let answers = Mutex::new(vec![
        Reply::good(HOUR),
        Reply::status(404),
        Reply::status(401),
        Reply::status(403),
        Reply::status(500),
        Reply::Http(
            301,
            format!("Location: https://{WORD}.example.org/{USERS}\r\n"),
            String::new(),
        ),
        Reply::Http(
            200,
            String::new(),
            format!(r#"{{"token":{{"expires_at":"{WORD}""#),
        ),
        Reply::Http(
            200,
            String::new(),
            format!(
                r#"{{"token":{{"expires_at":"2999-01-01T00:00:00Z","user":{{"id":"u"}},"catalog":[{{"type":"image","endpoints":[{{"interface":"public","url":"ftp://u:{WORD}@h"}}]}}]}}}}"#
            ),
        ),
        Reply::Raw(format!("HTTP/1.1 {WORD} {USERS}\r\n\r\n").into_bytes()),
        Reply::Raw(Vec::new()),
        Reply::Http(
            200,
            format!("X-Odd: {USERS}\r\n"),
            format!("{WORD}{USERS}{PASSWORD}"),
        ),
    ]);
    let left = Arc::new(Mutex::new(answers.into_inner().unwrap().into_iter()));
    Peer::start(move |seen| match seen.method.as_str() {
        "POST" if seen.body.contains("wrong") => Reply::status(401),
        "POST" => Reply::issued(OWN, HOUR),
        "DELETE" => Reply::status(500),
        _ => left.lock().unwrap().next().unwrap_or(Reply::good(HOUR)),
    })
    .await
}

async fn verifier_prints(printed: &Printed, guard: &Arc<Guard>) -> KeystoneVerifier {
    let peer = keystone().await;
    let service = |password: &str| {
        let url = KeystoneUrl::parse(&peer.url()).unwrap();
        nova_keystone::ServiceUser::new(
            url,
            support::admin(password),
            guard.clone(),
            &support::client_options(),
            support::service_options(),
        )
        .unwrap()
    };
    let verifier = support::verifier(service(PASSWORD));
    printed.debug(&verifier);
    for _ in 0..14 {
        match verifier.verify(&token(USERS)).await {
            Ok(verified) => printed.debug(&verified),
            Err(error) => printed.error(&error),
        }
        verifier.forget(&token(USERS));
    }
    let error = verifier.revoke(&token(USERS)).await.unwrap_err();
    printed.error(&error);
    let wrong = service(&format!("wrong-{PASSWORD}"));
    printed.error(&*wrong.token().await.unwrap_err());
    printed.debug(&wrong);
    let by_secret = Credential::ApplicationCredential {
        credential: ApplicationCredential::Name {
            name: "backup".to_owned(),
            user: support::by_name("nova"),
        },
        secret: Password::new(PASSWORD.to_owned()),
    };
    let refused = support::service_user("http://127.0.0.1:1/v3", by_secret);
    printed.debug(&refused);
    printed.error(&*refused.token().await.unwrap_err());
    printed.debug(&Credential::Password {
        user: support::by_name("nova"),
        password: Password::new(PASSWORD.to_owned()),
        scope: Scope::System,
    });
    for url in [
        format!("https://u:{WORD}@h/"),
        format!("http://{WORD}/v3"),
        format!("https://h/?{WORD}"),
    ] {
        printed.error(&KeystoneUrl::parse(&url).unwrap_err());
    }
    printed.error(&JwsKeys::from_pem(PASSWORD.as_bytes()).unwrap_err());
    let broken = format!("-----BEGIN PUBLIC KEY-----\n{WORD}\n-----END PUBLIC KEY-----\n");
    printed.error(&JwsKeys::from_pem(broken.as_bytes()).unwrap_err());
    verifier
}

#[derive(Clone)]
struct Prints(Printed);

impl Service<Request<()>> for Prints {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.0.debug(&request);
        ready(Ok(Response::new(String::new())))
    }
}

async fn layer_prints(printed: &Printed, verifier: KeystoneVerifier, guard: &Arc<Guard>) {
    let keeper = TokenKeeper::default();
    let layer = ContextLayer::new(Arc::new(verifier), guard.clone(), keeper.clone());
    for sent in [USERS, SIGNED, "short-CANARYCANARY"] {
        let mut service = layer.layer(Prints(printed.clone()));
        let request = Request::builder()
            .header("x-auth-token", sent)
            .header("x-storage-token", sent)
            .header("x_auth_token", sent)
            .body(())
            .unwrap();
        let response = service.call(request).await.unwrap();
        printed.debug(&response);
    }
    printed.debug(&keeper);
}

fn context_prints(printed: &Printed, guard: &Arc<Guard>) {
    let ctx = RequestContext::for_request(RequestParts {
        identity: Identity::default(),
        roles: Roles::admin(),
        token: Some(token(USERS)),
        guard: guard.clone(),
        ..RequestParts::default()
    });
    let auth = ctx.auth().unwrap();
    let granted = auth.token(&TokenAccess::for_bus("rpc")).unwrap();
    printed.error(&auth.token(&TokenAccess::for_bus("nobody")).unwrap_err());
    let wire = ctx.to_wire();
    for value in [
        &ctx as &dyn Debug,
        &auth,
        &granted,
        &wire,
        &ctx.elevated("why"),
        &token(USERS),
    ] {
        printed.debug(value);
    }
    let exposed = wire.expose_json(WireForm::Rpc, &granted).unwrap();
    printed.debug(&exposed);
    for form in [WireForm::Dict, WireForm::Rpc] {
        writeln!(printed.clone(), "{}", wire.json_without_token(form)).unwrap();
    }
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _never: Result<(), _> = granted.expose(|_| panic!("with {ctx:?} and {granted:?}"));
    }));
    assert!(panicked.is_err());
    granted.rejected();
    printed.error(&granted.expose(str::len).unwrap_err());

    for text in [format!("short-{WORD}"), format!("with a blank {USERS}")] {
        printed.error(&AuthToken::parse(text).unwrap_err());
    }
    for json in [
        format!(r#"{{"auth_token":"{WORD} {USERS}","user_id":"{WORD} x","timestamp":"{WORD}"}}"#),
        format!(r#"{{"auth_token":["{USERS}"],"roles":"{WORD}","read_deleted":"{WORD}"}}"#),
        format!(
            r#"{{"auth_token":"{USERS}","remote_address":"{WORD}","service_catalog":[{{"type":"image","endpoints":[{{"publicURL":"ftp://u:{WORD}@h"}}]}}]}}"#
        ),
        format!(r#"{{"auth_token":"{USERS}" "{WORD}""#),
    ] {
        let read = WireContext::from_json(json.as_bytes(), WireForm::Dict, &WireRules::default());
        printed.error(&read.unwrap_err());
    }
    let claim = format!(r#"{{"auth_token":"{USERS}","is_admin":true,"roles":["member"]}}"#);
    let claim = WireContext::from_json(claim.as_bytes(), WireForm::Dict, &WireRules::default());
    let claim = claim.unwrap();
    printed.debug(&claim);
    printed.error(&RequestContext::for_rpc(claim, TrustPolicy::Refuse).unwrap_err());
    let catalog =
        format!(r#"[{{"type":"{WORD} x","endpoints":[{{"publicURL":"https://u:{WORD}@h"}}]}}]"#);
    let read = ServiceCatalog::from_json(
        catalog.as_bytes(),
        CatalogForm::V2,
        &CatalogRules::default(),
    );
    printed.error(&read.unwrap_err());
    printed.error(&EndpointUrl::parse(format!("https://u:{WORD}@h/")).unwrap_err());
    let headers: [(&str, &[u8]); 4] = [
        ("x-identity-status", b"Confirmed"),
        ("x-user-id", b"u"),
        ("x-auth-token", b"short-CANARYCANARY"),
        ("x-service-token", USERS.as_bytes()),
    ];
    let trust = UpstreamTrust::because("a test");
    let refused = VerifiedHeaders::from_upstream(headers, trust).unwrap_err();
    assert!(matches!(refused, InvalidHeaders::Problems(_)));
    printed.error(&refused);
    let good = [headers[0], headers[1], ("x-auth-token", USERS.as_bytes())];
    printed.debug(&VerifiedHeaders::from_upstream(good, trust).unwrap());
}

/// One test, because logs and panics have one place to go in a process.
#[tokio::test]
async fn nothing_that_prints_shows_a_secret() {
    let printed = Printed::default();
    let folder = tempfile::tempdir().unwrap();
    listen(&printed);
    let guard = guard(&printed, folder.path());
    let verifier = verifier_prints(&printed, &guard).await;
    layer_prints(&printed, verifier, &guard).await;
    context_prints(&printed, &guard);
    drop(std::panic::take_hook());
    let events = std::fs::read_to_string(folder.path().join("audit")).unwrap();
    let text = printed.text() + &events;
    // It did listen: a log line of the HTTP client, an audit event, an error, a panic.
    for heard in [
        "TRACE",
        "nova_audit",
        "unavailable",
        "with RequestContext",
        "\"seq\":1",
    ] {
        assert!(
            text.contains(heard),
            "nothing of `{heard}` in {} bytes",
            text.len()
        );
    }
    let shown: Vec<&str> = text.lines().filter(|line| line.contains(WORD)).collect();
    assert!(
        shown.is_empty(),
        "{} lines show it: {shown:#?}",
        shown.len()
    );
}

//! Credentials: granted by name and purpose, only for endpoints of the context's own catalog, always audited.
//!
//! Endpoint rules have their table beside the code; here it is about a whole context.
#![cfg(feature = "serde")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;

use nova_context::{
    AuditError, AuditEvent, AuditJournal, AuditOutcome, AuditSink, AuthError, AuthToken,
    CatalogForm, CatalogRules, EndpointPolicy, EndpointQuery, Guard, Identity, RequestContext,
    RequestParts, Roles, ServiceCatalog, ServiceIdentity, TokenAccess, TokenOwner, TokenPolicy,
    TokenPurpose, TokenVerifier, VerifiedToken, VerifyError,
};

const CATALOG: &str = r#"[
    {"type":"image","endpoints":[{"publicURL":"https://image.example.org","adminURL":"http://image.internal"}]},
    {"type":"network","endpoints":[{"publicURL":"http://127.0.0.1:9696"}]}]"#;

#[derive(Default)]
struct Memory(Mutex<Vec<AuditEvent>>);

impl AuditSink for Memory {
    fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}

impl Memory {
    fn actions(&self) -> Vec<(&'static str, AuditOutcome)> {
        let events = self.0.lock().unwrap();
        events
            .iter()
            .map(|event| (event.action, event.outcome))
            .collect()
    }
}

struct FullDisk;

impl AuditSink for FullDisk {
    fn record(&self, _: &AuditEvent) -> Result<(), AuditError> {
        Err(AuditError {
            sink: "full-disk",
            source: "no space left".into(),
        })
    }
}

fn token(letter: &str) -> AuthToken {
    AuthToken::parse(letter.repeat(40)).unwrap_or_else(|error| panic!("{error}"))
}

fn catalog(json: &str) -> ServiceCatalog {
    ServiceCatalog::from_json(json.as_bytes(), CatalogForm::V2, &CatalogRules::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn context(
    sink: Arc<dyn AuditSink>,
    change: impl FnOnce(&mut RequestParts, &mut Guard),
) -> RequestContext {
    let mut guard = Guard {
        tokens: TokenPolicy::default().grant("images", TokenPurpose::Service),
        journal: Arc::new(AuditJournal::new(vec![sink])),
        ..Guard::default()
    };
    let mut parts = RequestParts {
        token: Some(token("u")),
        catalog: catalog(CATALOG),
        ..RequestParts::default()
    };
    change(&mut parts, &mut guard);
    parts.guard = Arc::new(guard);
    RequestContext::for_request(parts)
}

fn image() -> EndpointQuery {
    EndpointQuery::service("image")
}

#[test]
fn a_granted_component_gets_the_token_and_the_trail_names_the_line() {
    let memory = Arc::new(Memory::default());
    let ctx = context(memory.clone(), |_, _| ());
    let auth = ctx.auth().unwrap();
    let endpoint = auth.endpoint(&image()).unwrap();
    let granted = auth
        .token(&TokenAccess::for_service("images", &endpoint))
        .unwrap();
    assert_eq!(granted.expose(str::len), Ok(40));
    use AuditOutcome::Success;
    assert_eq!(
        memory.actions(),
        [("endpoint/use", Success), ("token/access", Success)]
    );
    let events = memory.0.lock().unwrap();
    assert_eq!(events[1].location.unwrap().file(), file!());
    assert_eq!(events[1].request_id.as_ref(), Some(ctx.request_id()));
    assert!(!format!("{:?}", *events).contains("uuuu"));
}

#[test]
fn what_is_not_granted_is_refused_and_audited() {
    let memory = Arc::new(Memory::default());
    let ctx = context(memory.clone(), |_, _| ());
    let error = ctx
        .auth()
        .unwrap()
        .token(&TokenAccess::for_bus("images"))
        .unwrap_err();
    assert!(matches!(
        error,
        AuthError::NotGranted {
            component: "images",
            ..
        }
    ));
    assert_eq!(memory.actions(), [("token/access", AuditOutcome::Failure)]);
    let default = RequestContext::for_request(RequestParts {
        token: Some(token("u")),
        ..RequestParts::default()
    });
    assert!(
        default
            .auth()
            .unwrap()
            .token(&TokenAccess::for_bus("rpc"))
            .is_err()
    );
}

#[test]
fn a_token_goes_only_to_endpoints_of_its_own_catalog() {
    let other = context(Arc::new(Memory::default()), |parts, _| {
        parts.catalog =
            catalog(r#"[{"type":"image","endpoints":[{"publicURL":"https://evil.example"}]}]"#);
    });
    let foreign = other.auth().unwrap().endpoint(&image()).unwrap();
    let ctx = context(Arc::new(Memory::default()), |_, _| ());
    let error = ctx
        .auth()
        .unwrap()
        .token(&TokenAccess::for_service("images", &foreign));
    assert!(matches!(error, Err(AuthError::ForeignEndpoint)));
}

#[test]
fn plain_http_is_refused_except_to_loopback_or_where_allowed() {
    let memory = Arc::new(Memory::default());
    let admin = image().interface(nova_context::Interface::Admin);
    let ctx = context(memory.clone(), |_, _| ());
    let auth = ctx.auth().unwrap();
    assert!(matches!(auth.endpoint(&admin), Err(AuthError::PlainHttp)));
    assert!(auth.endpoint(&EndpointQuery::service("network")).is_ok());
    let allowed = context(memory, |_, guard| {
        guard.endpoints = EndpointPolicy {
            plain_http_hosts: ["image.internal".to_owned()].into(),
            ..EndpointPolicy::default()
        };
    });
    assert!(allowed.auth().unwrap().endpoint(&admin).is_ok());
}

#[test]
fn no_token_without_a_trail() {
    let ctx = context(Arc::new(FullDisk), |_, _| ());
    let auth = ctx.auth().unwrap();
    let endpoint = auth.endpoint(&image()).unwrap();
    let error = auth
        .token(&TokenAccess::for_service("images", &endpoint))
        .unwrap_err();
    assert!(matches!(error, AuthError::NotAudited(_)) && error.is_retryable());
    assert!(ctx.try_elevated("why").is_err());
    assert!(!ctx.elevated("why").is_admin());
}

#[test]
fn a_service_token_goes_beside_the_users_and_each_is_blamed_apart() {
    let ctx = context(Arc::new(Memory::default()), |parts, _| {
        parts.service = Some(ServiceIdentity {
            token: Some(token("s")),
            ..ServiceIdentity::default()
        });
    });
    let auth = ctx.auth().unwrap();
    let endpoint = auth.endpoint(&image()).unwrap();
    let access = TokenAccess::for_service("images", &endpoint);
    let credentials = auth.credentials(&access).unwrap();
    let headers: Vec<_> = credentials
        .iter()
        .map(|token| token.owner().header())
        .collect();
    assert_eq!(headers, ["x-auth-token", "x-service-token"]);
    let service = credentials.service.as_ref().unwrap();
    assert_eq!(service.owner(), TokenOwner::Service);
    service.rejected();
    assert!(service.expose(str::len).is_err() && credentials.user.expose(str::len).is_ok());
}

/// Refuses tokens of these letters, and cannot be asked about those of `x`.
struct Refuses(&'static str);

#[async_trait]
impl TokenVerifier for Refuses {
    async fn verify(&self, _: &AuthToken) -> Result<VerifiedToken, VerifyError> {
        unreachable!("a token that was refused elsewhere is asked about anew")
    }

    async fn recheck(&self, asked: &AuthToken) -> Result<(), VerifyError> {
        let is = |letter: char| asked.fingerprint() == token(&letter.to_string()).fingerprint();
        match self.0.chars().find(|letter| is(*letter)) {
            None => Ok(()),
            Some('x') => Err(VerifyError::Unavailable("nobody answers".into())),
            Some(_) => Err(VerifyError::Invalid),
        }
    }
}

#[test]
fn after_a_401_keystone_says_whose_token_is_to_blame() {
    use TokenOwner::{Service, User};
    for (service, refused, expected, left) in [
        (Some("s"), "", Some(None), [true, true]),
        (Some("s"), "s", Some(Some(Service)), [true, false]),
        (Some("s"), "us", Some(Some(Service)), [true, false]),
        (Some("s"), "u", Some(Some(User)), [false, true]),
        (Some("x"), "ux", None, [true, true]),
        (None, "u", Some(Some(User)), [false, true]),
        (None, "", Some(None), [true, true]),
    ] {
        let ctx = context(Arc::new(Memory::default()), |parts, _| {
            parts.token = Some(token("u"));
            parts.service = service.map(|letter| ServiceIdentity {
                token: Some(token(letter)),
                ..ServiceIdentity::default()
            });
        });
        let auth = ctx.auth().unwrap();
        let endpoint = auth.endpoint(&image()).unwrap();
        let access = TokenAccess::for_service("images", &endpoint);
        let credentials = auth.credentials(&access).unwrap();
        let verifier = Refuses(refused);
        let mut blame = pin!(credentials.blame(&verifier));
        let Poll::Ready(blamed) = blame.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("nothing here waits")
        };
        assert_eq!(blamed.ok(), expected, "{service:?} {refused}");
        let good = |token: &nova_context::GrantedToken| token.expose(str::len).is_ok();
        let found = [
            good(&credentials.user),
            credentials.service.as_ref().is_none_or(good),
        ];
        assert_eq!(found, left, "{service:?} {refused}");
    }
}

#[test]
fn a_required_service_token_that_is_missing_is_an_error() {
    let ctx = context(Arc::new(Memory::default()), |_, guard| {
        guard.endpoints.require_service_token = true;
    });
    let auth = ctx.auth().unwrap();
    let endpoint = auth.endpoint(&image()).unwrap();
    let error = auth.credentials(&TokenAccess::for_service("images", &endpoint));
    assert!(matches!(error, Err(AuthError::NoServiceToken)));
}

#[test]
fn a_background_task_is_audited_by_the_guard_it_was_given() {
    let memory = Arc::new(Memory::default());
    let guard = Guard {
        journal: Arc::new(AuditJournal::new(vec![memory.clone()])),
        ..Guard::default()
    };
    let parts = RequestParts {
        guard: Arc::new(guard),
        ..RequestParts::default()
    };
    let task = RequestContext::for_background_with("cleanup", parts);
    assert_eq!(task.task(), Some("cleanup"));
    assert!(task.elevated("archiving rows").is_admin());
    assert_eq!(
        memory.actions(),
        [("context/elevate", AuditOutcome::Success)]
    );
}

#[test]
fn a_background_task_has_no_token() {
    let task = RequestContext::for_background("cleanup", Identity::default(), Roles::admin());
    assert!(matches!(task.auth(), Err(AuthError::NoToken)));
}

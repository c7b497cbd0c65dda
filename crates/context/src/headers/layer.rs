//! A tower layer that makes a request's context: takes the tokens out of the headers, has them verified, puts a
//! [`RequestContext`](crate::RequestContext) into the request's extensions and ids into the response's headers.
//!
//! Works in axum and any other stack of tower's `Service` over `http` types. It speaks to no Keystone itself: that
//! is the [`TokenVerifier`]'s work. It believes no `X-Forwarded-For` (8.2): an operator who wants that, says how
//! ([`ContextLayer::remote_address`]).

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use tower_layer::Layer;
use tower_service::Service;

use super::names::is_identity_header;
use super::verified::VerifiedHeaders;
use crate::auth::Guard;
use crate::catalog::EndpointUrl;
use crate::id::RequestId;
use crate::token::{
    AuthToken, RequestLine, TokenKeeper, TokenVerifier, VerifiedToken, VerifyError,
};

/// What every request is verified with.
///
/// In axum, below a server made with `into_make_service_with_connect_info::<SocketAddr>()`:
///
/// ```
/// use std::{net::SocketAddr, sync::Arc};
/// use axum::{Extension, Router, extract::ConnectInfo, routing::get};
/// use nova_context::{ContextLayer, EndpointUrl, Guard, RequestContext, TokenKeeper, TokenVerifier};
///
/// async fn servers(Extension(ctx): Extension<RequestContext>) -> String {
///     format!("asked from {:?}", ctx.remote_address())
/// }
///
/// fn app(verifier: Arc<dyn TokenVerifier>, guard: Arc<Guard>, keystone: &EndpointUrl) -> Router {
///     let layer = ContextLayer::new(verifier, guard, TokenKeeper::default())
///         .authenticate_at(keystone)
///         .remote_address(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip()));
///     Router::new().route("/servers", get(servers)).layer(layer)
/// }
/// ```
#[derive(Clone)]
pub struct ContextLayer(Shared);

#[derive(Clone)]
struct Shared {
    verifier: Arc<dyn TokenVerifier>,
    guard: Arc<Guard>,
    challenge: HeaderValue,
    service_role: &'static str,
    keeper: TokenKeeper,
    remote_address: fn(&Extensions) -> Option<IpAddr>,
    whole_path: for<'r> fn(&'r Uri, &'r Extensions) -> &'r str,
}

impl ContextLayer {
    /// A layer over a verifier. `guard` goes into every context; `keeper` watches every verified token, so that a
    /// housekeeping loop can wipe it at its end.
    #[must_use]
    pub fn new(verifier: Arc<dyn TokenVerifier>, guard: Arc<Guard>, keeper: TokenKeeper) -> Self {
        Self(Shared {
            verifier,
            guard,
            challenge: HeaderValue::from_static("Keystone"),
            service_role: "service",
            keeper,
            remote_address: |extensions| extensions.get::<SocketAddr>().map(SocketAddr::ip),
            whole_path: |uri, _| uri.path(),
        })
    }

    /// Says in every 401 where to get a token: keystonemiddleware's `www_authenticate_uri` (8.1).
    #[must_use]
    pub fn authenticate_at(mut self, keystone: &EndpointUrl) -> Self {
        // A checked URL has neither quotes nor anything that no header has.
        let challenge = HeaderValue::from_str(&format!(r#"Keystone uri="{}""#, keystone.as_str()));
        if let Ok(challenge) = challenge {
            self.0.challenge = challenge;
        }
        self
    }

    /// How the server tells whom a request came from; by default, by a `SocketAddr` among the request's extensions.
    #[must_use]
    pub fn remote_address(mut self, find: fn(&Extensions) -> Option<IpAddr>) -> Self {
        self.0.remote_address = find;
        self
    }

    /// How the server tells the path that the client asked for: the access rules of application credentials are about
    /// that one. By default it is the request's own; below a router that cuts prefixes off (axum's `nest`, which keeps
    /// the whole one as `OriginalUri`) it has to be said.
    #[must_use]
    pub fn whole_path(mut self, find: for<'r> fn(&'r Uri, &'r Extensions) -> &'r str) -> Self {
        self.0.whole_path = find;
        self
    }
}

impl<S> Layer<S> for ContextLayer {
    type Service = ContextService<S>;

    fn layer(&self, inner: S) -> ContextService<S> {
        ContextService {
            inner,
            shared: Arc::new(self.0.clone()),
        }
    }
}

/// The service that [`ContextLayer`] makes.
#[derive(Clone)]
pub struct ContextService<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// Why there is no context.
enum Refusal {
    Unauthorized,
    Unavailable,
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Invalid => Self::Unauthorized,
            VerifyError::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl<S, In, Out> Service<Request<In>> for ContextService<S>
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + 'static,
    S::Future: Send,
    In: Send + 'static,
    Out: From<String>,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Out>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        // The service that was asked whether it is ready is the one to be called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let shared = self.shared.clone();
        Box::pin(async move {
            let id = RequestId::random();
            let caller_id = text(request.headers(), "x-openstack-request-id").map(str::to_owned);
            let tokens = Tokens::take(request.headers_mut());
            let address = (shared.remote_address)(request.extensions());
            let method = request.method().clone();
            let path = (shared.whole_path)(request.uri(), request.extensions()).to_owned();
            let asked = RequestLine {
                method: method.as_str(),
                path: &path,
            };
            let verified = match tokens {
                Ok(tokens) => shared.verify(tokens, asked).await,
                Err(refusal) => Err(refusal),
            };
            let mut response = match verified {
                Ok(verified) => {
                    let guard = shared.guard.clone();
                    let caller = caller_id.as_deref();
                    let ctx = verified.context(guard, Some(id.clone()), caller, address);
                    request.extensions_mut().insert(ctx);
                    inner.call(request).await?
                }
                Err(refusal) => shared.refuse(&refusal),
            };
            if let Ok(id) = HeaderValue::from_str(id.as_str()) {
                for name in ["x-openstack-request-id", "x-compute-request-id"] {
                    response.headers_mut().insert(name, id.clone());
                }
            }
            Ok(response)
        })
    }
}

struct Tokens {
    user: AuthToken,
    service: Option<AuthToken>,
}

impl Tokens {
    /// Takes the tokens out and removes every header that speaks of identity, whoever sent it.
    fn take(headers: &mut HeaderMap) -> Result<Self, Refusal> {
        let user = token(headers, "x-auth-token").transpose();
        let user = user.or_else(|| token(headers, "x-storage-token").transpose());
        let service = token(headers, "x-service-token");
        let names: Vec<_> = headers
            .keys()
            .filter(|n| is_identity_header(n.as_str()))
            .cloned()
            .collect();
        for name in names {
            headers.remove(name);
        }
        Ok(Self {
            user: user.ok_or(Refusal::Unauthorized)??,
            service: service?,
        })
    }
}

/// A header's only value; `None` where it is missing, repeated or no text.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn token(headers: &HeaderMap, name: &str) -> Result<Option<AuthToken>, Refusal> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let text = text(headers, name).ok_or(Refusal::Unauthorized)?.trim();
    AuthToken::parse(text.to_owned())
        .map(Some)
        .map_err(|_| Refusal::Unauthorized)
}

impl Shared {
    /// The service's token first, as keystonemiddleware does; it must carry the service role. Access rules hold whoever
    /// made the request: a service that vouches for it, otherwise the user.
    async fn verify(
        &self,
        tokens: Tokens,
        asked: RequestLine<'_>,
    ) -> Result<VerifiedHeaders, Refusal> {
        let service = match tokens.service {
            None => None,
            Some(token) => {
                let verified = self.verifier.verify_for(&token, asked).await?;
                if !verified.roles.contains(self.service_role) {
                    return Err(Refusal::Unauthorized);
                }
                Some((token, verified))
            }
        };
        let verified: VerifiedToken = match service {
            None => self.verifier.verify_for(&tokens.user, asked).await?,
            Some(_) => self.verifier.verify_vouched_for(&tokens.user).await?,
        };
        // Nova's own check (8.2), for verifiers that forget it.
        if verified.identity.user.id.is_none() {
            return Err(Refusal::Unauthorized);
        }
        let verified = VerifiedHeaders::from_tokens((tokens.user, verified), service);
        for token in verified.tokens() {
            self.keeper.watch(token);
        }
        Ok(verified)
    }

    /// keystonemiddleware's answers (8.1).
    fn refuse<Out: From<String>>(&self, refusal: &Refusal) -> Response<Out> {
        let (status, title, message) = match refusal {
            Refusal::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                "The request you have made requires authentication.",
            ),
            Refusal::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Service Unavailable",
                "The Keystone service is temporarily unavailable.",
            ),
        };
        let code = status.as_u16();
        let body =
            format!(r#"{{"error":{{"code":{code},"title":"{title}","message":"{message}"}}}}"#);
        let mut response = Response::new(Out::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if matches!(refusal, Refusal::Unauthorized) {
            headers.insert(WWW_AUTHENTICATE, self.challenge.clone());
        }
        response
    }
}

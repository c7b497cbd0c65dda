//! The HTTP side: three questions to `/v3/auth/tokens`, each within a budget, each answer bounded, no redirect followed.
//!
//! Knows headers and statuses; what an answer's JSON means is `answer.rs`'s matter, what to do about it the callers'.

use std::time::Duration;

use context::{GrantedToken, SecretBuf};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, redirect};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::certificate::ClientCertificate;
use crate::error::KeystoneError;
use crate::trust::{InvalidTrust, TrustRoots};
use crate::url::KeystoneUrl;
use crate::wiped;

const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
/// Says that this side enforces access rules; Keystone knows no token that has some to anybody who does not.
const ACCESS_RULES: HeaderName = HeaderName::from_static("openstack-identity-access-rules");

/// How Keystone is asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Time for one question, from waiting for a place in the queue to the answer's last byte.
    pub budget: Duration,
    /// Time for name lookup, connecting and TLS together; a part of the budget.
    pub connect_timeout: Duration,
    /// The largest answer in bytes. A token with a catalog of 20 services in 3 regions has about 40 kB.
    pub max_answer: usize,
    /// How many questions may be asked at once; the others wait, within their budgets.
    pub max_in_flight: usize,
    /// Whose certificates are believed.
    pub trust: TrustRoots,
    /// What this side shows where the other asks for a certificate; never shown to a loopback address in clear.
    pub certificate: Option<ClientCertificate>,
}

impl Default for ClientOptions {
    /// 5 s, 2 s of them to connect; 4 MiB; 32 at once; the system's authorities; no certificate of its own.
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            max_answer: 4 << 20,
            max_in_flight: 32,
            trust: TrustRoots::System,
            certificate: None,
        }
    }
}

/// No client can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The certificates.
    #[error("no TLS to the identity service")]
    Trust(#[from] InvalidTrust),
    /// The HTTP client.
    #[error("no HTTP client")]
    Http(#[source] reqwest::Error),
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The token that the answer is about, where one was issued.
    pub(crate) token: Option<Zeroizing<String>>,
    pub(crate) body: Vec<u8>,
}

/// One Keystone; share it by reference count. Connections are kept and reused.
pub(crate) struct Client {
    http: reqwest::Client,
    url: KeystoneUrl,
    places: Semaphore,
    budget: Duration,
    max_answer: usize,
}

impl Client {
    pub(crate) fn new(url: KeystoneUrl, options: &ClientOptions) -> Result<Self, ClientError> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .https_only(url.is_https())
            .tcp_nodelay(true)
            .connect_timeout(options.connect_timeout.min(options.budget))
            .pool_max_idle_per_host(options.max_in_flight)
            .user_agent(concat!("nova-keystone/", env!("CARGO_PKG_VERSION")));
        // A client of loopback in clear needs no certificates, and gets the smallest that can be made.
        builder = match url.is_https() {
            true => {
                let shown = options.certificate.as_ref();
                builder.tls_backend_preconfigured(options.trust.client(shown)?)
            }
            false => builder.tls_backend_preconfigured(TrustRoots::nobody()?),
        };
        Ok(Self {
            http: builder
                .build()
                .map_err(|error| ClientError::Http(error.without_url()))?,
            url,
            places: Semaphore::new(options.max_in_flight.max(1)),
            budget: options.budget,
            max_answer: options.max_answer,
        })
    }

    /// `POST`: who am I, proved by this body.
    pub(crate) async fn authenticate(&self, body: SecretBuf) -> Result<Answer, KeystoneError> {
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(Method::POST, &[], headers, Some(body)).await
    }

    /// `GET`: whose is this token?
    pub(crate) async fn validate(
        &self,
        own: &GrantedToken,
        subject: &GrantedToken,
        query: &[(&str, &str)],
    ) -> Result<Answer, KeystoneError> {
        self.send(Method::GET, query, headers(own, subject)?, None)
            .await
    }

    /// `DELETE`: this token is not good any more.
    pub(crate) async fn revoke(
        &self,
        own: &GrantedToken,
        subject: &GrantedToken,
    ) -> Result<Answer, KeystoneError> {
        self.send(Method::DELETE, &[], headers(own, subject)?, None)
            .await
    }

    async fn send(
        &self,
        method: Method,
        query: &[(&str, &str)],
        headers: HeaderMap,
        body: Option<SecretBuf>,
    ) -> Result<Answer, KeystoneError> {
        let budget = self.budget;
        let exchange = self.exchange(method, query, headers, body);
        let answered = timeout(budget, exchange).await;
        answered.unwrap_or(Err(KeystoneError::Timeout { budget }))
    }

    async fn exchange(
        &self,
        method: Method,
        query: &[(&str, &str)],
        headers: HeaderMap,
        body: Option<SecretBuf>,
    ) -> Result<Answer, KeystoneError> {
        // The semaphore is never closed, so there is always a place to be had.
        let _place = self.places.acquire().await.ok();
        let mut url = self.url.tokens().clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(wiped::body(body));
        }
        let mut response = request.send().await.map_err(KeystoneError::from_http)?;
        let status = response.status();
        if status.is_redirection() {
            return Err(KeystoneError::Redirect);
        }
        let token = response
            .headers()
            .get(SUBJECT_TOKEN)
            .map(text)
            .transpose()?;
        let limit = self.max_answer;
        let too_large = KeystoneError::TooLarge { limit };
        let announced = response.content_length().unwrap_or(0);
        if announced > limit as u64 {
            return Err(too_large);
        }
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(chunk) = response.chunk().await.map_err(KeystoneError::from_http)? {
            if body.len() + chunk.len() > limit {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            token,
            body,
        })
    }
}

fn text(value: &HeaderValue) -> Result<Zeroizing<String>, KeystoneError> {
    let text = value.to_str().map_err(|_| KeystoneError::Field {
        field: "X-Subject-Token",
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn headers(own: &GrantedToken, subject: &GrantedToken) -> Result<HeaderMap, KeystoneError> {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(ACCESS_RULES, HeaderValue::from_static("1.0"));
    for (name, token) in [(AUTH_TOKEN, own), (SUBJECT_TOKEN, subject)] {
        // A token is printable ASCII by construction, which any header takes.
        let value = token.expose(wiped::header)?;
        let value = value.map_err(|_| KeystoneError::Field { field: "token" })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

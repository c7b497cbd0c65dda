//! Asks Keystone what users' tokens are worth, and remembers the answers for a while.
//!
//! Keystone's 401 is about the service's own token, its 404 about the user's: the first is answered by one new token and
//! one more try of the very same question (W-28), the second is a verdict. Everything else is no verdict, so the caller
//! hears "unavailable" and nothing is remembered.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use context::{
    AuthToken, CatalogRules, Deadline, GrantedToken, RequestLine, RevokedTokens, TokenAccess,
    TokenFingerprint, TokenOwner, TokenVerifier, VerifiedToken, VerifyError,
};
use reqwest::StatusCode;
use tokio::time::{Instant, timeout};

use crate::answer::{self, TokenDocument};
use crate::cache::{Cache, CacheBounds, Ended, Known, Now, Verdict};
use crate::error::KeystoneError;
use crate::flight::{Flights, Joined};
use crate::service_user::ServiceUser;
use crate::table::Bounds;

/// How this crate names itself to the token policy: grant it
/// [`TokenPurpose::Keystone`](context::TokenPurpose::Keystone).
pub const COMPONENT: &str = "nova-keystone";

type Outcome = Result<Verdict, Arc<KeystoneError>>;

/// What a verifier remembers and asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifierOptions {
    /// How long a good token is believed without asking again: as long may a revocation go unnoticed.
    pub ttl: Duration,
    /// How long a refused token stays refused without asking again.
    pub refused_ttl: Duration,
    /// The most good verdicts kept.
    pub capacity: usize,
    /// The most bytes of Keystone's answers that the good verdicts were read from, together.
    pub capacity_bytes: usize,
    /// The most refusals kept.
    pub refused_capacity: usize,
    /// This service's type in Keystone's catalog (`[keystone_authtoken]service_type`; Nova's is `compute`): what the access
    /// rules of application credentials are held against. Without it no token that has some is good for anything.
    pub service_type: Option<String>,
    /// What a catalog may be; `None` asks Keystone for none.
    pub catalog: Option<CatalogRules>,
    /// How long after its end a token may still count where a service vouches for the request: Keystone's
    /// `allow_expired_window`, which this side checks once more.
    pub expired_window: Duration,
    /// Time for one verification: getting the service's own token, asking, and asking once more after a 401.
    pub budget: Duration,
}

impl Default for VerifierOptions {
    /// 60 s (keystonemiddleware: 300 s, for both); 10 s; 16384 good ones of at most 64 MiB; 16384 bad ones; no service
    /// type of its own; Nova's service types; 2 days; 8 s.
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60),
            refused_ttl: Duration::from_secs(10),
            capacity: 16_384,
            capacity_bytes: 64 << 20,
            refused_capacity: 16_384,
            service_type: None,
            catalog: Some(CatalogRules::nova()),
            expired_window: Duration::from_secs(2 * 24 * 3600),
            budget: Duration::from_secs(8),
        }
    }
}

/// Verifies tokens with Keystone. Cloning shares the cache.
#[derive(Clone)]
pub struct KeystoneVerifier(Arc<Inner>);

struct Inner {
    service: ServiceUser,
    cache: Cache,
    flights: Arc<Flights<(TokenFingerprint, Ended), Outcome>>,
    options: VerifierOptions,
    #[cfg(feature = "jws")]
    jws: Option<crate::jws::JwsKeys>,
}

impl KeystoneVerifier {
    /// A verifier that asks with this service user's token: its roles must let it validate others' tokens.
    #[must_use]
    pub fn new(service: ServiceUser, options: VerifierOptions) -> Self {
        Self(Arc::new(Inner::new(service, options)))
    }

    /// A verifier that also refuses, without asking Keystone, signed tokens that none of these keys has signed.
    #[cfg(feature = "jws")]
    #[must_use]
    pub fn with_jws_keys(
        service: ServiceUser,
        options: VerifierOptions,
        keys: crate::jws::JwsKeys,
    ) -> Self {
        let mut inner = Inner::new(service, options);
        inner.jws = Some(keys);
        Self(Arc::new(inner))
    }

    /// As [`verify_for`](TokenVerifier::verify_for), or where no request is named as [`verify`](TokenVerifier::verify);
    /// without a copy of the verdict, and by the caller's own deadline if that is earlier than the verifier's budget.
    ///
    /// # Errors
    /// As [`verify_for`](TokenVerifier::verify_for).
    ///
    /// # Cancel safety
    /// As [`verify`](TokenVerifier::verify).
    pub async fn verify_by(
        &self,
        token: &AuthToken,
        asked: Option<RequestLine<'_>>,
        deadline: Option<Deadline>,
    ) -> Result<Arc<VerifiedToken>, VerifyError> {
        let known = self.0.verify(token, Ended::Refused, deadline).await?;
        match self.0.allows(&known, asked) {
            true => Ok(known.verified),
            false => {
                // The bearer's business, like a wrong token; an operator who looks for it finds it.
                tracing::debug!("a token's access rules do not allow this request");
                Err(VerifyError::Invalid)
            }
        }
    }

    /// Forgets what is known of a token, at logout or when somebody else says it was revoked. An answer that is on its
    /// way is not remembered either.
    pub fn forget(&self, token: &AuthToken) {
        self.0.forget(&token.fingerprint());
    }

    /// Forgets what a peer says was revoked, or everything where nobody knows what was. Answers that are on their way are not
    /// remembered either. What listens to peers is elsewhere: `cells::InvalidationGate::tokens`, for one.
    pub fn hear(&self, revoked: RevokedTokens) {
        match revoked {
            RevokedTokens::One(token) => self.0.forget(&token),
            RevokedTokens::Unknown => {
                // In this order, as for one token.
                self.0.flights.ground_all();
                self.0.cache.clear();
            }
        }
    }

    /// Has Keystone revoke a token, then wipes it for every holder. A token that Keystone does not know is revoked.
    ///
    /// # Errors
    /// [`VerifyError::Unavailable`]: Keystone was not told. The token is forgotten here all the same.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether Keystone was told; the token is forgotten before it is.
    pub async fn revoke(&self, token: &AuthToken) -> Result<(), VerifyError> {
        self.forget(token);
        let inner = &self.0;
        let budget = inner.options.budget;
        let revoked = timeout(budget, inner.revoke(token)).await;
        revoked
            .unwrap_or(Err(Arc::new(KeystoneError::Timeout { budget })))
            .map_err(unavailable)?;
        // Whoever asked between the two may have been told that it is good.
        self.forget(token);
        token.wipe();
        Ok(())
    }

    /// How many verdicts are remembered: good ones, refusals. For metrics.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize) {
        self.0.cache.len()
    }
}

fn unavailable(error: Arc<KeystoneError>) -> VerifyError {
    VerifyError::Unavailable(Box::new(error))
}

#[async_trait]
impl TokenVerifier for KeystoneVerifier {
    async fn verify(&self, token: &AuthToken) -> Result<VerifiedToken, VerifyError> {
        let verified = self.verify_by(token, None, None).await?;
        Ok(VerifiedToken::clone(&verified))
    }

    async fn verify_for(
        &self,
        token: &AuthToken,
        asked: RequestLine<'_>,
    ) -> Result<VerifiedToken, VerifyError> {
        let verified = self.verify_by(token, Some(asked), None).await?;
        Ok(VerifiedToken::clone(&verified))
    }

    async fn recheck(&self, token: &AuthToken) -> Result<(), VerifyError> {
        self.forget(token);
        self.0.verify(token, Ended::Refused, None).await.map(drop)
    }

    async fn verify_vouched_for(&self, token: &AuthToken) -> Result<VerifiedToken, VerifyError> {
        let known = self.0.verify(token, Ended::Allowed, None).await?;
        Ok(VerifiedToken::clone(&known.verified))
    }
}

fn now() -> Now {
    Now {
        steady: Instant::now().into_std(),
        wall: SystemTime::now(),
    }
}

impl Inner {
    fn new(service: ServiceUser, options: VerifierOptions) -> Self {
        let cache = Cache::new(CacheBounds {
            good: Bounds {
                entries: options.capacity,
                weight: options.capacity_bytes,
            },
            bad: options.refused_capacity,
            good_ttl: options.ttl,
            bad_ttl: options.refused_ttl,
        });
        Self {
            service,
            cache,
            flights: Flights::new(),
            options,
            #[cfg(feature = "jws")]
            jws: None,
        }
    }

    async fn verify(
        self: &Arc<Self>,
        token: &AuthToken,
        ended: Ended,
        deadline: Option<Deadline>,
    ) -> Result<Known, VerifyError> {
        if token.is_wiped() {
            return Err(VerifyError::Invalid);
        }
        let key = token.fingerprint();
        let outcome = match self.cache.get(&key, ended, now()) {
            Some(verdict) => Ok(verdict),
            None => self.ask(token, ended, deadline).await,
        };
        match outcome.map_err(unavailable)? {
            Verdict::Good(known) => Ok(known),
            Verdict::Bad => Err(VerifyError::Invalid),
        }
    }

    /// Whether a good token is good for this request, or for any where none is named.
    fn allows(&self, known: &Known, asked: Option<RequestLine<'_>>) -> bool {
        let Some(rules) = &known.access_rules else {
            return true;
        };
        let service_type = self.options.service_type.as_deref();
        let question = service_type.zip(asked);
        question.is_some_and(|(service_type, asked)| rules.allow(service_type, asked))
    }

    /// Joins whoever asks the same already, or asks.
    async fn ask(
        self: &Arc<Self>,
        token: &AuthToken,
        ended: Ended,
        deadline: Option<Deadline>,
    ) -> Outcome {
        let key = token.fingerprint();
        let joined = self.flights.join(
            (key, ended),
            || self.cache.get(&key, ended, now()).map(Ok),
            |ticket| {
                let (inner, token) = (Arc::clone(self), token.clone());
                async move {
                    let budget = inner.options.budget;
                    let answered = timeout(budget, inner.verdict(&token, ended)).await;
                    let answered =
                        answered.unwrap_or(Err(Arc::new(KeystoneError::Timeout { budget })));
                    let (verdict, weight) = answered?;
                    ticket.land(|| inner.cache.put(key, ended, &verdict, weight, now()));
                    Ok(verdict)
                }
            },
            Err(Arc::new(KeystoneError::Panicked)),
        );
        let flight = match joined {
            Joined::Landed(outcome) => return outcome,
            Joined::Aloft(flight) => flight,
        };
        match deadline {
            None => flight.await,
            Some(deadline) => {
                let budget = deadline.remaining();
                let answered = timeout(budget, flight).await;
                answered.unwrap_or(Err(Arc::new(KeystoneError::Timeout { budget })))
            }
        }
    }

    /// Keystone's verdict and the size of its answer.
    async fn verdict(
        &self,
        token: &AuthToken,
        ended: Ended,
    ) -> Result<(Verdict, usize), Arc<KeystoneError>> {
        // The same question both times: Nova's middleware drops `allow_expired` from the second (W-28).
        let mut question: Vec<(&str, &str)> = Vec::new();
        if ended == Ended::Allowed {
            question.push(("allow_expired", "1"));
        }
        if self.options.catalog.is_none() {
            question.push(("nocatalog", "1"));
        }
        #[cfg(feature = "jws")]
        if self.forged(token, ended)? {
            return Ok((Verdict::Bad, 0));
        }
        for _ in 0..2 {
            let own = self.service.token().await?;
            let Some((granted, subject)) = self.open(&own, token)? else {
                return Ok((Verdict::Bad, 0));
            };
            let answer = self
                .service
                .client()
                .validate(&granted, &subject, &question)
                .await;
            let answer = match answer {
                // The user's token ended while the question was put.
                Err(KeystoneError::Gone(_)) if token.is_wiped() => return Ok((Verdict::Bad, 0)),
                Err(KeystoneError::Gone(_)) => continue,
                answer => answer?,
            };
            match answer.status {
                StatusCode::OK => {
                    let rules = self.options.catalog.unwrap_or_default();
                    let document = answer::read(&answer.body, &rules)?;
                    let window = self.options.expired_window;
                    return Ok((accept(document, ended, window), answer.body.len()));
                }
                StatusCode::NOT_FOUND => return Ok((Verdict::Bad, 0)),
                StatusCode::UNAUTHORIZED => self.service.rejected(&own),
                StatusCode::FORBIDDEN => return Err(KeystoneError::NotAllowed.into()),
                status => return Err(unexpected(status).into()),
            }
        }
        Err(KeystoneError::OwnToken.into())
    }

    async fn revoke(&self, token: &AuthToken) -> Result<(), Arc<KeystoneError>> {
        for _ in 0..2 {
            let own = self.service.token().await?;
            let Some((granted, subject)) = self.open(&own, token)? else {
                return Ok(());
            };
            let answer = self.service.client().revoke(&granted, &subject).await?;
            match answer.status {
                StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => return Ok(()),
                StatusCode::UNAUTHORIZED => self.service.rejected(&own),
                StatusCode::FORBIDDEN => return Err(KeystoneError::NotAllowed.into()),
                status => return Err(unexpected(status).into()),
            }
        }
        Err(KeystoneError::OwnToken.into())
    }

    /// Opens both tokens for Keystone, by policy and in the journal; `None` where the user's is wiped.
    fn open(
        &self,
        own: &AuthToken,
        token: &AuthToken,
    ) -> Result<Option<(GrantedToken, GrantedToken)>, KeystoneError> {
        if token.is_wiped() {
            return Ok(None);
        }
        let access = TokenAccess::for_keystone(COMPONENT);
        let open = |token, owner| self.service.guard().open(token, &access, owner, None);
        let own = open(own, TokenOwner::Service).map_err(KeystoneError::Guard)?;
        let subject = open(token, TokenOwner::User).map_err(KeystoneError::Guard)?;
        Ok(Some((own, subject)))
    }

    /// Whether the token is of a kind that can be refused without Keystone, and is to be.
    #[cfg(feature = "jws")]
    fn forged(&self, token: &AuthToken, ended: Ended) -> Result<bool, KeystoneError> {
        let Some(keys) = &self.jws else {
            return Ok(false);
        };
        let access = TokenAccess::for_keystone(COMPONENT);
        let subject = self
            .service
            .guard()
            .open(token, &access, TokenOwner::User, None);
        let subject = subject.map_err(KeystoneError::Guard)?;
        // A text that is gone by now is found gone by the question that follows.
        Ok(subject
            .expose(|text| keys.refuse(token.shape(), text, ended))
            .unwrap_or(false))
    }

    fn forget(&self, key: &TokenFingerprint) {
        // Flights first: one that has landed has put its verdict where the next two lines find it.
        for ended in [Ended::Refused, Ended::Allowed] {
            self.flights.ground(&(*key, ended));
        }
        self.cache.remove(key);
    }
}

/// Keystone said yes; this side looks at the end itself, as keystonemiddleware does.
fn accept(document: TokenDocument, ended: Ended, window: Duration) -> Verdict {
    let grace = match ended {
        Ended::Refused => Duration::ZERO,
        Ended::Allowed => window,
    };
    let now = SystemTime::now();
    let counts = |end: SystemTime| end.checked_add(grace).is_some_and(|end| end > now);
    match counts(document.verified.expires_at) {
        true => Verdict::Good(Known {
            verified: Arc::new(document.verified),
            access_rules: document.access_rules.map(Arc::new),
        }),
        false => Verdict::Bad,
    }
}

fn unexpected(status: StatusCode) -> KeystoneError {
    KeystoneError::Status {
        status: status.as_u16(),
    }
}

impl std::fmt::Debug for KeystoneVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeystoneVerifier")
            .field("service", &self.0.service)
            .finish_non_exhaustive()
    }
}

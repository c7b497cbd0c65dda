//! The service's own token: got with its credential, renewed ahead of its end, got anew once when Keystone refuses it.
//!
//! However many tasks want it at once, one of them authenticates. After a failure nobody asks again for a moment: a wrong
//! password must not lock the account, and a Keystone that is coming up must not be met by a crowd.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use context::{AuthToken, CatalogRules, Guard, ServiceCatalog, VerifiedToken};
use reqwest::StatusCode;
use tokio::time::Instant;

use crate::answer;
use crate::client::{Client, ClientError, ClientOptions};
use crate::credential::Credential;
use crate::error::KeystoneError;
use crate::flight::{Flights, Joined};
use crate::url::KeystoneUrl;

type Outcome = Result<Arc<Session>, Arc<KeystoneError>>;

/// How a service keeps its token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceUserOptions {
    /// How long before its end a token is renewed, in the background; at most a fifth of the token's life.
    pub renew_ahead: Duration,
    /// How long after a failure the next attempt waits; callers get the failure until then.
    pub hold_off: Duration,
    /// What the service's own catalog may be.
    pub catalog: CatalogRules,
}

impl Default for ServiceUserOptions {
    /// 2 min; 1 s; every service type.
    fn default() -> Self {
        Self {
            renew_ahead: Duration::from_secs(120),
            hold_off: Duration::from_secs(1),
            catalog: CatalogRules::default(),
        }
    }
}

/// A service user and its token. Cloning shares both.
#[derive(Clone)]
pub struct ServiceUser(Arc<Inner>);

struct Inner {
    client: Arc<Client>,
    credential: Credential,
    options: ServiceUserOptions,
    guard: Arc<Guard>,
    flights: Arc<Flights<(), Outcome>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    failure: Option<(Instant, Arc<KeystoneError>)>,
}

/// One token's time.
struct Session {
    token: AuthToken,
    verified: VerifiedToken,
    began: Instant,
    renew: Instant,
    end: Instant,
}

enum Look {
    Good(Arc<Session>),
    Ageing(Arc<Session>),
    Failed(Arc<KeystoneError>),
    Nothing,
}

impl ServiceUser {
    /// A service user of this Keystone. Nothing is sent until somebody wants the token. `guard` decides and audits the
    /// use of tokens towards Keystone itself: it must grant [`COMPONENT`](crate::COMPONENT) the purpose
    /// [`Keystone`](context::TokenPurpose::Keystone).
    ///
    /// # Errors
    /// [`ClientError`]: certificates that cannot be used.
    pub fn new(
        url: KeystoneUrl,
        credential: Credential,
        guard: Arc<Guard>,
        client: &ClientOptions,
        options: ServiceUserOptions,
    ) -> Result<Self, ClientError> {
        Ok(Self(Arc::new(Inner {
            client: Arc::new(Client::new(url, client)?),
            credential,
            options,
            guard,
            flights: Flights::new(),
            state: Mutex::default(),
        })))
    }

    /// The token, as long as it is good; a new one otherwise.
    ///
    /// # Errors
    /// [`KeystoneError`], shared by all who waited for the same attempt.
    ///
    /// # Cancel safety
    /// Dropping the future gives up waiting; the attempt goes on for the others who wait, and ends with the last.
    pub async fn token(&self) -> Result<AuthToken, Arc<KeystoneError>> {
        Ok(self.session().await?.token.clone())
    }

    /// The token, if there is a good one right now; asks nobody.
    #[must_use]
    pub fn current(&self) -> Option<AuthToken> {
        match self.look() {
            Look::Good(session) | Look::Ageing(session) => Some(session.token.clone()),
            Look::Failed(_) | Look::Nothing => None,
        }
    }

    /// Who the service is, as Keystone said when it issued the current token.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn verified(&self) -> Result<VerifiedToken, Arc<KeystoneError>> {
        Ok(self.session().await?.verified.clone())
    }

    /// Somebody answered 401 and blamed this token. If it is the current one it is wiped, and the next caller
    /// authenticates anew; if it was hardly older than [`hold_off`](ServiceUserOptions::hold_off), not before that is
    /// over. That is what keeps a Keystone that refuses its own tokens from being asked in a loop.
    pub fn rejected(&self, token: &AuthToken) {
        let mut state = self.0.state();
        let Some(session) = &state.session else {
            return;
        };
        if session.token.fingerprint() != token.fingerprint() {
            return;
        }
        let since = session.began + self.0.options.hold_off;
        session.token.wipe();
        state.session = None;
        if since > Instant::now() {
            state.failure = Some((since, Arc::new(KeystoneError::OwnToken)));
        }
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.0.client
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// The current catalog, without asking anybody.
    pub(crate) fn catalog(&self) -> Option<ServiceCatalog> {
        match self.look() {
            Look::Good(session) | Look::Ageing(session) => Some(session.verified.catalog.clone()),
            Look::Failed(_) | Look::Nothing => None,
        }
    }

    async fn session(&self) -> Outcome {
        match self.look() {
            Look::Good(session) => Ok(session),
            Look::Ageing(session) => {
                // Renewed beside the caller: nobody waits while the old token is good.
                if let Joined::Aloft(renewal) = self.join(|look| match look {
                    Look::Good(session) => Some(Ok(session)),
                    Look::Failed(error) => Some(Err(error)),
                    Look::Ageing(_) | Look::Nothing => None,
                }) {
                    tokio::spawn(renewal);
                }
                Ok(session)
            }
            Look::Failed(error) => Err(error),
            Look::Nothing => {
                let joined = self.join(|look| match look {
                    Look::Good(session) | Look::Ageing(session) => Some(Ok(session)),
                    Look::Failed(error) => Some(Err(error)),
                    Look::Nothing => None,
                });
                match joined {
                    Joined::Landed(outcome) => outcome,
                    Joined::Aloft(flight) => flight.await,
                }
            }
        }
    }

    fn look(&self) -> Look {
        self.0.look(Instant::now())
    }

    fn join(&self, landed: impl FnOnce(Look) -> Option<Outcome>) -> Joined<Outcome> {
        let inner = &self.0;
        let landed = || landed(inner.state().renewable(Instant::now()));
        inner.flights.join(
            (),
            landed,
            |ticket| {
                let inner = Arc::clone(inner);
                async move {
                    let outcome = inner.authenticate().await.map_err(Arc::new);
                    ticket.land(|| inner.keep(&outcome));
                    outcome
                }
            },
            Err(Arc::new(KeystoneError::Panicked)),
        )
    }
}

impl State {
    fn look(&self, now: Instant) -> Look {
        // Whoever found the token refused wiped it for every holder, and this is one of them.
        let session = self.session.as_ref();
        let session = session.filter(|session| !session.token.is_wiped());
        match (session, &self.failure) {
            (Some(session), _) if now < session.renew => Look::Good(Arc::clone(session)),
            (Some(session), _) if now < session.end => Look::Ageing(Arc::clone(session)),
            (_, Some((until, error))) if now < *until => Look::Failed(error.clone()),
            _ => Look::Nothing,
        }
    }

    /// As [`look`](Self::look), but a failure a moment ago counts even while the old token is good.
    fn renewable(&self, now: Instant) -> Look {
        match (self.look(now), &self.failure) {
            (Look::Ageing(_), Some((until, error))) if now < *until => Look::Failed(error.clone()),
            (look, _) => look,
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, now: Instant) -> Look {
        self.state().look(now)
    }

    fn keep(&self, outcome: &Outcome) {
        let mut state = self.state();
        match outcome {
            Ok(session) => {
                *state = State {
                    session: Some(session.clone()),
                    failure: None,
                };
            }
            Err(error) => {
                let until = Instant::now() + self.options.hold_off;
                state.failure = Some((until, error.clone()));
                tracing::warn!(error = %error, "the service user got no token");
            }
        }
    }

    async fn authenticate(&self) -> Result<Arc<Session>, KeystoneError> {
        let answer = self.client.authenticate(self.credential.body()?).await?;
        match answer.status {
            StatusCode::CREATED => {}
            StatusCode::UNAUTHORIZED => return Err(KeystoneError::Credentials),
            status => {
                return Err(KeystoneError::Status {
                    status: status.as_u16(),
                });
            }
        }
        let missing = |field| KeystoneError::Field { field };
        // Access rules bind others: they judge what this token asks of them, and Keystone lets it validate tokens always.
        let verified = answer::read(&answer.body, &self.options.catalog)?.verified;
        let text = answer.token.ok_or(missing("X-Subject-Token"))?;
        let lifetime = verified.expires_at.duration_since(SystemTime::now());
        let lifetime = lifetime.map_err(|_| KeystoneError::Clock)?;
        // The copy is `AuthToken`'s own to wipe; `text` wipes itself.
        let token = AuthToken::parse_until(String::clone(&text), verified.expires_at);
        let token = token.map_err(|_| missing("X-Subject-Token"))?;
        let began = Instant::now();
        let end = began + lifetime;
        Ok(Arc::new(Session {
            token,
            verified,
            began,
            renew: end - self.options.renew_ahead.min(lifetime / 5),
            end,
        }))
    }
}

impl std::fmt::Debug for ServiceUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceUser")
            .field("client", &self.0.client)
            .finish_non_exhaustive()
    }
}

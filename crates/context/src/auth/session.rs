//! A context's credentials in use: every answer passed by policy, every answer and refusal audited.

use super::endpoint::Endpoint;
use super::error::AuthError;
use super::plugin::AuthPlugin;
use crate::audit::AuditOutcome;
use crate::catalog::EndpointQuery;
use crate::request::RequestContext;
use crate::token::{Credentials, GrantedToken, TokenAccess, TokenOwner, TokenPurpose};

/// The credentials of one context. Made by [`RequestContext::auth`].
#[derive(Debug, Clone, Copy)]
pub struct Auth<'a> {
    ctx: &'a RequestContext,
    plugin: &'a dyn AuthPlugin,
}

impl<'a> Auth<'a> {
    pub(crate) fn new(ctx: &'a RequestContext, plugin: &'a dyn AuthPlugin) -> Self {
        Self { ctx, plugin }
    }

    /// The endpoint that fits, if the endpoint policy accepts it.
    ///
    /// # Errors
    /// [`AuthError::Catalog`], [`AuthError::PlainHttp`], [`AuthError::NotAudited`].
    #[track_caller]
    pub fn endpoint(&self, query: &EndpointQuery) -> Result<Endpoint, AuthError> {
        let found = self.plugin.endpoint(query).map_err(AuthError::from);
        let found = found.and_then(|url| {
            self.ctx.guard().endpoints.check(&url)?;
            Ok(url)
        });
        let outcome = match &found {
            Ok(_) => AuditOutcome::Success,
            Err(_) => AuditOutcome::Failure,
        };
        let mut event = self.ctx.event("endpoint/use", outcome);
        event.location = Some(std::panic::Location::caller());
        event.target = Some(match &found {
            Ok(url) => url.host().to_owned(),
            Err(_) => query.service_type.clone().unwrap_or_default(),
        });
        event.reason = found.as_ref().err().map(ToString::to_string);
        self.ctx.guard().journal.record(&event)?;
        found.map(Endpoint::new)
    }

    /// The user's token for this access.
    ///
    /// # Errors
    /// [`AuthError`]: no token, not granted, not an endpoint of this context's catalog, not audited.
    pub fn token(&self, access: &TokenAccess) -> Result<GrantedToken, AuthError> {
        self.check_endpoint(access)?;
        let token = self.plugin.token(access)?;
        self.open(&token, access, TokenOwner::User)
    }

    /// The user's token, and the service's own beside it, for a call to another service.
    ///
    /// # Errors
    /// As [`token`](Self::token); [`AuthError::NoServiceToken`] where the policy requires one and there is none.
    pub fn credentials(&self, access: &TokenAccess) -> Result<Credentials, AuthError> {
        let user = self.token(access)?;
        let service = match self.plugin.service_token(access)? {
            Some(token) => Some(self.open(&token, access, TokenOwner::Service)?),
            None if self.ctx.guard().endpoints.require_service_token => {
                return Err(AuthError::NoServiceToken);
            }
            None => None,
        };
        Ok(Credentials { user, service })
    }

    fn open(
        &self,
        token: &crate::token::AuthToken,
        access: &TokenAccess,
        owner: TokenOwner,
    ) -> Result<GrantedToken, AuthError> {
        self.ctx.guard().open(token, access, owner, Some(self.ctx))
    }

    /// A token for a service needs an endpoint of this very catalog: one made from another context's is refused.
    fn check_endpoint(&self, access: &TokenAccess) -> Result<(), AuthError> {
        let own = match (access.purpose(), access.endpoint()) {
            (TokenPurpose::Service, Some(endpoint)) => self.plugin.owns(endpoint.url()),
            (TokenPurpose::Service, None) => false,
            _ => true,
        };
        if own {
            return Ok(());
        }
        let mut event = self.ctx.event("token/access", AuditOutcome::Failure);
        event.component = Some(access.component());
        event.location = Some(access.location());
        event.reason = Some("the endpoint is of another catalog".to_owned());
        self.ctx.guard().journal.record(&event)?;
        Err(AuthError::ForeignEndpoint)
    }
}

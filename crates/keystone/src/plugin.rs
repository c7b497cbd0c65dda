//! The service user as a context's auth plugin: background work acts with the service's own token and catalog.
//!
//! Plugins are asked without waiting, so this one hands out the token that is there; whoever starts background work
//! awaits [`ServiceUser::token`] first.

use context::{
    AuthError, AuthPlugin, AuthToken, CatalogError, EndpointQuery, EndpointUrl, TokenAccess,
    VerifyError,
};

use crate::service_user::ServiceUser;

/// There is no token right now: nobody has asked for one yet, or Keystone gave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the service user has no token right now")]
pub struct NoCurrentToken;

impl AuthPlugin for ServiceUser {
    fn token(&self, _: &TokenAccess) -> Result<AuthToken, AuthError> {
        self.current()
            .ok_or_else(|| AuthError::Obtain(VerifyError::Unavailable(Box::new(NoCurrentToken))))
    }

    fn endpoint(&self, query: &EndpointQuery) -> Result<EndpointUrl, CatalogError> {
        // Without a token there is no catalog either, and the empty one says so.
        let catalog = self.catalog().unwrap_or_default();
        catalog.url_for(query).cloned()
    }

    fn owns(&self, url: &EndpointUrl) -> bool {
        self.catalog()
            .is_some_and(|catalog| catalog.urls().any(|own| own == url))
    }
}

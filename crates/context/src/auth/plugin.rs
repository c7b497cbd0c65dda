//! Where a context's tokens and endpoints come from: by default its own token and catalog, as Nova's
//! `_ContextAuthPlugin` has it; a service user's plugin may bring its own.
//!
//! A plugin hands out tokens nobody can open; [`Auth`](crate::Auth) decides and audits, so no plugin can forget to.

use std::fmt;

use super::error::AuthError;
use crate::catalog::{CatalogError, EndpointQuery, EndpointUrl, ServiceCatalog};
use crate::token::{AuthToken, TokenAccess};

/// A source of tokens and endpoints.
pub trait AuthPlugin: Send + Sync + fmt::Debug {
    /// The user's token for this access.
    ///
    /// # Errors
    /// [`AuthError::NoToken`] and what getting one brings.
    fn token(&self, access: &TokenAccess) -> Result<AuthToken, AuthError>;

    /// The service's own token, to go beside the user's; none by default.
    ///
    /// # Errors
    /// What getting one brings. A service token that cannot be had is an error, not a shrug (W-2).
    fn service_token(&self, access: &TokenAccess) -> Result<Option<AuthToken>, AuthError> {
        let _ = access;
        Ok(None)
    }

    /// Where a service answers.
    ///
    /// # Errors
    /// [`CatalogError`].
    fn endpoint(&self, query: &EndpointQuery) -> Result<EndpointUrl, CatalogError>;

    /// Whether the URL is one of those that [`endpoint`](Self::endpoint) may give.
    fn owns(&self, url: &EndpointUrl) -> bool;
}

/// The plugin of a context's own token and catalog.
#[derive(Debug, Clone)]
pub struct CatalogAuth {
    token: Option<AuthToken>,
    service_token: Option<AuthToken>,
    catalog: ServiceCatalog,
}

impl CatalogAuth {
    /// A plugin over a token and a catalog.
    #[must_use]
    pub fn new(token: Option<AuthToken>, catalog: ServiceCatalog) -> Self {
        Self {
            token,
            service_token: None,
            catalog,
        }
    }

    /// The same with a service's token beside the user's.
    #[must_use]
    pub fn with_service_token(self, token: Option<AuthToken>) -> Self {
        Self {
            service_token: token,
            ..self
        }
    }
}

impl AuthPlugin for CatalogAuth {
    fn token(&self, _: &TokenAccess) -> Result<AuthToken, AuthError> {
        self.token.clone().ok_or(AuthError::NoToken)
    }

    fn service_token(&self, _: &TokenAccess) -> Result<Option<AuthToken>, AuthError> {
        Ok(self.service_token.clone())
    }

    fn endpoint(&self, query: &EndpointQuery) -> Result<EndpointUrl, CatalogError> {
        self.catalog.url_for(query).cloned()
    }

    fn owns(&self, url: &EndpointUrl) -> bool {
        self.catalog.urls().any(|own| own == url)
    }
}

//! Who wants a token's text and what for, and which of that is allowed.
//!
//! Nova hands its token to any code that asks (`get_token`). Here the asking code names itself and its purpose, a
//! policy decides, and the answer is an audit event with the line of code that asked.

use std::collections::BTreeSet;
use std::panic::Location;

use crate::auth::Endpoint;

/// What a token's text is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TokenPurpose {
    /// To call another service of the cloud, at an endpoint of the context's own catalog.
    Service,
    /// To send the context over the message bus, where Nova's peers expect the token in it.
    Bus,
    /// To have Keystone say what the token is worth, or to revoke it there.
    Keystone,
}

impl TokenPurpose {
    /// The purpose's name in events and errors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Bus => "bus",
            Self::Keystone => "keystone",
        }
    }
}

/// One request for a token's text.
#[derive(Debug, Clone)]
pub struct TokenAccess {
    component: &'static str,
    purpose: TokenPurpose,
    endpoint: Option<Endpoint>,
    location: &'static Location<'static>,
}

impl TokenAccess {
    /// `component` wants to call the service at this endpoint.
    #[track_caller]
    #[must_use]
    pub fn for_service(component: &'static str, endpoint: &Endpoint) -> Self {
        Self::new(component, TokenPurpose::Service, Some(endpoint.clone()))
    }

    /// `component` wants to send the context over the bus.
    #[track_caller]
    #[must_use]
    pub fn for_bus(component: &'static str) -> Self {
        Self::new(component, TokenPurpose::Bus, None)
    }

    /// `component` wants to ask Keystone about the token.
    #[track_caller]
    #[must_use]
    pub fn for_keystone(component: &'static str) -> Self {
        Self::new(component, TokenPurpose::Keystone, None)
    }

    #[track_caller]
    fn new(component: &'static str, purpose: TokenPurpose, endpoint: Option<Endpoint>) -> Self {
        Self {
            component,
            purpose,
            endpoint,
            location: Location::caller(),
        }
    }

    /// Which part of the process asks.
    #[must_use]
    pub fn component(&self) -> &'static str {
        self.component
    }

    /// What for.
    #[must_use]
    pub fn purpose(&self) -> TokenPurpose {
        self.purpose
    }

    /// Where the token is to go, for [`TokenPurpose::Service`].
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// The line of code that asks.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// Which components may have a token's text, and what for. What is not granted is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenPolicy {
    grants: BTreeSet<(&'static str, TokenPurpose)>,
}

impl TokenPolicy {
    /// Also grants `component` this purpose.
    #[must_use]
    pub fn grant(mut self, component: &'static str, purpose: TokenPurpose) -> Self {
        self.grants.insert((component, purpose));
        self
    }

    /// Whether the access is granted.
    #[must_use]
    pub fn allows(&self, access: &TokenAccess) -> bool {
        self.grants.contains(&(access.component, access.purpose))
    }
}

//! What a caller looks for in a catalog.
//!
//! Nothing but data; [`ServiceCatalog::url_for`](crate::ServiceCatalog::url_for) says what each part means.

use super::interface::Interface;

/// Which endpoint is wanted. What is not said is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointQuery {
    /// The service's type or an alias of it, `image`, `block-storage`; case matters.
    pub service_type: Option<String>,
    /// Interfaces in order of preference; empty asks for any.
    pub interfaces: Vec<Interface>,
    /// The region's name.
    pub region: Option<String>,
    /// The service's name; services without one match every name.
    pub service_name: Option<String>,
    /// The service's id; services without one match every id.
    pub service_id: Option<String>,
    /// The endpoint's id.
    pub endpoint_id: Option<String>,
}

impl EndpointQuery {
    /// Any endpoint of this service type.
    #[must_use]
    pub fn service(service_type: impl Into<String>) -> Self {
        Self {
            service_type: Some(service_type.into()),
            ..Self::default()
        }
    }

    /// Adds an interface, less preferred than those before it.
    #[must_use]
    pub fn interface(mut self, interface: Interface) -> Self {
        self.interfaces.push(interface);
        self
    }

    /// Only in this region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Only of services with this name, or without any.
    #[must_use]
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }
}

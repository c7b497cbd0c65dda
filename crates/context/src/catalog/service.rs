//! The checked catalog's own shape: services with their endpoints, immutable, shared by every clone of a context.
//!
//! It keeps what both wire forms carry, so nothing of theirs is lost on the way through; it is not `Serialize`.

use std::fmt;
use std::sync::Arc;

use super::interface::Interface;
use super::service_type::Place;
use super::url::EndpointUrl;

/// A checked service catalog. Cloning costs one reference count.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceCatalog(pub(super) Arc<[Service]>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// `None` where the catalog said `null`: found only when no type is asked for.
    pub(super) kind: Option<Box<str>>,
    /// The type's place among the official ones, found once.
    pub(super) place: Option<Place>,
    pub(super) name: Option<Box<str>>,
    pub(super) id: Option<Box<str>>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// One entry of `endpoints`: several interfaces in the v2 form, exactly one in the v3 form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) region: Option<Box<str>>,
    pub(super) region_id: Option<Box<str>>,
    pub(super) id: Option<Box<str>>,
    pub(super) urls: Vec<(Interface, EndpointUrl)>,
}

impl Endpoint {
    /// The region a lookup compares with: `region_id` where there is one, `region` otherwise (1.10 step 2).
    pub(super) fn region_name(&self) -> Option<&str> {
        let id = self.region_id.as_deref().filter(|id| !id.is_empty());
        id.or(self.region.as_deref())
    }
}

impl ServiceCatalog {
    /// How many services it lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it lists none: lookups then fail with [`CatalogError::Empty`](crate::CatalogError::Empty).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The services' types in the catalog's order.
    pub fn service_types(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|service| service.kind.as_deref())
    }

    /// The same catalog in the shape that keystonemiddleware gives the header (8.3): per service one entry per region,
    /// with all its interfaces; a later URL of the same interface wins; ids of endpoints are dropped.
    #[must_use]
    pub fn grouped_by_region(&self) -> Self {
        let services = self.0.iter().map(|service| {
            let mut endpoints: Vec<Endpoint> = Vec::new();
            for endpoint in &service.endpoints {
                let held = (endpoints.iter()).position(|e| e.region == endpoint.region);
                let at = held.unwrap_or_else(|| {
                    endpoints.push(Endpoint {
                        region: endpoint.region.clone(),
                        region_id: None,
                        id: None,
                        urls: Vec::new(),
                    });
                    endpoints.len() - 1
                });
                let urls = &mut endpoints[at].urls;
                for (interface, url) in &endpoint.urls {
                    match urls.iter_mut().find(|(held, _)| held == interface) {
                        Some((_, held)) => held.clone_from(url),
                        None => urls.push((interface.clone(), url.clone())),
                    }
                }
            }
            Service {
                endpoints,
                ..service.clone()
            }
        });
        Self(services.collect())
    }

    /// Every URL in it, in the catalog's order.
    pub fn urls(&self) -> impl Iterator<Item = &EndpointUrl> {
        let endpoints = self.0.iter().flat_map(|service| &service.endpoints);
        endpoints.flat_map(|endpoint| endpoint.urls.iter().map(|(_, url)| url))
    }
}

impl Default for ServiceCatalog {
    /// The empty catalog.
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl fmt::Debug for ServiceCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A catalog is the map of a cloud's inside; logs get its size and types only.
        f.write_str("ServiceCatalog")?;
        f.debug_list().entries(self.service_types()).finish()
    }
}

//! Finding an endpoint: keystoneauth's `url_for` (1.10) with one error enum and no exceptions of its own (W-5).
//!
//! No allocation on the way to an answer. Whether a token may be sent there is the auth plugin's question.

use super::interface::Interface;
use super::query::EndpointQuery;
use super::service::{Endpoint, Service, ServiceCatalog};
use super::service_type::{place, rank};
use super::url::EndpointUrl;

/// A catalog has no answer. Names what was asked for, never a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The context's catalog lists no service at all.
    #[error("the service catalog is empty")]
    Empty,
    /// Nothing in the catalog fits the query.
    #[error("no endpoint of the catalog fits: {}", describe(.query))]
    NotFound {
        /// What was asked for.
        query: Box<EndpointQuery>,
    },
}

fn describe(query: &EndpointQuery) -> String {
    let mut text = String::new();
    for (index, interface) in query.interfaces.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { " or " });
        text.push_str(interface.as_str());
    }
    text.push_str(if text.is_empty() {
        "any interface of "
    } else {
        " of "
    });
    text.push_str(query.service_type.as_deref().unwrap_or("any service"));
    for (what, value) in [
        (" named ", &query.service_name),
        (" with service id ", &query.service_id),
        (" with endpoint id ", &query.endpoint_id),
        (" in region ", &query.region),
    ] {
        if let Some(value) = value {
            text.push_str(what);
            text.push_str(value);
        }
    }
    text
}

impl ServiceCatalog {
    /// The URL that fits, by keystoneauth's rules (1.10):
    ///
    /// * types match exactly or through os-service-types' aliases; where several catalog types fit, the exact one
    ///   wins, then the official one, then aliases in their published order, each only if it has an endpoint left;
    /// * per catalog type, the first preferred interface with any endpoint left wins, wherever it is listed;
    /// * a service without a name (or id) fits every name (or id); region and endpoint id must be equal.
    ///
    /// # Errors
    /// [`CatalogError`]: the catalog is empty, or nothing fits.
    pub fn url_for(&self, query: &EndpointQuery) -> Result<&EndpointUrl, CatalogError> {
        if self.is_empty() {
            return Err(CatalogError::Empty);
        }
        let requested = query.service_type.as_deref();
        let found = match requested.filter(|requested| !requested.is_empty()) {
            Some(requested) => self.by_type(requested, query),
            None => self.of_any_type(query),
        };
        found.ok_or_else(|| CatalogError::NotFound {
            query: Box::new(query.clone()),
        })
    }

    fn by_type(&self, requested: &str, query: &EndpointQuery) -> Option<&EndpointUrl> {
        let asked = (requested, place(requested));
        let mut best: Option<(usize, &EndpointUrl)> = None;
        for (index, service) in self.0.iter().enumerate() {
            let Some(kind) = service.kind.as_deref() else {
                continue;
            };
            let Some(rank) = rank(asked, (kind, service.place)) else {
                continue;
            };
            if best.is_none_or(|(held, _)| rank < held)
                && fits_service(service, query)
                && !self.seen_before(index, query)
                && let Some(url) = self.first_of(index, query)
            {
                best = Some((rank, url));
            }
        }
        best.map(|(_, url)| url)
    }

    fn of_any_type(&self, query: &EndpointQuery) -> Option<&EndpointUrl> {
        (0..self.0.len())
            .filter(|index| fits_service(&self.0[*index], query))
            .filter(|index| !self.seen_before(*index, query))
            .find_map(|index| self.first_of(index, query))
    }

    /// Whether a fitting service of the same type is listed earlier: a type is looked at once, at its first place.
    fn seen_before(&self, index: usize, query: &EndpointQuery) -> bool {
        let kind = &self.0[index].kind;
        self.0[..index]
            .iter()
            .any(|earlier| earlier.kind == *kind && fits_service(earlier, query))
    }

    /// The first endpoint of the type first listed at `index`, by interface preference.
    fn first_of(&self, index: usize, query: &EndpointQuery) -> Option<&EndpointUrl> {
        let kind = &self.0[index].kind;
        let find = |wanted: Option<&Interface>| {
            let services = self.0[index..]
                .iter()
                .filter(|s| s.kind == *kind && fits_service(s, query));
            services
                .flat_map(|service| &service.endpoints)
                .filter(|endpoint| fits_endpoint(endpoint, query))
                .flat_map(|endpoint| &endpoint.urls)
                .find(|(interface, _)| wanted.is_none_or(|wanted| wanted == interface))
                .map(|(_, url)| url)
        };
        if query.interfaces.is_empty() {
            find(None)
        } else {
            query
                .interfaces
                .iter()
                .find_map(|wanted| find(Some(wanted)))
        }
    }
}

/// A nameless service fits every name, as does an empty name (1.10 step 4).
fn fits_service(service: &Service, query: &EndpointQuery) -> bool {
    let fits = |wanted: &Option<String>, held: &Option<Box<str>>| match (wanted, held.as_deref()) {
        (Some(wanted), Some(held)) => held.is_empty() || wanted.is_empty() || wanted == held,
        _ => true,
    };
    fits(&query.service_name, &service.name) && fits(&query.service_id, &service.id)
}

fn fits_endpoint(endpoint: &Endpoint, query: &EndpointQuery) -> bool {
    let fits = |wanted: &Option<String>, held: Option<&str>| {
        wanted
            .as_deref()
            .is_none_or(|wanted| wanted.is_empty() || held == Some(wanted))
    };
    fits(&query.region, endpoint.region_name()) && fits(&query.endpoint_id, endpoint.id.as_deref())
}

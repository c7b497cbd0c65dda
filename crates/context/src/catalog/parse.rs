//! From a catalog's raw values to a checked [`ServiceCatalog`]: types, names, ids, interfaces, URLs, sizes.
//!
//! Raw values come from a wire form or from code that has its own; reading JSON is `read.rs`'s work.

use std::borrow::Cow;
use std::collections::HashSet;

use super::interface::Interface;
use super::problem::{CatalogFault, CatalogProblem, InvalidCatalog};
use super::service::{Endpoint, Service, ServiceCatalog};
use super::service_type::place_in_catalog;
use super::url::EndpointUrl;

/// The service types that Nova keeps of any catalog (1.1); all others are dropped unseen.
pub const NOVA_SERVICE_TYPES: &[&str] = &[
    "image",
    "block-storage",
    "volumev3",
    "key-manager",
    "placement",
    "network",
    "accelerator",
    "sharev2",
];

/// What a catalog may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogRules {
    /// Service types to keep; entries of other types are dropped before they are checked. `None` keeps all.
    pub keep: Option<&'static [&'static str]>,
    /// The most services a catalog may list.
    pub max_services: usize,
    /// The most endpoint URLs it may list over all services.
    pub max_endpoints: usize,
}

impl Default for CatalogRules {
    /// Every type; 512 services, 16384 URLs.
    fn default() -> Self {
        Self {
            keep: None,
            max_services: 512,
            max_endpoints: 16_384,
        }
    }
}

impl CatalogRules {
    /// Nova's: only [`NOVA_SERVICE_TYPES`].
    #[must_use]
    pub fn nova() -> Self {
        Self {
            keep: Some(NOVA_SERVICE_TYPES),
            ..Self::default()
        }
    }

    pub(super) fn keeps(&self, kind: Option<&str>) -> bool {
        self.keep
            .is_none_or(|keep| kind.is_some_and(|kind| keep.contains(&kind)))
    }
}

/// A catalog's values before they are checked.
#[derive(Debug, Clone, Default)]
pub struct RawCatalog {
    /// The services in the catalog's order.
    pub services: Vec<RawService>,
    pub(super) problems: Vec<CatalogProblem>,
}

/// A service before it is checked.
#[derive(Debug, Clone, Default)]
pub struct RawService {
    /// `None` for `null`. Entries without the key are not listed at all.
    pub kind: Option<String>,
    /// The service's name.
    pub name: Option<String>,
    /// The service's id.
    pub id: Option<String>,
    /// Its endpoints.
    pub endpoints: Vec<RawEndpoint>,
    /// Where the catalog listed it.
    pub(super) at: Option<usize>,
}

/// An endpoint before it is checked.
#[derive(Debug, Clone, Default)]
pub struct RawEndpoint {
    /// The region's name (v2) or legacy name (v3).
    pub region: Option<String>,
    /// The region's id; wins over `region` in lookups.
    pub region_id: Option<String>,
    /// The endpoint's id.
    pub id: Option<String>,
    /// Interface name (with or without `URL`) and URL. Empty URLs are skipped.
    pub urls: Vec<(Cow<'static, str>, String)>,
}

impl ServiceCatalog {
    /// Checks raw values.
    ///
    /// # Errors
    /// [`InvalidCatalog`] lists every problem by service and endpoint.
    pub fn parse(raw: RawCatalog, rules: &CatalogRules) -> Result<Self, InvalidCatalog> {
        let checked = Checked::of(raw, rules);
        if checked.problems.is_empty() {
            Ok(Self(checked.services.into()))
        } else {
            Err(InvalidCatalog::from_problems(checked.problems))
        }
    }

    /// Checks raw values and leaves out what is malformed: a URL, an endpoint, a service; and says what that was. One
    /// mistyped endpoint in Keystone is no reason to refuse every token of the cloud; Nova, which checks nothing, finds
    /// the other endpoints, too.
    ///
    /// # Errors
    /// [`InvalidCatalog`] for what is no list of services at all, or larger than allowed.
    pub fn parse_good_parts(
        raw: RawCatalog,
        rules: &CatalogRules,
    ) -> Result<(Self, Vec<CatalogProblem>), InvalidCatalog> {
        let Checked {
            services,
            places,
            problems,
        } = Checked::of(raw, rules);
        if problems.iter().any(|problem| problem.service.is_none()) {
            return Err(InvalidCatalog::from_problems(problems));
        }
        let bad: HashSet<_> = problems
            .iter()
            .map(|problem| {
                // A malformed URL is not among its endpoint's URLs; where others are left, the endpoint is good.
                let url = matches!(
                    problem.fault,
                    CatalogFault::Url(_) | CatalogFault::Interface(_)
                );
                (problem.service, problem.endpoint, url)
            })
            .collect();
        let mut good = Vec::with_capacity(services.len());
        for (mut service, at) in services.into_iter().zip(places) {
            if bad.contains(&(Some(at), None, false)) {
                continue;
            }
            let mut index = 0;
            service.endpoints.retain(|endpoint| {
                let has = |url| bad.contains(&(Some(at), Some(index), url));
                let drop = has(false) || (has(true) && endpoint.urls.is_empty());
                index += 1;
                !drop
            });
            good.push(service);
        }
        Ok((Self(good.into()), problems))
    }
}

/// Services as far as they could be read, where each stood, and what is wrong.
struct Checked {
    services: Vec<Service>,
    places: Vec<usize>,
    problems: Vec<CatalogProblem>,
}

impl Checked {
    fn of(raw: RawCatalog, rules: &CatalogRules) -> Self {
        let mut check = Check {
            problems: raw.problems,
            urls: 0,
        };
        let mut services = Vec::with_capacity(raw.services.len());
        let mut places = Vec::with_capacity(raw.services.len());
        for (index, service) in raw.services.into_iter().enumerate() {
            if rules.keeps(service.kind.as_deref()) {
                let at = service.at.unwrap_or(index);
                services.push(check.service(at, service));
                places.push(at);
            }
        }
        check.repeated_ids(&services, &places);
        for (count, limit, what) in [
            (services.len(), rules.max_services, "services"),
            (check.urls, rules.max_endpoints, "endpoints"),
        ] {
            if count > limit {
                check.note(None, None, CatalogFault::TooMany { what, limit });
            }
        }
        Self {
            services,
            places,
            problems: check.problems,
        }
    }
}

struct Check {
    problems: Vec<CatalogProblem>,
    urls: usize,
}

impl Check {
    fn note(&mut self, service: Option<usize>, endpoint: Option<usize>, fault: CatalogFault) {
        self.problems.push(CatalogProblem {
            service,
            endpoint,
            fault,
        });
    }

    /// Notes every endpoint whose id an earlier one has.
    fn repeated_ids(&mut self, services: &[Service], places: &[usize]) {
        let mut ids = Vec::new();
        for (service, at) in services.iter().zip(places) {
            for (index, endpoint) in service.endpoints.iter().enumerate() {
                if let Some(id) = endpoint.id.as_deref().filter(|id| !id.is_empty()) {
                    ids.push((id, *at, index));
                }
            }
        }
        ids.sort_unstable();
        for pair in ids.windows(2) {
            if pair[0].0 == pair[1].0 {
                self.note(Some(pair[1].1), Some(pair[1].2), CatalogFault::DuplicateId);
            }
        }
    }

    fn service(&mut self, at: usize, raw: RawService) -> Service {
        let odd = |b: u8| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
        if raw.kind.as_ref().is_some_and(|kind| kind.bytes().any(odd)) {
            self.note(Some(at), None, CatalogFault::ServiceType);
        }
        Service {
            place: raw.kind.as_deref().and_then(place_in_catalog),
            kind: self.text(at, None, "type", raw.kind),
            name: self.text(at, None, "name", raw.name),
            id: self.text(at, None, "id", raw.id),
            endpoints: (raw.endpoints.into_iter().enumerate())
                .map(|(index, endpoint)| self.endpoint(at, index, endpoint))
                .collect(),
        }
    }

    fn endpoint(&mut self, at: usize, index: usize, raw: RawEndpoint) -> Endpoint {
        let id = self.text(at, Some(index), "id", raw.id);
        let mut urls = Vec::with_capacity(raw.urls.len());
        for (name, url) in raw.urls {
            if url.is_empty() {
                continue;
            }
            self.urls += 1;
            match (Interface::parse(&name), EndpointUrl::parse(url)) {
                (Ok(interface), Ok(url)) => urls.push((interface, url)),
                (interface, url) => {
                    let faults = [
                        interface.err().map(CatalogFault::Interface),
                        url.err().map(CatalogFault::Url),
                    ];
                    for fault in faults.into_iter().flatten() {
                        self.note(Some(at), Some(index), fault);
                    }
                }
            }
        }
        Endpoint {
            region: self.text(at, Some(index), "region", raw.region),
            region_id: self.text(at, Some(index), "region_id", raw.region_id),
            id,
            urls,
        }
    }

    fn text(
        &mut self,
        service: usize,
        endpoint: Option<usize>,
        key: &'static str,
        text: Option<String>,
    ) -> Option<Box<str>> {
        let text = text?;
        let control = match text.is_ascii() {
            true => text.bytes().any(|b| b.is_ascii_control()),
            false => text.chars().any(char::is_control),
        };
        if text.len() > 255 || control {
            self.note(Some(service), endpoint, CatalogFault::Text { key });
        }
        Some(text.into_boxed_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvalidEndpointUrl;

    fn service(kind: &str, urls: &[(&str, &str)]) -> RawService {
        let own = |(name, url): &(&str, &str)| ((*name).to_owned().into(), (*url).to_owned());
        RawService {
            kind: Some(kind.to_owned()),
            endpoints: vec![RawEndpoint {
                id: Some("e1".to_owned()),
                urls: urls.iter().map(own).collect(),
                ..RawEndpoint::default()
            }],
            ..RawService::default()
        }
    }

    fn raw(services: Vec<RawService>) -> RawCatalog {
        RawCatalog {
            services,
            ..RawCatalog::default()
        }
    }

    #[test]
    fn every_problem_is_listed_at_once_by_place() {
        let bad = raw(vec![
            service("image", &[("publicURL", "ftp://canary/")]),
            service("net work", &[("pub lic", "http://h/")]),
        ]);
        let error = ServiceCatalog::parse(bad, &CatalogRules::default()).unwrap_err();
        let faults: Vec<_> = error.problems().iter().map(|p| p.fault).collect();
        assert_eq!(
            faults,
            [
                CatalogFault::Url(InvalidEndpointUrl::Scheme),
                CatalogFault::ServiceType,
                CatalogFault::Interface(crate::InvalidInterface),
                CatalogFault::DuplicateId,
            ]
        );
        assert!(!error.to_string().contains("canary"));
    }

    #[test]
    fn the_good_parts_of_a_catalog_are_found_beside_the_malformed_ones() {
        let mixed = raw(vec![
            service(
                "image",
                &[("publicURL", "ftp://canary/"), ("internalURL", "http://h/")],
            ),
            service("net work", &[("publicURL", "http://h/")]),
            service("network", &[("publicURL", "http://n/")]),
        ]);
        // The second one's id, which is the first one's, goes with its service; so does the third one's endpoint.
        let (catalog, problems) =
            ServiceCatalog::parse_good_parts(mixed, &CatalogRules::default()).unwrap();
        let types: Vec<_> = catalog.service_types().collect();
        assert_eq!(types, ["image", "network"]);
        let urls: Vec<_> = catalog.urls().map(EndpointUrl::as_str).collect();
        assert_eq!(urls, ["http://h/"]);
        assert_eq!(problems.len(), 4, "{problems:?}");
        let nothing = RawCatalog::default();
        let rules = CatalogRules {
            max_services: 0,
            ..CatalogRules::default()
        };
        assert!(ServiceCatalog::parse_good_parts(nothing, &rules).is_ok());
        let one = raw(vec![service("image", &[])]);
        assert!(ServiceCatalog::parse_good_parts(one, &rules).is_err());
    }

    #[test]
    fn types_that_nova_drops_are_dropped_unseen() {
        let mixed = raw(vec![
            service("compute", &[("publicURL", "not a url")]),
            service("image", &[("publicURL", "http://h/"), ("adminURL", "")]),
        ]);
        let catalog = ServiceCatalog::parse(mixed, &CatalogRules::nova()).unwrap();
        assert_eq!(catalog.service_types().collect::<Vec<_>>(), ["image"]);
        assert_eq!(catalog.urls().count(), 1);
    }

    #[test]
    fn sizes_are_bounded() {
        let rules = CatalogRules {
            max_services: 1,
            ..CatalogRules::default()
        };
        let two = raw(vec![service("image", &[]), RawService::default()]);
        let error = ServiceCatalog::parse(two, &rules).unwrap_err();
        assert_eq!(
            error.problems()[0].fault,
            CatalogFault::TooMany {
                what: "services",
                limit: 1
            }
        );
    }
}

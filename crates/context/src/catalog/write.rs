//! Writing a catalog as JSON, in either form. Deliberately not `Serialize` on the catalog itself: who writes one says so.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::interface::Interface;
use super::read::CatalogForm;
use super::service::{Endpoint, Service, ServiceCatalog};
use super::url::EndpointUrl;

impl ServiceCatalog {
    /// The catalog as JSON text. What came in one form and leaves in it is the same but for keys that no reader of
    /// catalogs looks at; see [`grouped_by_region`](Self::grouped_by_region) for the header's shape.
    #[must_use]
    pub fn to_json(&self, form: CatalogForm) -> String {
        // Texts, lists and maps with text keys into memory: nothing there can fail.
        serde_json::to_string(&self.as_form(form)).unwrap_or_default()
    }

    pub(crate) fn as_form(&self, form: CatalogForm) -> CatalogOut<'_> {
        CatalogOut {
            catalog: self,
            form,
        }
    }
}

pub(crate) struct CatalogOut<'a> {
    catalog: &'a ServiceCatalog,
    form: CatalogForm,
}

impl Serialize for CatalogOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.catalog.0.iter().map(|service| ServiceOut {
            service,
            form: self.form,
        }))
    }
}

struct ServiceOut<'a> {
    service: &'a Service,
    form: CatalogForm,
}

impl Serialize for ServiceOut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Service {
            kind,
            name,
            id,
            endpoints,
            ..
        } = self.service;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("type", kind)?;
        if let Some(name) = name {
            map.serialize_entry("name", name)?;
        }
        if let Some(id) = id {
            map.serialize_entry("id", id)?;
        }
        match self.form {
            CatalogForm::V2 => map.serialize_entry("endpoints", &Grouped(endpoints))?,
            CatalogForm::V3 => map.serialize_entry("endpoints", &Exploded(endpoints))?,
        }
        map.end()
    }
}

struct Grouped<'a>(&'a [Endpoint]);

impl Serialize for Grouped<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(Group))
    }
}

struct Group<'a>(&'a Endpoint);

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        place(&mut map, self.0, true)?;
        for (interface, url) in &self.0.urls {
            match interface {
                Interface::Public => map.serialize_entry("publicURL", url.as_str())?,
                Interface::Internal => map.serialize_entry("internalURL", url.as_str())?,
                Interface::Admin => map.serialize_entry("adminURL", url.as_str())?,
                Interface::Other(name) => {
                    map.serialize_entry(&format!("{name}URL"), url.as_str())?;
                }
            }
        }
        map.end()
    }
}

struct Exploded<'a>(&'a [Endpoint]);

impl Serialize for Exploded<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(None)?;
        for endpoint in self.0 {
            for (interface, url) in &endpoint.urls {
                list.serialize_element(&Single(endpoint, interface, url))?;
            }
        }
        list.end()
    }
}

struct Single<'a>(&'a Endpoint, &'a Interface, &'a EndpointUrl);

impl Serialize for Single<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        // Ids are unique in this form: one that several interfaces share is the v2 entry's and stays there.
        place(&mut map, self.0, self.0.urls.len() == 1)?;
        map.serialize_entry("interface", self.1.as_str())?;
        map.serialize_entry("url", self.2.as_str())?;
        map.end()
    }
}

fn place<M: SerializeMap>(map: &mut M, endpoint: &Endpoint, id: bool) -> Result<(), M::Error> {
    if let Some(id) = endpoint.id.as_ref().filter(|_| id) {
        map.serialize_entry("id", id)?;
    }
    for (key, value) in [
        ("region", &endpoint.region),
        ("region_id", &endpoint.region_id),
    ] {
        if let Some(value) = value {
            map.serialize_entry(key, value)?;
        }
    }
    Ok(())
}

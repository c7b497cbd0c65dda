//! Reading a catalog from JSON: the v2 form of headers and RPC, the v3 form of Keystone's tokens (8.3).
//!
//! Kinds are read loosely and reported by place; whether values are good is `parse.rs`'s matter.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::parse::{CatalogRules, RawCatalog, RawEndpoint, RawService};
use super::problem::{CatalogFault, CatalogProblem, InvalidCatalog};
use super::service::ServiceCatalog;
use crate::loose::{Loose, Shape, Shaped};

/// How a catalog is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogForm {
    /// `X-Service-Catalog` and Nova's context: `{"publicURL": .., "internalURL": ..}` per region.
    V2,
    /// A Keystone v3 token: `{"interface": "public", "url": ..}` per endpoint.
    V3,
}

/// A text is no JSON, or its catalog is malformed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogReadError {
    /// Not JSON at all.
    #[error("the service catalog is not JSON (line {line}, column {column})")]
    Json {
        /// Where the reader gave up.
        line: usize,
        /// Where the reader gave up.
        column: usize,
    },
    /// JSON, but not a good catalog.
    #[error(transparent)]
    Invalid(#[from] InvalidCatalog),
}

impl ServiceCatalog {
    /// Reads a list of services in either form. Falsy values (`null`, `""`, `0`) are the empty catalog, as for Nova.
    ///
    /// # Errors
    /// [`CatalogReadError`]: not JSON, or malformed; all problems at once, no value repeated.
    pub fn from_json(
        json: &[u8],
        form: CatalogForm,
        rules: &CatalogRules,
    ) -> Result<Self, CatalogReadError> {
        Ok(Self::parse(raw(json, form, rules)?, rules)?)
    }

    /// Reads as much of a list of services as is good, and what is wrong with the rest
    /// ([`parse_good_parts`](Self::parse_good_parts)).
    ///
    /// # Errors
    /// [`CatalogReadError`]: not JSON, no list of services, or too large.
    pub fn good_parts_of_json(
        json: &[u8],
        form: CatalogForm,
        rules: &CatalogRules,
    ) -> Result<(Self, Vec<CatalogProblem>), CatalogReadError> {
        Ok(Self::parse_good_parts(raw(json, form, rules)?, rules)?)
    }
}

fn raw(
    json: &[u8],
    form: CatalogForm,
    rules: &CatalogRules,
) -> Result<RawCatalog, CatalogReadError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let raw = Shaped(Services { form, rules }).deserialize(&mut reader);
    let raw = raw.and_then(|raw| reader.end().map(|()| raw));
    // serde_json's own text may quote the input; its place is enough.
    raw.map_err(|error| CatalogReadError::Json {
        line: error.line(),
        column: error.column(),
    })
}

fn problem(service: Option<usize>, endpoint: Option<usize>, fault: CatalogFault) -> CatalogProblem {
    CatalogProblem {
        service,
        endpoint,
        fault,
    }
}

/// Reads a list of services.
#[derive(Clone, Copy)]
pub(crate) struct Services<'a> {
    pub(crate) form: CatalogForm,
    pub(crate) rules: &'a CatalogRules,
}

impl<'de> Shape<'de> for Services<'_> {
    type Value = RawCatalog;

    fn other(self, found: Loose) -> RawCatalog {
        let mut raw = RawCatalog::default();
        if !found.is_falsy() {
            let fault = CatalogFault::Kind { expected: "a list" };
            raw.problems.push(problem(None, None, fault));
        }
        raw
    }

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawCatalog, A::Error> {
        let mut raw = RawCatalog::default();
        let mut at = 0;
        while let Some(found) = seq.next_element_seed(Shaped(OneService { at, list: self }))? {
            match found {
                Found::Kept(service, problems) => {
                    raw.services.push(service);
                    raw.problems.extend(problems);
                }
                Found::Dropped => {}
                Found::NotAnObject => {
                    let fault = CatalogFault::Kind {
                        expected: "an object",
                    };
                    raw.problems.push(problem(Some(at), None, fault));
                }
            }
            at += 1;
        }
        Ok(raw)
    }
}

enum Found {
    Kept(RawService, Vec<CatalogProblem>),
    Dropped,
    NotAnObject,
}

struct OneService<'a> {
    at: usize,
    list: Services<'a>,
}

impl<'de> Shape<'de> for OneService<'_> {
    type Value = Found;

    fn other(self, _: Loose) -> Found {
        Found::NotAnObject
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut service = RawService {
            at: Some(self.at),
            ..RawService::default()
        };
        let mut notes = Notes {
            at: self.at,
            endpoint: None,
            problems: Vec::new(),
        };
        let mut typed = false;
        let mut odd_type = false;
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Type => {
                    typed = true;
                    let value = map.next_value::<Loose>()?;
                    odd_type = !matches!(value, Loose::Text(_) | Loose::Null);
                    service.kind = notes.text("a text for `type`", value);
                }
                Key::Name => service.name = notes.text("a text for `name`", map.next_value()?),
                Key::Id => service.id = notes.text("a text for `id`", map.next_value()?),
                Key::Endpoints => {
                    service.endpoints = map.next_value_seed(Shaped(Endpoints {
                        form: self.list.form,
                        notes: &mut notes,
                    }))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // A service without the key `type` is skipped by keystoneauth, one of another type by Nova (1.10, 1.1).
        let dropped = !typed || !self.list.rules.keeps(service.kind.as_deref());
        if dropped || (odd_type && self.list.rules.keep.is_some()) {
            return Ok(Found::Dropped);
        }
        Ok(Found::Kept(service, notes.problems))
    }
}

/// Problems of one service, collected while it is read.
struct Notes {
    at: usize,
    endpoint: Option<usize>,
    problems: Vec<CatalogProblem>,
}

impl Notes {
    fn note(&mut self, fault: CatalogFault) {
        self.problems
            .push(problem(Some(self.at), self.endpoint, fault));
    }

    fn text(&mut self, expected: &'static str, value: Loose) -> Option<String> {
        match value {
            Loose::Text(text) => Some(text),
            Loose::Null => None,
            _ => {
                self.note(CatalogFault::Kind { expected });
                None
            }
        }
    }
}

struct Endpoints<'a> {
    form: CatalogForm,
    notes: &'a mut Notes,
}

impl<'de> Shape<'de> for Endpoints<'_> {
    type Value = Vec<RawEndpoint>;

    fn other(self, _: Loose) -> Vec<RawEndpoint> {
        self.notes.note(CatalogFault::Kind {
            expected: "a list of endpoints",
        });
        Vec::new()
    }

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<RawEndpoint>, A::Error> {
        let mut endpoints = Vec::new();
        loop {
            self.notes.endpoint = Some(endpoints.len());
            let one = OneEndpoint {
                form: self.form,
                notes: self.notes,
            };
            match seq.next_element_seed(Shaped(one))? {
                Some(endpoint) => endpoints.push(endpoint),
                None => break,
            }
        }
        self.notes.endpoint = None;
        Ok(endpoints)
    }
}

struct OneEndpoint<'a> {
    form: CatalogForm,
    notes: &'a mut Notes,
}

impl<'de> Shape<'de> for OneEndpoint<'_> {
    type Value = RawEndpoint;

    fn other(self, _: Loose) -> RawEndpoint {
        self.notes.note(CatalogFault::Kind {
            expected: "an object",
        });
        RawEndpoint::default()
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<RawEndpoint, A::Error> {
        let mut raw = RawEndpoint::default();
        let (mut interface, mut url) = (None, None);
        let notes = self.notes;
        while let Some(key) = map.next_key::<Key>()? {
            match (key, self.form) {
                (Key::Region, _) => {
                    raw.region = notes.text("a text for `region`", map.next_value()?)
                }
                (Key::RegionId, _) => {
                    raw.region_id = notes.text("a text for `region_id`", map.next_value()?);
                }
                (Key::Id, _) => raw.id = notes.text("a text for `id`", map.next_value()?),
                (Key::Interface, CatalogForm::V3) => {
                    interface = notes.text("a text for `interface`", map.next_value()?);
                }
                (Key::Url, CatalogForm::V3) => {
                    url = Some(notes.text("a text for `url`", map.next_value()?));
                }
                (Key::NamedUrl(name), CatalogForm::V2) => {
                    let value = notes.text("a text for an interface's url", map.next_value()?);
                    if let Some(value) = value.filter(|value| !value.is_empty()) {
                        raw.urls.push((name, value));
                    }
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if self.form == CatalogForm::V3 {
            match (interface, url) {
                (Some(name), Some(url)) => raw.urls.extend(url.map(|url| (name.into(), url))),
                (interface, _) => {
                    let key = if interface.is_none() {
                        "interface"
                    } else {
                        "url"
                    };
                    notes.note(CatalogFault::Missing { key });
                }
            }
        }
        Ok(raw)
    }
}

/// The keys that mean something in a service or an endpoint.
enum Key {
    Type,
    Name,
    Id,
    Endpoints,
    Region,
    RegionId,
    Interface,
    Url,
    NamedUrl(Cow<'static, str>),
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object's key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            "type" => Key::Type,
            "name" => Key::Name,
            "id" => Key::Id,
            "endpoints" => Key::Endpoints,
            "region" => Key::Region,
            "region_id" => Key::RegionId,
            "interface" => Key::Interface,
            "url" => Key::Url,
            "publicURL" => Key::NamedUrl("publicURL".into()),
            "internalURL" => Key::NamedUrl("internalURL".into()),
            "adminURL" => Key::NamedUrl("adminURL".into()),
            other if other.ends_with("URL") => Key::NamedUrl(other.to_owned().into()),
            _ => Key::Other,
        })
    }
}

//! Reading a wire context: tolerant where Nova is (missing, `null` and unknown keys), strict where Nova fails later
//! or not at all (kinds, ids, sizes, repeated keys).
//!
//! | key | missing | `null` or empty |
//! | --- | --- | --- |
//! | ids, names | none | none |
//! | `is_admin` | no | computed |
//! | `is_admin_project` | true | false |
//! | `read_deleted` | `no` | refused |
//! | `request_id`, `timestamp` | made here | made here |
//! | `roles`, `service_catalog` | empty | empty |

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use serde::de::{
    DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};
use zeroize::Zeroize;

use super::WireContext;
use super::key::{Key, WireForm};
use super::problem::{InvalidWire, WireFault, WireProblem};
use super::trust::AdminClaim;
use crate::catalog::{CatalogForm, CatalogRules, RawCatalog, ServiceCatalog, Services};
use crate::id::InvalidId;
use crate::loose::{Loose, Shape, Shaped};
use crate::parts::RequestParts;
use crate::timestamp;
use crate::token::AuthToken;

/// What a wire context may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireRules {
    /// The most bytes of JSON that are looked at.
    pub max_bytes: usize,
    /// The most roles.
    pub max_roles: usize,
    /// What the catalog may be.
    pub catalog: CatalogRules,
}

impl Default for WireRules {
    /// 1 MiB, 256 roles, Nova's service types only.
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_roles: 256,
            catalog: CatalogRules::nova(),
        }
    }
}

impl WireContext {
    /// Reads a context from the JSON of a dict, or of an RPC message whose other keys are passed over.
    ///
    /// # Errors
    /// [`InvalidWire`]: not an object, too long, or every problem of its values at once.
    pub fn from_json(json: &[u8], form: WireForm, rules: &WireRules) -> Result<Self, InvalidWire> {
        if json.len() > rules.max_bytes {
            return Err(InvalidWire::TooLong {
                limit: rules.max_bytes,
            });
        }
        // One check of the whole is cheaper than one of each text.
        let json = std::str::from_utf8(json).map_err(|error| InvalidWire::NotAnObject {
            line: 1,
            column: error.valid_up_to() + 1,
        })?;
        let mut reader = serde_json::Deserializer::from_str(json);
        let draft = Reader { form, rules }.deserialize(&mut reader);
        let draft = draft.and_then(|draft| reader.end().map(|()| draft));
        let draft = draft.map_err(|error| InvalidWire::NotAnObject {
            line: error.line(),
            column: error.column(),
        })?;
        draft.finish()
    }

    /// Takes a context's keys out of a message that is parsed already; the token's text in it is wiped.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json), except for the length.
    pub fn take_from(
        message: &mut Map<String, Value>,
        form: WireForm,
        rules: &WireRules,
    ) -> Result<Self, InvalidWire> {
        let malformed = |_: serde_json::Error| InvalidWire::NotAnObject { line: 0, column: 0 };
        let mut draft = Draft::default();
        let mut taken = Vec::new();
        for (name, value) in message.iter() {
            let key = name.strip_prefix(form.prefix()).and_then(Key::parse);
            let Some(key) = key else { continue };
            taken.push(name.clone());
            draft
                .value(key, rules, value.into_deserializer())
                .map_err(malformed)?;
        }
        for name in taken {
            if let Some(Value::String(text)) = message.get_mut(&name)
                && name.ends_with(Key::AuthToken.name())
            {
                text.zeroize();
            }
            message.remove(&name);
        }
        draft.finish()
    }
}

#[derive(Default)]
struct Draft {
    parts: RequestParts,
    claim: Option<AdminClaim>,
    catalog: RawCatalog,
    rules: CatalogRules,
    problems: Vec<WireProblem>,
    seen: u32,
}

impl Draft {
    fn note(&mut self, key: Key, fault: WireFault) {
        self.problems.push(WireProblem {
            key: key.name(),
            fault,
        });
    }

    fn text(&mut self, key: Key, value: Loose) -> Option<String> {
        match value {
            Loose::Text(text) if text.is_empty() => None,
            Loose::Text(text) => Some(text),
            Loose::Null => None,
            _ => {
                self.note(key, WireFault::Kind { expected: "a text" });
                None
            }
        }
    }

    fn id<T>(
        &mut self,
        key: Key,
        value: Loose,
        parse: impl Fn(&str) -> Result<T, InvalidId>,
    ) -> Option<T> {
        match parse(&self.text(key, value)?) {
            Ok(id) => Some(id),
            Err(why) => {
                self.note(key, WireFault::Id(why));
                None
            }
        }
    }

    fn name(&mut self, key: Key, value: Loose) -> Option<String> {
        let text = self.text(key, value)?;
        if text.chars().count() > 255 || text.chars().any(char::is_control) {
            self.note(key, WireFault::Text);
            return None;
        }
        Some(text)
    }

    fn flag(&mut self, key: Key, value: Loose) -> bool {
        match value {
            Loose::Bool(flag) => flag,
            Loose::Null => false,
            _ => {
                let expected = "true, false or null";
                self.note(key, WireFault::Kind { expected });
                false
            }
        }
    }

    fn value<'de, D: Deserializer<'de>>(
        &mut self,
        key: Key,
        rules: &WireRules,
        from: D,
    ) -> Result<(), D::Error> {
        let bit = 1_u32 << (key as u32);
        if self.seen & bit != 0 {
            self.note(key, WireFault::Repeated);
            return serde::Deserialize::deserialize(from).map(|IgnoredAny| ());
        }
        self.seen |= bit;
        match key {
            Key::AuthToken => {
                match (TokenSeed.deserialize(from)?, key) {
                    (TokenFound::None, _) => {}
                    (TokenFound::Token(token), _) => self.parts.token = Some(token),
                    (TokenFound::Fault(fault), key) => self.note(key, fault),
                }
                return Ok(());
            }
            Key::ServiceCatalog => {
                self.rules = rules.catalog;
                let form = CatalogForm::V2;
                let services = Services {
                    form,
                    rules: &rules.catalog,
                };
                self.catalog = Shaped(services).deserialize(from)?;
                return Ok(());
            }
            Key::Roles => {
                match Shaped(RoleNames).deserialize(from)? {
                    Some(names) if names.len() > rules.max_roles => {
                        let limit = rules.max_roles;
                        self.note(key, WireFault::TooMany { limit });
                    }
                    Some(names) if names.iter().any(|n| crate::role::is_malformed(n)) => {
                        self.note(key, WireFault::Text);
                    }
                    Some(names) => self.parts.roles = names.iter().map(String::as_str).collect(),
                    None => {
                        let expected = "a list of texts";
                        self.note(key, WireFault::Kind { expected });
                    }
                }
                return Ok(());
            }
            _ => {}
        }
        self.scalar(key, serde::Deserialize::deserialize(from)?);
        Ok(())
    }

    fn scalar(&mut self, key: Key, value: Loose) {
        use crate::id::{DomainId, ProjectId, RequestId, UserId};
        match key {
            Key::UserId => self.parts.identity.user.id = self.id(key, value, UserId::parse),
            Key::ProjectId => {
                self.parts.identity.project.id = self.id(key, value, ProjectId::parse);
            }
            Key::Domain => self.parts.identity.domain.id = self.id(key, value, DomainId::parse),
            Key::UserDomain => {
                self.parts.identity.user.domain.id = self.id(key, value, DomainId::parse);
            }
            Key::ProjectDomain => {
                self.parts.identity.project.domain.id = self.id(key, value, DomainId::parse);
            }
            Key::UserName => self.parts.identity.user.name = self.name(key, value),
            Key::ProjectName => self.parts.identity.project.name = self.name(key, value),
            Key::DomainName => self.parts.identity.domain.name = self.name(key, value),
            Key::UserDomainName => self.parts.identity.user.domain.name = self.name(key, value),
            Key::ProjectDomainName => {
                self.parts.identity.project.domain.name = self.name(key, value);
            }
            Key::SystemScope => self.parts.identity.system_scope = self.name(key, value),
            Key::IsAdminProject => self.parts.identity.is_admin_project = self.flag(key, value),
            Key::ReadOnly => self.parts.read_only = self.flag(key, value),
            Key::ShowDeleted => self.parts.show_deleted = self.flag(key, value),
            Key::QuotaClass => self.parts.quota_class = self.name(key, value),
            Key::ResourceUuid => self.parts.resource_uuid = self.name(key, value),
            Key::RequestId => self.parts.request_id = self.id(key, value, RequestId::parse),
            Key::GlobalRequestId => {
                self.parts.global_request_id = self.id(key, value, RequestId::parse);
            }
            Key::IsAdmin => {
                self.claim = Some(if matches!(value, Loose::Null) {
                    AdminClaim::Unknown
                } else if self.flag(key, value) {
                    AdminClaim::Yes
                } else {
                    AdminClaim::No
                });
            }
            Key::ReadDeleted => match self.text(key, value).unwrap_or_default().parse() {
                Ok(mode) => self.parts.read_deleted = mode,
                Err(_) => self.note(key, WireFault::ReadDeleted),
            },
            Key::RemoteAddress => {
                let Some(text) = self.text(key, value) else {
                    return;
                };
                match address(&text) {
                    Some(address) => self.parts.remote_address = Some(address),
                    None => self.note(key, WireFault::Address),
                }
            }
            Key::Timestamp if value.is_falsy() => {}
            Key::Timestamp => {
                let Some(text) = self.text(key, value) else {
                    return;
                };
                match timestamp::parse(&text) {
                    Some(time) => self.parts.timestamp = Some(time),
                    None => self.note(key, WireFault::Timestamp),
                }
            }
            Key::AuthToken | Key::ServiceCatalog | Key::Roles => {}
        }
    }

    fn finish(mut self) -> Result<WireContext, InvalidWire> {
        let raw = std::mem::take(&mut self.catalog);
        match ServiceCatalog::parse(raw, &self.rules) {
            Ok(catalog) => self.parts.catalog = catalog,
            Err(why) => self.note(Key::ServiceCatalog, WireFault::Catalog(why)),
        }
        if !self.problems.is_empty() {
            return Err(InvalidWire::Problems(self.problems));
        }
        self.parts.timestamp.get_or_insert_with(SystemTime::now);
        Ok(WireContext {
            claim: self.claim.unwrap_or(AdminClaim::Missing),
            parts: self.parts,
        })
    }
}

/// An address; an IPv6 zone (`fe80::1%eth0`) means something on the sender's machine only and is cut off.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.split_once('%').map_or(text, |(address, _)| address);
    bare.parse().ok()
}

struct Reader<'a> {
    form: WireForm,
    rules: &'a WireRules,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Draft;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Draft, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        while let Some(key) = map.next_key_seed(KeySeed(self.form))? {
            match key {
                Some(key) => map.next_value_seed(ValueSeed {
                    key,
                    rules: self.rules,
                    draft: &mut draft,
                })?,
                None => map.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(draft)
    }
}

struct KeySeed(WireForm);

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Option<Key>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Option<Key>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object's key")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<Key>, E> {
        Ok(name.strip_prefix(self.0.prefix()).and_then(Key::parse))
    }
}

struct ValueSeed<'a, 'r> {
    key: Key,
    rules: &'r WireRules,
    draft: &'a mut Draft,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.draft.value(self.key, self.rules, from)
    }
}

/// Role names; `None` for another kind than a list of texts. Falsy values are the empty list, as for Nova.
struct RoleNames;

impl<'de> Shape<'de> for RoleNames {
    type Value = Option<Vec<String>>;

    fn other(self, found: Loose) -> Self::Value {
        found.is_falsy().then(Vec::new)
    }

    fn list<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut names = Some(Vec::new());
        while let Some(value) = seq.next_element::<Loose>()? {
            match value {
                Loose::Text(name) => names.iter_mut().for_each(|names| names.push(name.clone())),
                _ => names = None,
            }
        }
        Ok(names)
    }
}

/// The token, read straight into its guarded memory. A token written with JSON escapes passes through serde_json's
/// scratch buffer, which nobody can wipe; no known sender writes one so.
struct TokenSeed;

enum TokenFound {
    None,
    Token(AuthToken),
    Fault(WireFault),
}

impl<'de> DeserializeSeed<'de> for TokenSeed {
    type Value = TokenFound;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<TokenFound, D::Error> {
        match serde::Deserialize::deserialize(from)? {
            Loose::Null => Ok(TokenFound::None),
            Loose::Text(text) if text.is_empty() => Ok(TokenFound::None),
            Loose::Text(text) => Ok(match AuthToken::parse(text) {
                Ok(token) => TokenFound::Token(token),
                Err(why) => TokenFound::Fault(WireFault::Token(why)),
            }),
            _ => Ok(TokenFound::Fault(WireFault::Kind { expected: "a text" })),
        }
    }
}

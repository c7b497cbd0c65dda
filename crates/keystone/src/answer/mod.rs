//! What Keystone's token JSON says, checked: whose, which scope, which roles, until when, which catalog.
//!
//! Reads what a verdict needs and leaves the rest unread (methods, audit ids, role ids, trusts). Access rules come out
//! beside what a token is worth; whether they allow a request is `access_rules.rs`'s matter.

use std::time::SystemTime;

use context::{
    CatalogForm, CatalogRules, Domain, DomainId, Identity, InvalidId, Project, ProjectId, Roles,
    ServiceCatalog, User, UserId, VerifiedToken,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;

use crate::access_rules::AccessRules;
use crate::error::KeystoneError;

/// The most roles a token may carry. Keystone has no limit; a handful is usual.
const MAX_ROLES: usize = 1024;
/// The most access rules an application credential may have, likewise.
const MAX_RULES: usize = 256;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    token: Body<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    expires_at: String,
    user: Owned,
    project: Option<Owned>,
    domain: Option<Named>,
    system: Option<System>,
    #[serde(default)]
    roles: Vec<RoleName>,
    is_admin_project: Option<bool>,
    #[serde(borrow)]
    catalog: Option<&'a RawValue>,
    application_credential: Option<ApplicationCredential>,
}

/// A user or project, within the domain that owns it.
#[derive(Deserialize)]
struct Owned {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct RoleName {
    name: String,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    access_rules: Option<Vec<AccessRule>>,
}

#[derive(Deserialize)]
struct AccessRule {
    service: Option<String>,
    method: Option<String>,
    path: Option<String>,
}

/// What Keystone's document says of a token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TokenDocument {
    /// What the token is worth.
    pub verified: VerifiedToken,
    /// What it may be used for, where its application credential restricts that. Such a token is good for nothing else.
    pub access_rules: Option<AccessRules>,
}

/// Reads what Keystone answers about a token: the JSON document behind a status 200 or 201, as
/// [`KeystoneVerifier`](crate::KeystoneVerifier) reads it.
///
/// What is read is a text, not a verdict: only Keystone, asked, makes a token good.
///
/// # Errors
/// [`KeystoneError`] for what is no such document. It never repeats a value.
pub fn read(json: &[u8], rules: &CatalogRules) -> Result<TokenDocument, KeystoneError> {
    let Envelope { mut token } =
        serde_json::from_slice(json).map_err(|error| KeystoneError::Json {
            // serde_json's own text may quote the input; its place is enough.
            line: error.line(),
            column: error.column(),
        })?;
    let restricted = token.application_credential.take();
    let restricted = restricted.and_then(|credential| credential.access_rules);
    let access_rules = restricted.map(access_rules).transpose()?;
    let catalog = match token.catalog {
        None => ServiceCatalog::default(),
        Some(raw) => catalog(raw.get().as_bytes(), rules)?,
    };
    Ok(TokenDocument {
        verified: VerifiedToken {
            expires_at: end(&token.expires_at)?,
            roles: roles(&token.roles)?,
            catalog,
            identity: identity(token)?,
        },
        access_rules,
    })
}

fn access_rules(listed: Vec<AccessRule>) -> Result<AccessRules, KeystoneError> {
    if listed.len() > MAX_RULES {
        return Err(KeystoneError::Field {
            field: "application_credential.access_rules",
        });
    }
    let mut rules = AccessRules::default();
    for rule in listed {
        // Keystone's schema requires none of the three; without one of them, a rule allows nothing.
        if let (Some(service), Some(method), Some(path)) = (rule.service, rule.method, rule.path) {
            rules.add(service, method, &path);
        }
    }
    Ok(rules)
}

/// A catalog is an operator's work, and the same in every token: one mistyped endpoint is left out and logged, and costs
/// nobody the others (Nova, which checks nothing, finds those, too). What is no catalog at all is an error.
fn catalog(json: &[u8], rules: &CatalogRules) -> Result<ServiceCatalog, KeystoneError> {
    let read = ServiceCatalog::good_parts_of_json(json, CatalogForm::V3, rules);
    let (catalog, problems) = read.map_err(KeystoneError::Catalog)?;
    if let Some(first) = problems.first() {
        tracing::warn!(
            problems = problems.len(),
            %first,
            "malformed entries of Keystone's catalog are left out"
        );
    }
    Ok(catalog)
}

fn identity(token: Body<'_>) -> Result<Identity, KeystoneError> {
    let user = token.user;
    // Nova answers 401 to a request without a user's id (8.2); here no token is good without one.
    if user.id.is_none() {
        return Err(KeystoneError::Field { field: "user.id" });
    }
    let scopes = usize::from(token.project.is_some())
        + usize::from(token.domain.is_some())
        + usize::from(token.system.is_some());
    if scopes > 1 {
        return Err(KeystoneError::Field { field: "scope" });
    }
    let project = token.project.map(|project| {
        Ok::<_, KeystoneError>(Project {
            id: id(project.id, "project.id", ProjectId::parse)?,
            name: name(project.name, "project.name")?,
            domain: domain(project.domain, "project.domain")?,
        })
    });
    Ok(Identity {
        user: User {
            id: id(user.id, "user.id", UserId::parse)?,
            name: name(user.name, "user.name")?,
            domain: domain(user.domain, "user.domain")?,
        },
        project: project.transpose()?.unwrap_or_default(),
        domain: domain(token.domain, "domain")?,
        system_scope: token
            .system
            .filter(|system| system.all)
            .map(|_| "all".to_owned()),
        is_admin_project: token.is_admin_project.unwrap_or(true),
    })
}

fn domain(named: Option<Named>, field: &'static str) -> Result<Domain, KeystoneError> {
    let Some(named) = named else {
        return Ok(Domain::default());
    };
    Ok(Domain {
        id: id(named.id, field, DomainId::parse)?,
        name: name(named.name, field)?,
    })
}

fn id<T>(
    text: Option<String>,
    field: &'static str,
    parse: impl FnOnce(&str) -> Result<T, InvalidId>,
) -> Result<Option<T>, KeystoneError> {
    let parsed = text.map(|text| parse(&text)).transpose();
    parsed.map_err(|_| KeystoneError::Field { field })
}

/// Names are for logs and policy; what would break a line of either is no name.
fn name(text: Option<String>, field: &'static str) -> Result<Option<String>, KeystoneError> {
    match text {
        Some(text) if text.chars().count() > 255 || text.chars().any(char::is_control) => {
            Err(KeystoneError::Field { field })
        }
        text => Ok(text),
    }
}

fn roles(names: &[RoleName]) -> Result<Roles, KeystoneError> {
    // A comma would make two roles of one in the header that keystonemiddleware's readers split (8.1).
    let bad = |role: &RoleName| {
        let name = &role.name;
        name.is_empty()
            || name.chars().count() > 255
            || name.chars().any(|c| c.is_control() || c == ',')
    };
    if names.len() > MAX_ROLES || names.iter().any(bad) {
        return Err(KeystoneError::Field { field: "roles" });
    }
    Ok(names.iter().map(|role| role.name.as_str()).collect())
}

fn end(text: &str) -> Result<SystemTime, KeystoneError> {
    OffsetDateTime::parse(text, &Iso8601::PARSING)
        .map(SystemTime::from)
        .map_err(|_| KeystoneError::Field {
            field: "expires_at",
        })
}

#[cfg(test)]
mod tests;

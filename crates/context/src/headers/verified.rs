//! Headers that somebody vouches for, and the parts of a context that they make.
//!
//! Two ways here: a verifier in this process checked the token itself, or keystonemiddleware in front of this
//! process did, and nobody else can reach it. The second is a statement about a deployment that only its operator
//! can make, so it has to be made: [`UpstreamTrust`].

use std::net::IpAddr;
use std::time::SystemTime;

use super::names::{IDENTITY_HEADERS, TOKEN_HEADERS, canonical};
use super::problem::{HeaderFault, HeaderProblem, InvalidHeaders};
use crate::auth::Guard;
use crate::catalog::ServiceCatalog;
use crate::id::{DomainId, InvalidId, ProjectId, RequestId, UserId};
use crate::identity::{Domain, Identity, Project, ServiceIdentity, User};
use crate::parts::RequestParts;
use crate::request::RequestContext;
use crate::role::Roles;
use crate::token::{AuthToken, VerifiedToken};

/// Why identity headers may be believed: what keeps a client from sending its own.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamTrust(&'static str);

impl UpstreamTrust {
    /// States the reason, for whoever reads the code or the log: `"unix socket of the authtoken proxy"`.
    #[must_use]
    pub fn because(reason: &'static str) -> Self {
        Self(reason)
    }
}

/// An identity that a verifier confirmed; [`context`](Self::context) makes a request's context of it.
#[derive(Debug, Clone)]
pub struct VerifiedHeaders {
    parts: RequestParts,
}

impl VerifiedHeaders {
    /// What a verifier in this process found out about a token, and about the service's token beside it. From here on
    /// both tokens know when they end.
    #[must_use]
    pub fn from_tokens(
        user: (AuthToken, VerifiedToken),
        service: Option<(AuthToken, VerifiedToken)>,
    ) -> Self {
        let (token, verified) = user;
        // A user's token that has ended, and counts because a service vouches for it, is still to be passed on.
        if verified.expires_at > SystemTime::now() {
            token.set_end(verified.expires_at);
        }
        let service = service.map(|(token, verified)| {
            token.set_end(verified.expires_at);
            ServiceIdentity {
                user: verified.identity.user,
                project: verified.identity.project,
                roles: verified.roles,
                token: Some(token),
            }
        });
        Self {
            parts: RequestParts {
                identity: verified.identity,
                roles: verified.roles,
                catalog: verified.catalog,
                token: Some(token),
                service,
                ..RequestParts::default()
            },
        }
    }

    /// Reads the headers that a keystonemiddleware in front of this process has set (8.1, 8.2).
    ///
    /// Other than Nova it never takes a name for an id (`X-User`, `X-Tenant`), drops empty roles, believes a system
    /// scope only of a token without project and domain, and service headers only of a confirmed service (W-29).
    ///
    /// # Errors
    /// [`InvalidHeaders`]: not confirmed, no user, or every malformed header at once.
    pub fn from_upstream<'h>(
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        trust: UpstreamTrust,
    ) -> Result<Self, InvalidHeaders> {
        tracing::trace!(
            because = trust.0,
            "identity headers are taken from upstream"
        );
        let mut found = Found::collect(headers);
        if found.get("x-identity-status") != Some("Confirmed") {
            return Err(InvalidHeaders::NotConfirmed);
        }
        let parts = found.parts();
        if !found.problems.is_empty() {
            return Err(InvalidHeaders::Problems(found.problems));
        }
        if parts.identity.user.id.is_none() {
            return Err(InvalidHeaders::NoUser);
        }
        Ok(Self { parts })
    }

    /// The tokens that came along: the user's, the service's.
    pub fn tokens(&self) -> impl Iterator<Item = &AuthToken> {
        let service = self
            .parts
            .service
            .as_ref()
            .and_then(|service| service.token.as_ref());
        self.parts.token.iter().chain(service)
    }

    /// The request's context. `request_id` is this process's own, `caller_id` what the caller sent in
    /// `X-Openstack-Request-Id`: it becomes the chain's id if it has the form of one, and is ignored otherwise.
    #[must_use]
    pub fn context(
        self,
        guard: std::sync::Arc<Guard>,
        request_id: Option<RequestId>,
        caller_id: Option<&str>,
        remote_address: Option<IpAddr>,
    ) -> RequestContext {
        RequestContext::for_request(RequestParts {
            guard,
            request_id,
            remote_address,
            global_request_id: caller_id.and_then(RequestId::parse_openstack),
            ..self.parts
        })
    }
}

/// Headers by name, each once.
struct Found<'h> {
    values: Vec<(&'static str, &'h str)>,
    problems: Vec<HeaderProblem>,
}

impl<'h> Found<'h> {
    fn collect(headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Self {
        let mut found = Self {
            values: Vec::new(),
            problems: Vec::new(),
        };
        for (name, value) in headers {
            let plain = canonical(name);
            let known = IDENTITY_HEADERS.iter().chain(TOKEN_HEADERS);
            let Some(header) = known.copied().find(|known| *known == plain) else {
                continue;
            };
            if name.contains('_') {
                found.note(header, HeaderFault::LookAlike);
            } else if found.values.iter().any(|(held, _)| *held == header) {
                found.note(header, HeaderFault::Repeated);
            } else {
                match std::str::from_utf8(value) {
                    Ok(text) => found.values.push((header, text.trim_matches([' ', '\t']))),
                    Err(_) => found.note(header, HeaderFault::NotText),
                }
            }
        }
        found
    }

    fn note(&mut self, header: &'static str, fault: HeaderFault) {
        self.problems.push(HeaderProblem { header, fault });
    }

    /// A header's value; an empty one is none.
    fn get(&self, header: &str) -> Option<&'h str> {
        let found = self.values.iter().find(|(held, _)| *held == header);
        found
            .map(|(_, value)| *value)
            .filter(|value| !value.is_empty())
    }

    fn id<T>(
        &mut self,
        header: &'static str,
        parse: impl Fn(&str) -> Result<T, InvalidId>,
    ) -> Option<T> {
        parse(self.get(header)?)
            .map_err(|why| self.note(header, HeaderFault::Id(why)))
            .ok()
    }

    fn name(&mut self, header: &'static str) -> Option<String> {
        let text = self.get(header)?;
        if crate::role::is_malformed(text) {
            self.note(header, HeaderFault::Text);
            return None;
        }
        Some(text.to_owned())
    }

    fn token(&mut self, header: &'static str) -> Option<AuthToken> {
        AuthToken::parse(self.get(header)?.to_owned())
            .map_err(|why| self.note(header, HeaderFault::Token(why)))
            .ok()
    }

    fn roles(&mut self, header: &'static str) -> Roles {
        let names = self
            .get(header)
            .unwrap_or_default()
            .split(',')
            .map(str::trim);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        if names.iter().any(|name| crate::role::is_malformed(name)) {
            self.note(header, HeaderFault::Text);
            return Roles::default();
        }
        names.into_iter().collect()
    }

    fn catalog(&mut self) -> ServiceCatalog {
        let Some(text) = self.get("x-service-catalog") else {
            return ServiceCatalog::default();
        };
        read_catalog(text).unwrap_or_else(|| {
            self.note("x-service-catalog", HeaderFault::Catalog);
            ServiceCatalog::default()
        })
    }

    fn parts(&mut self) -> RequestParts {
        let project_header = match self.get("x-project-id") {
            Some(_) => "x-project-id",
            None => "x-tenant-id",
        };
        let roles_header = match self.get("x-roles") {
            Some(_) => "x-roles",
            None => "x-role",
        };
        let project_name = match self.get("x-project-name") {
            Some(_) => "x-project-name",
            None => "x-tenant-name",
        };
        let identity = Identity {
            user: User {
                id: self.id("x-user-id", UserId::parse),
                name: self.name("x-user-name"),
                domain: Domain {
                    id: self.id("x-user-domain-id", DomainId::parse),
                    name: self.name("x-user-domain-name"),
                },
            },
            project: Project {
                id: self.id(project_header, ProjectId::parse),
                name: self.name(project_name),
                domain: Domain {
                    id: self.id("x-project-domain-id", DomainId::parse),
                    name: self.name("x-project-domain-name"),
                },
            },
            domain: Domain {
                id: self.id("x-domain-id", DomainId::parse),
                name: self.name("x-domain-name"),
            },
            system_scope: None,
            is_admin_project: self
                .get("x-is-admin-project")
                .is_none_or(|text| text.eq_ignore_ascii_case("true")),
        };
        let unscoped = identity.project.id.is_none() && identity.domain.id.is_none();
        let scope = self.name("openstack-system-scope").filter(|_| unscoped);
        let token = match self.get("x-auth-token") {
            Some(_) => "x-auth-token",
            None => "x-storage-token",
        };
        RequestParts {
            roles: self.roles(roles_header),
            token: self.token(token),
            service: self.service(),
            catalog: self.catalog(),
            identity: Identity {
                system_scope: scope,
                ..identity
            },
            ..RequestParts::default()
        }
    }

    fn service(&mut self) -> Option<ServiceIdentity> {
        let confirmed = self.get("x-service-identity-status") == Some("Confirmed");
        if !confirmed {
            // `X-Service-Catalog` is the user's and only looks like one of these.
            let speaks = |(header, _): &&(&'static str, &str)| {
                header.starts_with("x-service-") && *header != "x-service-catalog"
            };
            let claims: Vec<_> = self.values.iter().filter(speaks).map(|(h, _)| *h).collect();
            for header in claims {
                self.note(header, HeaderFault::Unconfirmed);
            }
            return None;
        }
        Some(ServiceIdentity {
            user: User {
                id: self.id("x-service-user-id", UserId::parse),
                name: self.name("x-service-user-name"),
                domain: Domain {
                    id: self.id("x-service-user-domain-id", DomainId::parse),
                    name: self.name("x-service-user-domain-name"),
                },
            },
            project: Project {
                id: self.id("x-service-project-id", ProjectId::parse),
                name: self.name("x-service-project-name"),
                domain: Domain {
                    id: self.id("x-service-project-domain-id", DomainId::parse),
                    name: self.name("x-service-project-domain-name"),
                },
            },
            roles: self.roles("x-service-roles"),
            token: self.token("x-service-token"),
        })
    }
}

#[cfg(feature = "serde")]
fn read_catalog(text: &str) -> Option<ServiceCatalog> {
    use crate::catalog::{CatalogForm, CatalogRules};
    ServiceCatalog::from_json(text.as_bytes(), CatalogForm::V2, &CatalogRules::nova()).ok()
}

/// Without the feature `serde` there is no reader of JSON: a catalog that is there is a problem, not an omission.
#[cfg(not(feature = "serde"))]
fn read_catalog(_: &str) -> Option<ServiceCatalog> {
    None
}

//! What a service proves itself with: a user's password, or an application credential; and for which scope.
//!
//! The form is Keystone's v3 (`identity.methods`); other methods (totp, external, mapped) are not spoken.

use context::SecretBuf;
use serde::Serialize;

use crate::error::KeystoneError;
use crate::password::Password;

/// Somebody or something by id, or by a name that is unique only within its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By id.
    Id(String),
    /// By name, in a domain.
    Name {
        /// The name.
        name: String,
        /// The domain that owns it.
        domain: DomainRef,
    },
}

/// A domain by id or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainRef {
    /// By id; the first domain's is `default`.
    Id(String),
    /// By name.
    Name(String),
}

/// What a token is to be good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A project: the usual scope of a service user (`service`).
    Project(Named),
    /// A domain.
    Domain(DomainRef),
    /// The whole system.
    System,
    /// The user's default project, or nothing.
    Default,
}

/// What a service proves itself with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credential {
    /// A user and a password.
    Password {
        /// Who.
        user: Named,
        /// The proof.
        password: Password,
        /// What for.
        scope: Scope,
    },
    /// An application credential, which brings its own project and roles.
    ApplicationCredential {
        /// Which one.
        credential: ApplicationCredential,
        /// The proof.
        secret: Password,
    },
}

/// An application credential by id, or by a name that is unique only for its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationCredential {
    /// By id.
    Id(String),
    /// By name.
    Name {
        /// The name.
        name: String,
        /// Whose.
        user: Named,
    },
}

impl Credential {
    /// The body of `POST /v3/auth/tokens`, in a buffer that wipes itself.
    pub(crate) fn body(&self) -> Result<SecretBuf, KeystoneError> {
        let mut buf = SecretBuf::with_capacity(1024);
        let body = serde_json::to_writer(&mut buf, &self.wire());
        body.map_err(|_| KeystoneError::Field {
            field: "credential",
        })?;
        Ok(buf)
    }

    fn wire(&self) -> Body<'_> {
        let (identity, scope) = match self {
            Self::Password {
                user,
                password,
                scope,
            } => {
                let user = WireNamed::from(user).with_password(password);
                let identity = Identity::new("password", Some(PasswordMethod { user }), None);
                (identity, WireScope::of(scope))
            }
            Self::ApplicationCredential { credential, secret } => {
                let (id, name, user) = match credential {
                    ApplicationCredential::Id(id) => (Some(id.as_str()), None, None),
                    ApplicationCredential::Name { name, user } => {
                        (None, Some(name.as_str()), Some(user.into()))
                    }
                };
                let method = WireApplicationCredential {
                    id,
                    name,
                    user,
                    secret: secret.expose(),
                };
                (
                    Identity::new("application_credential", None, Some(method)),
                    None,
                )
            }
        };
        Body {
            auth: Auth { identity, scope },
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    auth: Auth<'a>,
}

#[derive(Serialize)]
struct Auth<'a> {
    identity: Identity<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<WireScope<'a>>,
}

#[derive(Serialize)]
struct Identity<'a> {
    methods: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<PasswordMethod<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_credential: Option<WireApplicationCredential<'a>>,
}

impl<'a> Identity<'a> {
    fn new(
        method: &'static str,
        password: Option<PasswordMethod<'a>>,
        application_credential: Option<WireApplicationCredential<'a>>,
    ) -> Self {
        Self {
            methods: [method],
            password,
            application_credential,
        }
    }
}

#[derive(Serialize)]
struct PasswordMethod<'a> {
    user: WireNamed<'a>,
}

#[derive(Serialize)]
struct WireApplicationCredential<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<WireNamed<'a>>,
    secret: &'a str,
}

#[derive(Serialize)]
struct WireNamed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<WireDomain<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

impl<'a> From<&'a Named> for WireNamed<'a> {
    fn from(named: &'a Named) -> Self {
        let (id, name, domain) = match named {
            Named::Id(id) => (Some(id.as_str()), None, None),
            Named::Name { name, domain } => (None, Some(name.as_str()), Some(domain.into())),
        };
        Self {
            id,
            name,
            domain,
            password: None,
        }
    }
}

impl<'a> WireNamed<'a> {
    fn with_password(self, password: &'a Password) -> Self {
        Self {
            password: Some(password.expose()),
            ..self
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum WireDomain<'a> {
    Id(&'a str),
    Name(&'a str),
}

impl<'a> From<&'a DomainRef> for WireDomain<'a> {
    fn from(domain: &'a DomainRef) -> Self {
        match domain {
            DomainRef::Id(id) => Self::Id(id),
            DomainRef::Name(name) => Self::Name(name),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum WireScope<'a> {
    Project(WireNamed<'a>),
    Domain(WireDomain<'a>),
    System { all: bool },
}

impl<'a> WireScope<'a> {
    fn of(scope: &'a Scope) -> Option<Self> {
        match scope {
            Scope::Project(project) => Some(Self::Project(project.into())),
            Scope::Domain(domain) => Some(Self::Domain(domain.into())),
            Scope::System => Some(Self::System { all: true }),
            Scope::Default => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(credential: &Credential, expected: &str) {
        let body = credential.body().unwrap();
        let body: serde_json::Value = serde_json::from_slice(body.expose()).unwrap();
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(body, expected);
        assert!(!format!("{credential:?}").contains("canary"));
    }

    fn by_name(name: &str) -> Named {
        Named::Name {
            name: name.to_owned(),
            domain: DomainRef::Id("default".to_owned()),
        }
    }

    #[test]
    fn a_password_goes_out_in_keystones_form() {
        let password = |scope| Credential::Password {
            user: by_name("nova"),
            password: Password::new("canary".to_owned()),
            scope,
        };
        let identity = r#""identity":{"methods":["password"],"password":{"user":
            {"name":"nova","domain":{"id":"default"},"password":"canary"}}}"#;
        for (scope, expected) in [
            (
                Scope::Project(by_name("service")),
                r#","scope":{"project":{"name":"service","domain":{"id":"default"}}}"#,
            ),
            (
                Scope::Project(Named::Id("p1".to_owned())),
                r#","scope":{"project":{"id":"p1"}}"#,
            ),
            (
                Scope::Domain(DomainRef::Name("Default".to_owned())),
                r#","scope":{"domain":{"name":"Default"}}"#,
            ),
            (Scope::System, r#","scope":{"system":{"all":true}}"#),
            (Scope::Default, ""),
        ] {
            check(
                &password(scope),
                &format!(r#"{{"auth":{{{identity}{expected}}}}}"#),
            );
        }
    }

    #[test]
    fn an_application_credential_brings_its_own_scope() {
        let with = |credential| Credential::ApplicationCredential {
            credential,
            secret: Password::new("canary".to_owned()),
        };
        check(
            &with(ApplicationCredential::Id("a1".to_owned())),
            r#"{"auth":{"identity":{"methods":["application_credential"],
                "application_credential":{"id":"a1","secret":"canary"}}}}"#,
        );
        check(
            &with(ApplicationCredential::Name {
                name: "nova".to_owned(),
                user: Named::Id("u1".to_owned()),
            }),
            r#"{"auth":{"identity":{"methods":["application_credential"],
                "application_credential":{"name":"nova","user":{"id":"u1"},"secret":"canary"}}}}"#,
        );
    }
}

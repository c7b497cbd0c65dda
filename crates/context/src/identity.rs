//! Whom a request speaks for: user, project, domain or system, each with the ids and names Keystone gave.
//!
//! Every field is optional because Keystone's tokens are scoped in one of several ways (project, domain, system,
//! none) and Nova's wire form may lack any of them. Whether a combination may do something is policy's matter.

use crate::id::{DomainId, ProjectId, UserId};
use crate::role::Roles;
use crate::token::AuthToken;

/// A user as Keystone describes one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: Option<UserId>,
    /// The user's name; unique only within its domain.
    pub name: Option<String>,
    /// The domain that owns the user.
    pub domain: Domain,
}

/// A project as Keystone describes one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// The project's id.
    pub id: Option<ProjectId>,
    /// The project's name; unique only within its domain.
    pub name: Option<String>,
    /// The domain that owns the project.
    pub domain: Domain,
}

/// A domain: as the owner of a user or project, or as the scope of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domain {
    /// The domain's id.
    pub id: Option<DomainId>,
    /// The domain's name.
    pub name: Option<String>,
}

/// Whom a request speaks for (nova-facts 1.1). Public fields: plain data with no rule between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who asks.
    pub user: User,
    /// For which project; none for domain- and system-scoped tokens.
    pub project: Project,
    /// The domain a domain-scoped token is for.
    pub domain: Domain,
    /// `all` for system-scoped tokens.
    pub system_scope: Option<String>,
    /// Whether the project is Keystone's designated admin project; true unless Keystone says otherwise.
    pub is_admin_project: bool,
}

/// The service that passes a user's request on, as its own token says (8.1). Never mixed with the user's identity.
#[derive(Debug, Clone, Default)]
pub struct ServiceIdentity {
    /// The service's user.
    pub user: User,
    /// The service's project.
    pub project: Project,
    /// The roles of the service's token.
    pub roles: Roles,
    /// The service's token.
    pub token: Option<AuthToken>,
}

impl Default for Identity {
    /// Nobody in particular.
    fn default() -> Self {
        Self {
            user: User::default(),
            project: Project::default(),
            domain: Domain::default(),
            system_scope: None,
            is_admin_project: true,
        }
    }
}

impl Identity {
    /// A user in a project, by their ids: the usual scope of a request.
    #[must_use]
    pub fn of_project(user: UserId, project: ProjectId) -> Self {
        Self {
            user: User {
                id: Some(user),
                ..User::default()
            },
            project: Project {
                id: Some(project),
                ..Project::default()
            },
            ..Self::default()
        }
    }
}

//! The checked tree and how it is asked. Asking cannot fail: everything that could was refused when it was loaded.

use super::target::Target;
use super::template::{Filled, Template};
use crate::identity::{Identity, ServiceIdentity};
use crate::role::Roles;

/// What a rule is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    Always,
    Never,
    All(Vec<Check>),
    Any(Vec<Check>),
    Not(Box<Check>),
    /// `rule:name`, by name until it is linked.
    Named(Box<str>),
    /// `rule:name`, by its place in the policy.
    Rule(usize),
    /// `role:name`, case aside.
    Role(Template),
    /// `attribute:value`.
    Attribute(Attribute, Template),
    /// `'literal':value`, by Python's text of the literal.
    Literal(Box<str>, Template),
}

/// The attributes that rules can compare with: Nova's 14 policy values (1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    UserId,
    UserDomainId,
    SystemScope,
    DomainId,
    ProjectId,
    ProjectDomainId,
    Roles,
    IsAdminProject,
    ServiceUserId,
    ServiceUserDomainId,
    ServiceProjectId,
    ServiceProjectDomainId,
    ServiceRoles,
    IsAdmin,
}

impl Attribute {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "user_id" => Self::UserId,
            "user_domain_id" => Self::UserDomainId,
            "system_scope" => Self::SystemScope,
            "domain_id" => Self::DomainId,
            "project_id" => Self::ProjectId,
            "project_domain_id" => Self::ProjectDomainId,
            "roles" => Self::Roles,
            "is_admin_project" => Self::IsAdminProject,
            "service_user_id" => Self::ServiceUserId,
            "service_user_domain_id" => Self::ServiceUserDomainId,
            "service_project_id" => Self::ServiceProjectId,
            "service_project_domain_id" => Self::ServiceProjectDomainId,
            "service_roles" => Self::ServiceRoles,
            "is_admin" => Self::IsAdmin,
            _ => return None,
        })
    }
}

/// The side of a check that the context brings.
pub(crate) struct Creds<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) service: Option<&'a ServiceIdentity>,
    pub(crate) roles: &'a Roles,
    /// `None` while that is what is being found out.
    pub(crate) is_admin: Option<bool>,
}

impl Creds<'_> {
    /// Whether the attribute equals the text. One that the context does not have equals nothing: oslo.policy compares
    /// Python's text `None` there, so that "no project" equals "no project".
    fn equals(&self, attribute: Attribute, text: &str) -> bool {
        let who = self.identity;
        let service = self.service;
        let id = |id: Option<&str>| id == Some(text);
        let flag = |flag: bool| text == if flag { "True" } else { "False" };
        let listed = |roles: &Roles| roles.iter().any(|role| role.as_str() == text);
        match attribute {
            Attribute::UserId => id(who.user.id.as_ref().map(|id| id.as_str())),
            Attribute::UserDomainId => id(who.user.domain.id.as_ref().map(|id| id.as_str())),
            Attribute::SystemScope => id(who.system_scope.as_deref()),
            Attribute::DomainId => id(who.domain.id.as_ref().map(|id| id.as_str())),
            Attribute::ProjectId => id(who.project.id.as_ref().map(|id| id.as_str())),
            Attribute::ProjectDomainId => id(who.project.domain.id.as_ref().map(|id| id.as_str())),
            Attribute::Roles => listed(self.roles),
            Attribute::IsAdminProject => flag(who.is_admin_project),
            Attribute::IsAdmin => self.is_admin.is_some_and(flag),
            Attribute::ServiceRoles => service.is_some_and(|s| listed(&s.roles)),
            Attribute::ServiceUserId => {
                id(service.and_then(|s| s.user.id.as_ref().map(|id| id.as_str())))
            }
            Attribute::ServiceUserDomainId => {
                id(service.and_then(|s| s.user.domain.id.as_ref().map(|id| id.as_str())))
            }
            Attribute::ServiceProjectId => {
                id(service.and_then(|s| s.project.id.as_ref().map(|id| id.as_str())))
            }
            Attribute::ServiceProjectDomainId => {
                id(service.and_then(|s| s.project.domain.id.as_ref().map(|id| id.as_str())))
            }
        }
    }
}

impl Check {
    /// Asks the tree; `rules` is what [`Check::Rule`] points into.
    pub(super) fn ask<'r>(
        &'r self,
        rules: &impl Fn(usize) -> Option<&'r Check>,
        creds: &Creds<'_>,
        target: &Target<'_>,
    ) -> bool {
        match self {
            Self::Always => true,
            Self::Never | Self::Named(_) => false,
            Self::All(checks) => checks.iter().all(|check| check.ask(rules, creds, target)),
            Self::Any(checks) => checks.iter().any(|check| check.ask(rules, creds, target)),
            Self::Not(check) => !check.ask(rules, creds, target),
            Self::Rule(index) => rules(*index).is_some_and(|check| check.ask(rules, creds, target)),
            Self::Role(name) => match name.fill(target) {
                Filled::Text(name) => creds.roles.contains(&name),
                Filled::Missing | Filled::Nothing => false,
            },
            Self::Attribute(attribute, value) => match value.fill(target) {
                Filled::Text(value) => creds.equals(*attribute, &value),
                Filled::Missing | Filled::Nothing => false,
            },
            Self::Literal(literal, value) => match value.fill(target) {
                Filled::Text(value) => **literal == *value,
                Filled::Nothing => &**literal == "None",
                Filled::Missing => false,
            },
        }
    }

    /// Calls `f` on every check that has no parts.
    pub(super) fn each_leaf(&mut self, f: &mut impl FnMut(&mut Check)) {
        match self {
            Self::All(checks) | Self::Any(checks) => {
                checks.iter_mut().for_each(|check| check.each_leaf(f));
            }
            Self::Not(check) => check.each_leaf(f),
            leaf => f(leaf),
        }
    }
}

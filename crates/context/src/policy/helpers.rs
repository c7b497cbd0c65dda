//! Nova's authorisation helpers (1.9), which let everybody through but the administrator or the owner only here:
//! in Nova an anonymous, a domain-scoped or a system-scoped context passes all three (W-4).

use super::forbidden::Forbidden;
use crate::id::{ProjectId, UserId};
use crate::request::RequestContext;

/// Whether it is a plain user's: not an administrator's, with a user and a project.
#[must_use]
pub fn is_user_context(ctx: &RequestContext) -> bool {
    let identity = ctx.identity();
    !ctx.is_admin() && identity.user.id.is_some() && identity.project.id.is_some()
}

/// Lets administrators and users of a project through.
///
/// # Errors
/// [`Forbidden::Anonymous`].
pub fn require_context(ctx: &RequestContext) -> Result<(), Forbidden> {
    if ctx.is_admin() || is_user_context(ctx) {
        Ok(())
    } else {
        Err(Forbidden::Anonymous)
    }
}

fn owner(ctx: &RequestContext, owns: bool, what: &'static str) -> Result<(), Forbidden> {
    require_context(ctx)?;
    if ctx.is_admin() || owns {
        Ok(())
    } else {
        Err(Forbidden::NotOwner { what })
    }
}

/// Lets administrators and users of this project through.
///
/// # Errors
/// [`Forbidden::Anonymous`], [`Forbidden::NotOwner`].
pub fn authorize_project(ctx: &RequestContext, project: &ProjectId) -> Result<(), Forbidden> {
    let owns = ctx.identity().project.id.as_ref() == Some(project);
    owner(ctx, owns, "project")
}

/// Lets administrators and this user through.
///
/// # Errors
/// [`Forbidden::Anonymous`], [`Forbidden::NotOwner`].
pub fn authorize_user(ctx: &RequestContext, user: &UserId) -> Result<(), Forbidden> {
    let owns = ctx.identity().user.id.as_ref() == Some(user);
    owner(ctx, owns, "user")
}

/// Lets administrators and users of this quota class through.
///
/// # Errors
/// [`Forbidden::Anonymous`], [`Forbidden::NotOwner`].
pub fn authorize_quota_class(ctx: &RequestContext, class: &str) -> Result<(), Forbidden> {
    let owns = !class.is_empty() && ctx.quota_class() == Some(class);
    owner(ctx, owns, "quota class")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DomainId, Identity, RequestParts, Roles};

    fn context(identity: Identity, roles: Roles) -> RequestContext {
        RequestContext::for_request(RequestParts {
            identity,
            roles,
            quota_class: Some("gold".into()),
            ..RequestParts::default()
        })
    }

    fn ids() -> (UserId, ProjectId) {
        (UserId::parse("u").unwrap(), ProjectId::parse("p").unwrap())
    }

    fn check(ctx: &RequestContext) -> [bool; 4] {
        let (user, project) = ids();
        [
            require_context(ctx).is_ok(),
            authorize_project(ctx, &project).is_ok(),
            authorize_user(ctx, &user).is_ok(),
            authorize_quota_class(ctx, "gold").is_ok(),
        ]
    }

    #[test]
    fn owners_and_administrators_pass_and_nobody_else() {
        let (user, project) = ids();
        let own = Identity::of_project(user.clone(), project);
        let other =
            Identity::of_project(UserId::parse("x").unwrap(), ProjectId::parse("y").unwrap());
        assert_eq!(check(&context(own, Roles::default())), [true; 4]);
        assert_eq!(
            check(&context(other, Roles::default())),
            [true, false, false, true]
        );
        assert_eq!(
            check(&context(Identity::default(), Roles::admin())),
            [true; 4]
        );
    }

    #[test]
    fn anonymous_domain_and_system_contexts_are_refused() {
        let (user, _) = ids();
        let mut domain = Identity::default();
        domain.user.id = Some(user);
        domain.domain.id = Some(DomainId::parse("default").unwrap());
        let system = Identity {
            system_scope: Some("all".into()),
            ..Identity::default()
        };
        for identity in [Identity::default(), domain, system] {
            assert_eq!(check(&context(identity, Roles::default())), [false; 4]);
        }
    }
}

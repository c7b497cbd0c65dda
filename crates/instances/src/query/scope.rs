//! Whose servers a context may see, decided before any SQL is written. The statement builder takes nothing but a
//! [`ScopedQuery`], and only this file makes one: there is no way around.

use context::{ReadDeleted, RequestContext};

use crate::order::SortOrder;

use super::filter::ServerFilter;
use super::{MAX_LIMIT, ServerQuery};

/// Most UUIDs that one query may name: databases limit the parameters of a statement.
const MAX_UUIDS: usize = 10_000;

/// Why a context may not ask this, or nobody may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// Neither an administrator nor a member of a project, nor a user: there is nothing it could own.
    #[error("the context has no project and no user, and is not an administrator's")]
    Nobody,
    /// Something only administrators may ask for.
    #[error("only administrators may {0}")]
    AdminOnly(&'static str),
    /// More rows than one page may have.
    #[error("a page has at most {MAX_LIMIT} servers")]
    Limit,
    /// Too many UUIDs at once.
    #[error("a query names at most {MAX_UUIDS} servers")]
    TooManyUuids,
}

/// Rows the context may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    Anybody,
    Project(String),
    User(String),
}

/// A query that is confined to what its context may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScopedQuery {
    owner: Owner,
    deleted: ReadDeleted,
    filter: ServerFilter,
    order: SortOrder,
}

impl ScopedQuery {
    /// Confines a query. Administrators see everything; others their project's servers, or, without a project, those
    /// they made themselves (nova-facts 4.2).
    pub(crate) fn of(query: &ServerQuery, ctx: &RequestContext) -> Result<Self, ScopeError> {
        if query.limit > MAX_LIMIT {
            return Err(ScopeError::Limit);
        }
        let mut scoped = Self::of_filter(&query.filter, ctx)?;
        scoped.order = SortOrder::of(&query.sort);
        if !ctx.is_admin() && query.sort.iter().any(|by| by.key.admin_only()) {
            return Err(ScopeError::AdminOnly("sort by host or node"));
        }
        Ok(scoped)
    }

    /// The same for questions without an order: counting, and finding one server.
    pub(crate) fn of_filter(
        filter: &ServerFilter,
        ctx: &RequestContext,
    ) -> Result<Self, ScopeError> {
        let identity = ctx.identity();
        let owner = match (ctx.is_admin(), &identity.project.id, &identity.user.id) {
            (true, _, _) => Owner::Anybody,
            (false, Some(project), _) => Owner::Project(project.as_str().to_owned()),
            (false, None, Some(user)) => Owner::User(user.as_str().to_owned()),
            (false, None, None) => return Err(ScopeError::Nobody),
        };
        let deleted = filter.deleted.unwrap_or(ctx.read_deleted());
        if owner != Owner::Anybody {
            let asked = [
                (deleted != ReadDeleted::No, "list deleted servers"),
                (filter.hidden, "list hidden servers"),
                (filter.host.is_some(), "filter by host"),
            ];
            if let Some((_, what)) = asked.iter().find(|(asked, _)| *asked) {
                return Err(ScopeError::AdminOnly(what));
            }
        }
        if filter
            .uuids
            .as_ref()
            .is_some_and(|uuids| uuids.len() > MAX_UUIDS)
        {
            return Err(ScopeError::TooManyUuids);
        }
        Ok(Self {
            owner,
            deleted,
            filter: filter.clone(),
            order: SortOrder::of(&[]),
        })
    }

    /// The same owner's rows, all of them: where a marker is looked for. Deleted and hidden rows are markers, too.
    pub(crate) fn anything_owned(&self, uuid: uuid::Uuid) -> Self {
        Self {
            owner: self.owner.clone(),
            deleted: ReadDeleted::Yes,
            filter: ServerFilter {
                uuids: Some(vec![uuid]),
                hidden: true,
                ..ServerFilter::default()
            },
            order: self.order.clone(),
        }
    }

    /// One server, hidden or not.
    pub(crate) fn of_one(uuid: uuid::Uuid, ctx: &RequestContext) -> Result<Self, ScopeError> {
        let scoped = Self::of_filter(&ServerFilter::default(), ctx)?;
        let deleted = scoped.deleted;
        Ok(Self {
            deleted,
            ..scoped.anything_owned(uuid)
        })
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(crate) fn deleted(&self) -> ReadDeleted {
        self.deleted
    }

    pub(crate) fn filter(&self) -> &ServerFilter {
        &self.filter
    }

    pub(crate) fn order(&self) -> &SortOrder {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use context::{Identity, ProjectId, RequestParts, Roles, UserId};

    use super::*;

    fn member(project: Option<&str>, user: Option<&str>) -> RequestContext {
        let mut identity = Identity::default();
        identity.project.id = project.map(|id| ProjectId::parse(id).unwrap());
        identity.user.id = user.map(|id| UserId::parse(id).unwrap());
        RequestContext::for_request(RequestParts {
            identity,
            roles: ["member"].into_iter().collect(),
            ..RequestParts::default()
        })
    }

    fn owner(ctx: &RequestContext) -> Result<Owner, ScopeError> {
        ScopedQuery::of(&ServerQuery::default(), ctx).map(|scoped| scoped.owner)
    }

    #[test]
    fn a_member_is_confined_to_the_project_or_else_to_the_user() {
        assert_eq!(
            owner(&member(Some("p"), Some("u"))),
            Ok(Owner::Project("p".into()))
        );
        assert_eq!(owner(&member(None, Some("u"))), Ok(Owner::User("u".into())));
        assert_eq!(owner(&member(None, None)), Err(ScopeError::Nobody));
        let admin = RequestContext::for_background("t", Identity::default(), Roles::admin());
        assert_eq!(owner(&admin), Ok(Owner::Anybody));
    }

    #[test]
    fn asking_for_another_project_does_not_lift_the_confinement() {
        let query = ServerQuery {
            filter: ServerFilter {
                project: Some(ProjectId::parse("other").unwrap()),
                ..ServerFilter::default()
            },
            ..ServerQuery::default()
        };
        let scoped = ScopedQuery::of(&query, &member(Some("own"), None)).unwrap();
        assert_eq!(scoped.owner(), &Owner::Project("own".into()));
    }

    #[test]
    fn what_only_administrators_may_ask_is_refused_to_members() {
        let ctx = member(Some("p"), None);
        let refused = |query: ServerQuery| {
            matches!(ScopedQuery::of(&query, &ctx), Err(ScopeError::AdminOnly(_)))
        };
        let filtered = |filter| ServerQuery {
            filter,
            ..ServerQuery::default()
        };
        assert!(refused(filtered(ServerFilter {
            hidden: true,
            ..ServerFilter::default()
        })));
        assert!(refused(filtered(ServerFilter {
            host: Some("h".into()),
            ..ServerFilter::default()
        })));
        assert!(refused(filtered(ServerFilter {
            deleted: Some(ReadDeleted::Only),
            ..ServerFilter::default()
        })));
        assert!(refused(ServerQuery {
            sort: vec!["node:desc".parse().unwrap()],
            ..ServerQuery::default()
        }));
        let deleted = ctx.with_read_deleted(ReadDeleted::Yes);
        assert!(ScopedQuery::of(&ServerQuery::default(), &deleted).is_err());
    }
}

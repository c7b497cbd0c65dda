//! A refusal. It names the action and nothing of the context or the target.

/// The context may not do this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Forbidden {
    /// The rule says no.
    #[error("policy does not allow `{action}`")]
    Rule {
        /// The action asked for.
        action: String,
    },
    /// The token's scope (project, domain, system) is not one that the action is for.
    #[error("`{action}` is not for tokens of scope `{scope}`")]
    Scope {
        /// The action asked for.
        action: String,
        /// The token's scope.
        scope: &'static str,
    },
    /// Nobody registered such an action: a mistake in the program, refused all the same.
    #[error("no policy is registered for `{action}`")]
    NotRegistered {
        /// The action asked for.
        action: String,
    },
    /// Neither an administrator's context nor one of a user in a project.
    #[error("neither an administrator nor a user of a project")]
    Anonymous,
    /// Another project's, user's or quota class's, and the context is no administrator's.
    #[error("not this context's {what}")]
    NotOwner {
        /// `project`, `user` or `quota class`.
        what: &'static str,
    },
}

//! Policy: oslo.policy's rule language, read into a checked tree and asked without allocation.
//!
//! Contents page. What oslo.policy turns into "never" or "always" while it runs (a syntax error, an unknown rule, a
//! missing attribute) is an error here when the rules are loaded. Remote checks (`http:`) are left out.

mod check;
mod defaults;
mod forbidden;
mod helpers;
mod parse;
mod problem;
mod rules;
mod target;
mod template;

#[cfg(feature = "serde")]
mod file;

pub(crate) use self::check::Creds;
pub use self::defaults::nova_defaults;
#[cfg(feature = "serde")]
pub use self::file::PolicyFileError;
pub use self::forbidden::Forbidden;
pub use self::helpers::{
    authorize_project, authorize_quota_class, authorize_user, is_user_context, require_context,
};
pub use self::problem::{InvalidPolicy, PolicyFault, PolicyProblem};
pub use self::rules::{Policy, PolicyBuilder, PolicyFile, RawRule, RuleDefault, Scope};
pub use self::target::Target;

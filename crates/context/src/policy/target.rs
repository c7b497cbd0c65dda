//! What a rule is asked about: named values of the thing to be acted on.

use std::borrow::Cow;

use crate::request::RequestContext;

/// Named values: `project_id`, `user_id`, and what else a rule mentions as `%(name)s`. A handful; looked up in order.
#[derive(Debug, Clone, Default)]
pub struct Target<'a>(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>);

impl<'a> Target<'a> {
    /// Nothing known: every check that mentions a value fails.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The context's own project and user: what Nova asks about where it has no other target (1.4).
    #[must_use]
    pub fn of(ctx: &'a RequestContext) -> Self {
        let identity = ctx.identity();
        let text = |id: Option<&'a str>| id.map(Cow::Borrowed);
        Self(vec![
            (
                Cow::Borrowed("project_id"),
                text(identity.project.id.as_ref().map(|id| id.as_str())),
            ),
            (
                Cow::Borrowed("user_id"),
                text(identity.user.id.as_ref().map(|id| id.as_str())),
            ),
        ])
    }

    /// The same with one more value; a later one of the same name wins.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.0.push((name.into(), Some(value.into())));
        self
    }

    /// The same with one more truth value, which rules see as `True` or `False`.
    #[must_use]
    pub fn with_flag(self, name: impl Into<Cow<'a, str>>, value: bool) -> Self {
        self.with(name, if value { "True" } else { "False" })
    }

    /// The same with a value that is known to be none: it equals the literal `None` and nothing a context has.
    #[must_use]
    pub fn with_none(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        self.0.push((name.into(), None));
        self
    }

    /// `None` where there is no such name, `Some(None)` where its value is none.
    pub(super) fn get(&self, name: &str) -> Option<Option<&str>> {
        let found = self.0.iter().rev().find(|(held, _)| held == name);
        found.map(|(_, value)| value.as_deref())
    }
}

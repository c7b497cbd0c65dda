//! Roles: names that compare as Nova's policy compares them, without regard to case.
//!
//! What a role allows is policy's matter, not this file's.

use std::fmt;
use std::sync::Arc;

/// The role that makes a context an administrator's (Nova's default rule `context_is_admin`).
pub(crate) const ADMIN: &str = "admin";

/// Whether a role's name is longer than Keystone's column or would break a line of a log.
pub(crate) fn is_malformed(name: &str) -> bool {
    name.chars().count() > 255 || name.chars().any(char::is_control)
}

/// One role's name. `Admin` equals `admin`, as in oslo.policy's `role:` check (nova-facts 1.2).
#[derive(Clone)]
pub struct Role(Arc<str>);

impl Role {
    /// Takes a name as Keystone spells it; the case is kept for display.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Role {
    /// Whether this is the role of that name, case aside.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        if self.0.is_ascii() && name.is_ascii() {
            return self.0.eq_ignore_ascii_case(name);
        }
        self.0.to_lowercase() == name.to_lowercase()
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Role {}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The roles of one context: an immutable list, cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Roles(Arc<[Role]>);

impl Roles {
    /// The roles of somebody who may do everything: just `admin`.
    #[must_use]
    pub fn admin() -> Self {
        ["admin"].into_iter().collect()
    }

    /// Whether a role of this name is held, case aside.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|role| role.is(name))
    }

    /// The roles that both lists hold, in this one's order.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let shared = self.0.iter().filter(|role| other.0.contains(role));
        Self(shared.cloned().collect())
    }

    /// The same list with one more role, unless it is held already (Nova's `elevated` appends `admin` so).
    #[must_use]
    pub fn with(&self, name: &str) -> Self {
        if self.contains(name) {
            return self.clone();
        }
        Self(self.0.iter().cloned().chain([Role::new(name)]).collect())
    }

    /// The roles in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = &Role> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for Roles {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self(names.into_iter().map(Role::new).collect())
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_compare_without_case_and_keep_their_spelling() {
        let roles: Roles = ["Admin", "reader"].into_iter().collect();
        assert!(roles.contains("admin"));
        assert_eq!(roles.iter().next().map(Role::as_str), Some("Admin"));
    }

    #[test]
    fn adding_a_held_role_changes_nothing() {
        let roles = Roles::admin();
        assert_eq!(roles.with("ADMIN").len(), 1);
        assert_eq!(roles.with("member").len(), 2);
    }
}

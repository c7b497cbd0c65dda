//! What is wrong with a set of rules: every problem at once, by rule.

use std::fmt;

/// What is wrong with one rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// The text does not follow the grammar.
    #[error("cannot be parsed: expected {expected} at word {word}")]
    Syntax {
        /// What the grammar wants there.
        expected: &'static str,
        /// Which word of the rule, counted from 1.
        word: usize,
    },
    /// A word is no check: no colon, an empty side, a quoted text.
    #[error("has a malformed check at word {word}")]
    Check {
        /// Which word of the rule, counted from 1.
        word: usize,
    },
    /// Other than `%(name)s` and `%%` after a percent sign.
    #[error("has a malformed `%(name)s` at word {word}")]
    Template {
        /// Which word of the rule, counted from 1.
        word: usize,
    },
    /// A check that asks a remote server, or of another kind that is left out on purpose.
    #[error("has a check of the unsupported kind `{kind}`")]
    Unsupported {
        /// `http` or `https`.
        kind: &'static str,
    },
    /// An attribute that no context has: it would never match, and always under `not`.
    #[error("compares with `{name}`, which no context has")]
    UnknownAttribute {
        /// The attribute.
        name: String,
    },
    /// `rule:` names a rule that is nowhere.
    #[error("refers to the unknown rule `{name}`")]
    UnknownRule {
        /// The name.
        name: String,
    },
    /// The rule needs itself.
    #[error("refers to itself by way of `{through}`")]
    Cycle {
        /// The rule through which it does.
        through: String,
    },
    /// Parentheses or references nested deeper than any real policy.
    #[error("is nested deeper than {limit}")]
    TooDeep {
        /// How deep is allowed.
        limit: usize,
    },
    /// Two rules of one name in one place.
    #[error("is there twice")]
    Repeated,
    /// Neither a text nor a list of texts or lists; `null` would allow everything.
    #[error("is neither a text nor a list")]
    Kind,
}

/// A fault and its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule `{rule}` {fault}")]
pub struct PolicyProblem {
    /// The rule's name.
    pub rule: String,
    /// What is wrong.
    pub fault: PolicyFault,
}

/// Rules are refused, with everything that is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPolicy(pub(super) Vec<PolicyProblem>);

impl InvalidPolicy {
    /// What is wrong, in the rules' order.
    #[must_use]
    pub fn problems(&self) -> &[PolicyProblem] {
        &self.0
    }
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the policy is malformed: ")?;
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidPolicy {}

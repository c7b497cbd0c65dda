//! A set of rules: registered defaults, an operator's file over them, linked and checked as a whole.

use std::collections::{BTreeMap, HashMap};

use super::check::{Check, Creds};
use super::forbidden::Forbidden;
use super::parse::{parse_list, parse_text};
use super::problem::{InvalidPolicy, PolicyFault, PolicyProblem};
use super::target::Target;
use crate::audit::AuditOutcome;
use crate::request::RequestContext;

/// `rule:` references nested deeper than this are refused: they are followed by recursion.
const MAX_HOPS: usize = 32;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A project; also what a token without any scope counts as, as in oslo.policy.
    Project,
    /// A domain.
    Domain,
    /// The whole system.
    System,
}

impl Scope {
    fn of(creds: &Creds<'_>) -> Self {
        if creds.identity.system_scope.is_some() {
            Self::System
        } else if creds.identity.domain.id.is_some() {
            Self::Domain
        } else {
            Self::Project
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Domain => "domain",
            Self::System => "system",
        }
    }
}

/// A rule that a program registers: its name, what it is until an operator says otherwise.
#[derive(Debug, Clone)]
pub struct RuleDefault {
    /// `os_compute_api:servers:index`, or a helper's name that others refer to.
    pub name: &'static str,
    /// The rule's text.
    pub check: &'static str,
    /// The scopes of tokens the action is for; empty for any.
    pub scopes: &'static [Scope],
    /// What the rule was before: also enough until new defaults are enforced.
    pub deprecated: Option<&'static str>,
}

/// One rule as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawRule {
    /// A text in the rule language.
    Text(String),
    /// The older form: alternatives, each a list of checks.
    List(Vec<Vec<String>>),
    /// Anything else.
    Other,
}

/// An operator's rules in the order of the file; they win over defaults of the same name.
#[derive(Debug, Clone, Default)]
pub struct PolicyFile {
    /// Name and rule.
    pub rules: Vec<(String, RawRule)>,
}

#[derive(Debug)]
struct Rule {
    name: Box<str>,
    check: Check,
    scopes: &'static [Scope],
    registered: bool,
}

/// Rules that hold together: every reference is known, none is circular.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    places: HashMap<Box<str>, usize>,
    enforce_scope: bool,
}

/// What a policy is made from.
#[derive(Debug, Clone)]
pub struct PolicyBuilder {
    /// The program's own rules.
    pub defaults: Vec<RuleDefault>,
    /// The operator's rules.
    pub file: PolicyFile,
    /// Whether a token of another scope is refused (`[oslo_policy] enforce_scope`).
    pub enforce_scope: bool,
    /// Whether a default's older form is not enough any more (`[oslo_policy] enforce_new_defaults`).
    pub enforce_new_defaults: bool,
}

impl Default for PolicyBuilder {
    /// Nova's defaults, scopes and new defaults enforced, as Nova has it today.
    fn default() -> Self {
        Self {
            defaults: super::nova_defaults(),
            file: PolicyFile::default(),
            enforce_scope: true,
            enforce_new_defaults: true,
        }
    }
}

impl PolicyBuilder {
    /// Reads, links and checks all rules.
    ///
    /// # Errors
    /// [`InvalidPolicy`] lists every problem by rule.
    pub fn build(self) -> Result<Policy, InvalidPolicy> {
        let mut problems = Vec::new();
        let mut note = |rule: &str, fault| {
            let rule = rule.to_owned();
            problems.push(PolicyProblem { rule, fault });
        };
        let mut rules: BTreeMap<Box<str>, Rule> = BTreeMap::new();
        for default in &self.defaults {
            let old = default.deprecated.filter(|_| !self.enforce_new_defaults);
            let check = parse_text(default.check).and_then(|new| match old {
                Some(old) => Ok(Check::Any(vec![new, parse_text(old)?])),
                None => Ok(new),
            });
            let rule = Rule {
                name: default.name.into(),
                check: check.unwrap_or_else(|fault| {
                    note(default.name, fault);
                    Check::Never
                }),
                scopes: default.scopes,
                registered: true,
            };
            if rules.insert(default.name.into(), rule).is_some() {
                note(default.name, PolicyFault::Repeated);
            }
        }
        let mut overridden = std::collections::HashSet::new();
        for (name, raw) in &self.file.rules {
            if !overridden.insert(name) {
                note(name, PolicyFault::Repeated);
            }
            let check = match raw {
                RawRule::Text(text) => parse_text(text),
                RawRule::List(list) => parse_list(list),
                RawRule::Other => Err(PolicyFault::Kind),
            };
            let check = check.unwrap_or_else(|fault| {
                note(name, fault);
                Check::Never
            });
            let rule = rules.entry(name.as_str().into()).or_insert_with(|| Rule {
                name: name.as_str().into(),
                check: Check::Never,
                scopes: &[],
                registered: false,
            });
            rule.check = check;
        }
        let mut rules: Vec<Rule> = rules.into_values().collect();
        let places: HashMap<Box<str>, usize> = (rules.iter().enumerate())
            .map(|(at, rule)| (rule.name.clone(), at))
            .collect();
        let mut references = vec![Vec::new(); rules.len()];
        for (rule, references) in rules.iter_mut().zip(&mut references) {
            let name = &rule.name;
            rule.check.each_leaf(&mut |leaf| {
                if let Check::Named(wanted) = leaf {
                    match places.get(wanted) {
                        Some(place) => {
                            references.push(*place);
                            *leaf = Check::Rule(*place);
                        }
                        None => note(
                            name,
                            PolicyFault::UnknownRule {
                                name: wanted.to_string(),
                            },
                        ),
                    }
                }
            });
        }
        let mut depths = vec![None; rules.len()];
        for at in 0..rules.len() {
            match depth(at, &references, &mut depths, &mut Vec::new()) {
                Ok(_) => {}
                Err(Endless::Cycle(through)) => note(
                    &rules[at].name,
                    PolicyFault::Cycle {
                        through: rules[through].name.to_string(),
                    },
                ),
                Err(Endless::Deep) => {
                    note(&rules[at].name, PolicyFault::TooDeep { limit: MAX_HOPS })
                }
            }
        }
        if problems.is_empty() {
            Ok(Policy {
                rules,
                places,
                enforce_scope: self.enforce_scope,
            })
        } else {
            Err(InvalidPolicy(problems))
        }
    }
}

enum Endless {
    /// By way of this rule.
    Cycle(usize),
    Deep,
}

/// How many references a rule follows at most, itself excluded.
fn depth(
    at: usize,
    references: &[Vec<usize>],
    known: &mut [Option<usize>],
    path: &mut Vec<usize>,
) -> Result<usize, Endless> {
    if let Some(depth) = known[at] {
        return Ok(depth);
    }
    if path.contains(&at) {
        return Err(Endless::Cycle(path.last().copied().unwrap_or(at)));
    }
    if path.len() > MAX_HOPS {
        return Err(Endless::Deep);
    }
    path.push(at);
    let mut deepest = 0;
    for next in &references[at] {
        deepest = deepest.max(1 + depth(*next, references, known, path)?);
    }
    path.pop();
    if deepest > MAX_HOPS {
        return Err(Endless::Deep);
    }
    known[at] = Some(deepest);
    Ok(deepest)
}

impl Policy {
    /// Nova's defaults as they are.
    ///
    /// # Errors
    /// None in practice: a test builds them. The signature is the builder's.
    pub fn nova() -> Result<Self, InvalidPolicy> {
        PolicyBuilder::default().build()
    }

    /// The names of all rules, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// What the rule `context_is_admin` says, as Nova computes `is_admin`; `None` where there is no such rule.
    pub(crate) fn is_admin(&self, creds: &Creds<'_>) -> Option<bool> {
        let rule = &self.rules[*self.places.get("context_is_admin")?];
        let mut target = Target::new();
        if let Some(id) = &creds.identity.project.id {
            target = target.with("project_id", id.as_str());
        }
        if let Some(id) = &creds.identity.user.id {
            target = target.with("user_id", id.as_str());
        }
        Some(self.ask(rule, creds, &target))
    }

    fn ask(&self, rule: &Rule, creds: &Creds<'_>, target: &Target<'_>) -> bool {
        let rules = |at: usize| self.rules.get(at).map(|rule| &rule.check);
        rule.check.ask(&rules, creds, target)
    }

    fn decide(
        &self,
        action: &str,
        creds: &Creds<'_>,
        target: &Target<'_>,
    ) -> Result<(), Forbidden> {
        let rule = self.places.get(action).map(|place| &self.rules[*place]);
        let Some(rule) = rule.filter(|rule| rule.registered) else {
            let action = action.to_owned();
            return Err(Forbidden::NotRegistered { action });
        };
        let scope = Scope::of(creds);
        if self.enforce_scope && !rule.scopes.is_empty() && !rule.scopes.contains(&scope) {
            return Err(Forbidden::Scope {
                action: action.to_owned(),
                scope: scope.as_str(),
            });
        }
        if self.ask(rule, creds, target) {
            Ok(())
        } else {
            let action = action.to_owned();
            Err(Forbidden::Rule { action })
        }
    }
}

impl RequestContext {
    /// Whether policy lets this context act on the target; [`Target::of`] the context itself where there is no other.
    /// A refusal is audited.
    ///
    /// # Errors
    /// [`Forbidden`].
    #[track_caller]
    pub fn can(&self, policy: &Policy, action: &str, target: &Target<'_>) -> Result<(), Forbidden> {
        policy
            .decide(action, &self.creds(), target)
            .inspect_err(|refusal| {
                let event = self
                    .event("policy/refuse", AuditOutcome::Failure)
                    .location(std::panic::Location::caller())
                    .target(action)
                    .reason(refusal.to_string());
                // It is refused either way; the journal counts and logs what it could not keep.
                drop(self.guard().journal.record(&event));
            })
    }
}

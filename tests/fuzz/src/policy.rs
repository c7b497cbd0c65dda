//! Policy files in JSON and YAML, and the rule language in them. YAML has a target of its own: its reader takes several
//! times as long as all the rest.

use std::sync::OnceLock;

use context::{
    Identity, Policy, PolicyBuilder, PolicyFile, Project, ProjectId, RawRule, RequestContext, Role,
    Roles, RuleDefault, Target, User, UserId,
};

use crate::text::{check_debug, text};

const ACTION: &str = "os_compute_api:servers:index";
const KNOWN: &[&str] = &[
    ACTION,
    "admin_api",
    "context_is_admin",
    "project_reader_api",
    "project_reader_or_admin",
];

pub(crate) fn run(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Some(policy) = build(
        vec![(ACTION.to_owned(), RawRule::Text(text.to_owned()))],
        text.len(),
    ) {
        ask(&policy);
    }
    match PolicyFile::from_json(text) {
        Ok(file) => {
            if let Some(policy) = build(file.rules, text.len()) {
                ask(&policy);
            }
        }
        Err(error) => check_error_of_a_library(&error, text.len()),
    }
}

pub(crate) fn yaml(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match PolicyFile::from_yaml(text) {
        Ok(file) => {
            let content: usize = file
                .rules
                .iter()
                .map(|(name, rule)| name.len() + size(rule))
                .sum();
            // Aliases repeat what they name; the reader's own budget bounds how often.
            assert!(
                content <= (1 << 20) + 4096 * text.len(),
                "{content} bytes of rules"
            );
            if let Some(policy) = build(file.rules, content + text.len()) {
                ask(&policy);
            }
        }
        Err(error) => check_error_of_a_library(&error, text.len()),
    }
}

/// The reader's own text is behind ours, as its source, and may have line ends.
fn check_error_of_a_library(error: &dyn std::error::Error, input: usize) {
    let shown = error.to_string();
    assert!(!shown.is_empty() && shown.len() <= 512);
    if let Some(source) = error.source() {
        assert!(source.to_string().len() <= 4096 + 64 * input);
    }
}

fn size(rule: &RawRule) -> usize {
    match rule {
        RawRule::Text(text) => text.len(),
        RawRule::List(list) => list.iter().flatten().map(String::len).sum(),
        _ => 0,
    }
}

/// A few of Nova's defaults: all of them would take longer than everything else here.
fn defaults() -> Vec<RuleDefault> {
    static DEFAULTS: OnceLock<Vec<RuleDefault>> = OnceLock::new();
    let known = || {
        let mut defaults = context::nova_defaults();
        defaults.retain(|rule| KNOWN.contains(&rule.name));
        defaults
    };
    DEFAULTS.get_or_init(known).clone()
}

fn build(rules: Vec<(String, RawRule)>, input: usize) -> Option<Policy> {
    let builder = PolicyBuilder {
        defaults: defaults(),
        file: PolicyFile { rules },
        ..PolicyBuilder::default()
    };
    match builder.build() {
        Ok(policy) => {
            check_debug(&policy, input + 1024);
            Some(policy)
        }
        Err(error) => {
            // Names of rules come from the file and are shown.
            assert!(error.to_string().len() <= 512 + 256 * (input + 1));
            None
        }
    }
}

fn ask(policy: &Policy) {
    let identity = Identity {
        user: User {
            id: UserId::parse("u").ok(),
            ..User::default()
        },
        project: Project {
            id: ProjectId::parse("p").ok(),
            ..Project::default()
        },
        ..Identity::default()
    };
    let roles: Roles = ["member", "reader"].into_iter().collect();
    let member = RequestContext::for_background("fuzz", identity, roles);
    let admin = RequestContext::for_background("fuzz", Identity::default(), Roles::admin());
    for ctx in [&member, &admin] {
        let own = Target::of(ctx);
        let first = ctx.can(policy, ACTION, &own).is_ok();
        assert_eq!(
            ctx.can(policy, ACTION, &own).is_ok(),
            first,
            "asked twice, answered alike"
        );
        for action in policy.names().take(8) {
            let _either = ctx.can(policy, action, &Target::new());
        }
        assert!(
            ctx.roles().iter().map(Role::as_str).count() <= 2,
            "asking gives no roles"
        );
    }
}

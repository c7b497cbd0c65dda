//! Policy against what oslo.policy itself decided, and what it accepts and this refuses.
//!
//! `data/policy-matrix.txt` was written by oslo.policy 6.0.1 from the same rules and contexts.
#![cfg(feature = "serde")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fmt::Write as _;
use std::sync::Arc;

use nova_context::{
    DomainId, Forbidden, Guard, Identity, Policy, PolicyBuilder, PolicyFault, PolicyFile,
    ProjectId, RequestContext, RequestParts, RuleDefault, Target, TrustPolicy, UserId, WireContext,
    WireForm, WireRules, nova_defaults,
};

const LANGUAGE: &[(&str, &str)] = &[
    ("t:or_and", "role:a or role:b and role:c"),
    ("t:paren", "(role:a or role:b) and role:c"),
    ("t:not", "not role:a and role:c"),
    ("t:notnot", "not not role:a"),
    ("t:user", "user_id:%(user_id)s"),
    ("t:flag", "True:%(enabled)s"),
    ("t:quoted", "'Member':%(kind)s"),
    ("t:number", "7:%(count)s"),
    ("t:roles", "roles:%(kind)s"),
    ("t:case", "role:ADMIN"),
    ("t:adminproject", "is_admin_project:True"),
    ("t:prefix", "user_id:u%(kind)s"),
    ("t:empty", ""),
    ("t:missing", "user_id:%(nothing)s"),
];

fn rules() -> Vec<RuleDefault> {
    let language = LANGUAGE.iter().map(|(name, check)| RuleDefault {
        name,
        check,
        scopes: &[],
        deprecated: None,
    });
    nova_defaults().into_iter().chain(language).collect()
}

/// The contexts of the matrix: name, roles, user, project, system, domain.
fn contexts(policy: &Arc<Policy>) -> Vec<(&'static str, RequestContext)> {
    let guard = Arc::new(Guard {
        policy: Some(policy.clone()),
        ..Guard::default()
    });
    let of = |roles: &[&str], user: &str, project: &str| RequestParts {
        roles: roles.iter().copied().collect(),
        identity: match project {
            "" => Identity {
                user: nova_context::User {
                    id: Some(UserId::parse(user).unwrap()),
                    ..Default::default()
                },
                ..Identity::default()
            },
            project => Identity::of_project(
                UserId::parse(user).unwrap(),
                ProjectId::parse(project).unwrap(),
            ),
        },
        guard: guard.clone(),
        ..RequestParts::default()
    };
    let mut system = of(&["admin"], "u1", "");
    system.identity.system_scope = Some("all".into());
    let mut domain = of(&["admin"], "u1", "");
    domain.identity.domain.id = Some(DomainId::parse("d1").unwrap());
    let mut odd = of(&["Member"], "uMember", "p1");
    odd.identity.is_admin_project = false;
    let flag = br#"{"is_admin":true,"user_id":"u1","project_id":"p2"}"#;
    let flag = WireContext::from_json(flag, WireForm::Dict, &WireRules::default()).unwrap();
    let flag = RequestContext::for_rpc(flag, TrustPolicy::Accept).unwrap();
    let made = [
        ("admin", of(&["admin"], "u1", "p1")),
        ("Admin-case", of(&["ADMIN"], "u1", "p2")),
        ("manager", of(&["manager", "member", "reader"], "u1", "p1")),
        ("member", of(&["member", "reader"], "u1", "p1")),
        ("reader", of(&["reader"], "u1", "p1")),
        ("foreign-member", of(&["member", "reader"], "u2", "p2")),
        ("no-roles", of(&[], "u1", "p1")),
        ("system-admin", system),
        ("domain-admin", domain),
        ("a", of(&["a"], "u1", "p1")),
        ("b", of(&["b"], "u1", "p1")),
        ("b-c", of(&["b", "c"], "u1", "p1")),
        ("a-c", of(&["a", "c"], "u1", "p1")),
        ("Member-role", odd),
    ];
    let mut contexts: Vec<_> = (made.into_iter())
        .map(|(name, parts)| (name, RequestContext::for_request(parts)))
        .collect();
    contexts.insert(7, ("flag-only", flag));
    contexts
}

#[test]
fn every_decision_is_oslo_policys() {
    let golden = include_str!("data/policy-matrix.txt");
    let mut written = String::new();
    let comments: Vec<_> = golden
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    writeln!(written, "{}", comments.join("\n")).unwrap();
    for enforce_new_defaults in [true, false] {
        let builder = PolicyBuilder {
            defaults: rules(),
            enforce_new_defaults,
            ..PolicyBuilder::default()
        };
        let policy = Arc::new(builder.build().unwrap());
        let contexts = contexts(&policy);
        let target = Target::new()
            .with("project_id", "p1")
            .with("user_id", "u1")
            .with_flag("enabled", true)
            .with("kind", "Member")
            .with("count", "7");
        let age = if enforce_new_defaults { "new" } else { "old" };
        for line in golden.lines().filter(|line| line.starts_with(age)) {
            let rule = line.split(' ').nth(1).unwrap();
            let passed = contexts
                .iter()
                .filter(|(_, ctx)| ctx.can(&policy, rule, &target).is_ok());
            let passed: Vec<_> = passed.map(|(name, _)| *name).collect();
            let passed = if passed.is_empty() {
                "-".to_owned()
            } else {
                passed.join(",")
            };
            writeln!(written, "{age} {rule} {passed}").unwrap();
        }
    }
    assert_eq!(written, golden);
}

fn build(json: &str) -> Result<Policy, Vec<PolicyFault>> {
    let builder = PolicyBuilder {
        file: PolicyFile::from_json(json).unwrap(),
        ..PolicyBuilder::default()
    };
    let problems = |error: nova_context::InvalidPolicy| {
        error
            .problems()
            .iter()
            .map(|problem| problem.fault.clone())
            .collect()
    };
    builder.build().map_err(problems)
}

#[test]
fn what_oslo_policy_would_only_log_is_an_error_at_load() {
    use PolicyFault as F;
    let syntax = |expected, word| F::Syntax { expected, word };
    for (rule, fault) in [
        (r#""role:a and""#, syntax("a check, `not` or `(`", 3)),
        (r#""role:a role:b""#, syntax("`and`, `or` or the end", 2)),
        (r#""(role:a""#, syntax("`)`", 2)),
        (r#""role:a)""#, syntax("`and`, `or` or the end", 1)),
        (r#"" ""#, syntax("a check", 1)),
        (r#""'quoted'""#, F::Check { word: 1 }),
        (r#""role""#, F::Check { word: 1 }),
        (r#""role:""#, F::Check { word: 1 }),
        (r#""project_id:%(project_id)d""#, F::Template { word: 1 }),
        (
            r#""http://policy.example/""#,
            F::Unsupported { kind: "http" },
        ),
        (
            r#""projct_id:%(project_id)s""#,
            F::UnknownAttribute {
                name: "projct_id".into(),
            },
        ),
        (
            r#""not rule:nowhere""#,
            F::UnknownRule {
                name: "nowhere".into(),
            },
        ),
        (
            r#""rule:x""#,
            F::Cycle {
                through: "x".into(),
            },
        ),
        ("null", F::Kind),
        ("{}", F::Kind),
        (r#"[["role:a", 7]]"#, F::Kind),
    ] {
        let found = build(&format!(r#"{{"x": {rule}}}"#))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(found, [fault], "{rule}");
    }
    let twice = build(r#"{"x": "@", "x": "!"}"#).map(|_| ()).unwrap_err();
    assert_eq!(twice, [F::Repeated]);
}

#[test]
fn endless_rules_are_refused_whatever_their_way() {
    let ring = r#"{"a": "rule:b", "b": "role:x or not rule:c", "c": "rule:a"}"#;
    let found = build(ring).map(|_| ()).unwrap_err();
    assert!(
        found
            .iter()
            .all(|fault| matches!(fault, PolicyFault::Cycle { .. })),
        "{found:?}"
    );
    let nested = format!(
        r#"{{"x": "{}role:a{}"}}"#,
        "(".repeat(50_000),
        ")".repeat(50_000)
    );
    let found = build(&nested).map(|_| ()).unwrap_err();
    assert!(matches!(found[..], [PolicyFault::TooDeep { .. }]));
    let mut chain: Vec<_> = (0..5000)
        .map(|n| format!(r#""r{n}": "rule:r{}""#, n + 1))
        .collect();
    chain.push(r#""r5000": "@""#.into());
    let found = build(&format!("{{{}}}", chain.join(",")))
        .map(|_| ())
        .unwrap_err();
    assert!(found.contains(&PolicyFault::TooDeep { limit: 32 }));
}

#[test]
fn lists_of_lists_are_alternatives_of_conjunctions() {
    let json = r#"{"os_compute_api:servers:index": [["role:a", "role:b"], "role:c", []],
                   "os_compute_api:servers:show": [], "os_compute_api:servers:create": [[]]}"#;
    let policy = build(json).unwrap();
    let can = |roles: &[&str], action: &str| {
        let parts = RequestParts {
            roles: roles.iter().copied().collect(),
            ..RequestParts::default()
        };
        let ctx = RequestContext::for_request(parts);
        ctx.can(&policy, action, &Target::of(&ctx)).is_ok()
    };
    let index = "os_compute_api:servers:index";
    assert!(can(&["b", "a"], index) && can(&["c"], index) && !can(&["a"], index));
    assert!(can(&[], "os_compute_api:servers:show"));
    assert!(!can(&["admin"], "os_compute_api:servers:create"));
}

#[test]
fn nothing_is_not_equal_to_nothing() {
    let policy = build(
        r#"{"os_compute_api:servers:index": "project_id:%(project_id)s",
            "os_compute_api:servers:show": "None:%(project_id)s"}"#,
    )
    .unwrap();
    let ctx = RequestContext::for_request(RequestParts::default());
    let target = Target::new().with_none("project_id");
    assert!(
        ctx.can(&policy, "os_compute_api:servers:index", &target)
            .is_err()
    );
    assert!(
        ctx.can(&policy, "os_compute_api:servers:show", &target)
            .is_ok()
    );
}

#[test]
fn an_action_nobody_registered_is_refused_even_for_administrators() {
    let policy = build(r#"{"helper": "@"}"#).unwrap();
    let parts = RequestParts {
        roles: nova_context::Roles::admin(),
        ..RequestParts::default()
    };
    let admin = RequestContext::for_request(parts);
    for action in ["helper", "os_compute_api:servers:indx"] {
        let refusal = admin.can(&policy, action, &Target::of(&admin));
        assert!(
            matches!(refusal, Err(Forbidden::NotRegistered { .. })),
            "{action}"
        );
    }
}

#[cfg(feature = "policy-yaml")]
#[test]
fn yaml_files_say_the_same_as_json() {
    let yaml = "# comments\n\"os_compute_api:servers:index\": \"role:a or role:b\"\nx:\n  - [\"role:a\", \"role:b\"]\n  - role:c\n";
    let json = r#"{"os_compute_api:servers:index": "role:a or role:b", "x": [["role:a", "role:b"], "role:c"]}"#;
    let (yaml, json) = (
        PolicyFile::from_yaml(yaml).unwrap(),
        PolicyFile::from_json(json).unwrap(),
    );
    assert_eq!(yaml.rules, json.rules);
    assert!(
        PolicyFile::from_yaml("# nothing but a comment\n")
            .unwrap()
            .rules
            .is_empty()
    );
    assert!(PolicyFile::from_yaml("- a\n- b\n").is_err());
    assert!(PolicyFile::from_yaml("a: \"@\"\na: \"!\"\n").is_err());
}

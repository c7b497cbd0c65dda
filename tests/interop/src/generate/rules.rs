//! Policy rules, targets and who asks, mostly in good grammar.

use conformance::Rng;
use serde_json::{Map, Value, json};

use super::{Draw as _, wire_context};

/// The rules that every generated file is about; checks refer to them.
pub const RULES: &[&str] = &["t:r0", "t:r1", "t:r2", "t:r3"];

const CHECKS: &[&str] = &[
    "role:admin",
    "role:Member",
    "role:reader",
    "role:%(kind)s",
    "is_admin:True",
    "is_admin:False",
    "user_id:%(user_id)s",
    "project_id:%(project_id)s",
    "project_id:p1",
    "domain_id:%(domain_id)s",
    "user_domain_id:default",
    "system_scope:all",
    "is_admin_project:True",
    "roles:admin",
    "user_id:%(nothing)s",
    "True:%(enabled)s",
    "'Member':%(kind)s",
    "7:%(count)s",
    "None:%(none)s",
    "user_id:u%(count)s",
    "project_id:%%x",
    "@",
    "!",
    "'p1':%(project_id)s",
    "service_user_id:%(user_id)s",
    "user_id:%(none)s",
];
const ODD: &[&str] = &[
    "role:a and",
    "role:a role:b",
    "(role:a",
    "role:a)",
    " ",
    "'quoted'",
    "role",
    "role:",
    ":x",
    "project_id:%(project_id)d",
    "projct_id:%(project_id)s",
    "http://127.0.0.1:1/",
    "not",
    "or role:a",
    "not ()",
    "rule:nowhere",
    "user_id:%(x",
    "role:%",
    "and",
    "target.id:%(x)s",
    "\"x\":%(kind)s",
    "1.5:%(count)s",
    "not not role:admin",
    "NOT role:admin AND @",
    "role:admin  or\trole:Member",
    "((role:admin))",
    "(role:admin or ! ) and @",
    "",
];

/// The rules of a file in JSON, the action asked for, and the target.
#[must_use]
pub fn policy_case(rng: &mut Rng) -> (String, &'static str, Value) {
    let mut file = Map::new();
    let odd = rng.percent(20).then(|| rng.one(RULES));
    for (at, name) in RULES.iter().enumerate() {
        let rule = match odd {
            Some(odd) if odd == *name => odd_rule(rng),
            // References point downwards, so that nothing is circular by chance.
            _ => json!(expression(rng, 3, &RULES[at + 1..])),
        };
        file.insert((*name).to_owned(), rule);
    }
    let action = if rng.percent(70) {
        RULES[0]
    } else {
        rng.one(RULES)
    };
    (Value::Object(file).to_string(), action, target(rng))
}

fn odd_rule(rng: &mut Rng) -> Value {
    match rng.below(6) {
        0 => rng.json(&json!([
            [],
            [[]],
            [["role:admin", "is_admin:True"], "role:Member"],
            ["@"],
            [["!"], []],
            ["role:admin", ["@"]]
        ])),
        1 => rng.json(&json!([null, 7, {}, true, [7], [["@", 7]]])),
        2 => json!(format!("rule:{}", rng.one(RULES))),
        _ => json!(rng.one(ODD)),
    }
}

fn expression(rng: &mut Rng, depth: u64, below: &[&str]) -> String {
    if depth == 0 || rng.percent(30) {
        return match below.is_empty() || rng.percent(75) {
            true => rng.one(CHECKS).to_owned(),
            false => format!("rule:{}", rng.one(below)),
        };
    }
    let parts: Vec<String> = (0..rng.between(1, 3))
        .map(|_| {
            let part = expression(rng, depth - 1, below);
            let part = if part.contains(' ') && rng.percent(70) {
                format!("({part})")
            } else {
                part
            };
            if rng.percent(20) {
                format!("not {part}")
            } else {
                part
            }
        })
        .collect();
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            text.push_str(rng.one(&[" and ", " or "]));
        }
        text.push_str(part);
    }
    text
}

fn target(rng: &mut Rng) -> Value {
    let mut target = Map::new();
    for (key, values) in [
        ("project_id", json!(["p1", "p2", "u1", null])),
        ("user_id", json!(["u1", "p2", null])),
        ("domain_id", json!(["default", null])),
        ("enabled", json!([true, false])),
        ("kind", json!(["Member", "admin", ""])),
        ("count", json!(["7", "1"])),
        ("none", json!([null])),
    ] {
        if rng.percent(80) {
            target.insert(key.to_owned(), rng.json(&values));
        }
    }
    Value::Object(target)
}

/// What policy never looks at, or what is made anew where it is missing.
const UNSEEN: &[&str] = &[
    "service_catalog",
    "auth_token",
    "remote_address",
    "timestamp",
    "read_deleted",
    "request_id",
    "global_request_id",
];

/// Who asks: a context as it travels, in values of the right kinds; ids may still be none that we take.
#[must_use]
pub fn asker(rng: &mut Rng) -> Value {
    let mut dict = wire_context(rng);
    let plain = |key: &str, value: &Value| match key {
        "roles" => value.is_array(),
        "is_admin" => value.is_boolean() || value.is_null(),
        "is_admin_project" | "read_only" | "show_deleted" => value.is_boolean(),
        _ => value.is_null() || value.as_str().is_some_and(|text| !text.is_empty()),
    };
    dict.retain(|key, value| !UNSEEN.contains(&&**key) && plain(key, value));
    Value::Object(dict)
}

//! Contexts as they travel: Nova's 25 keys, some missing, some odd, some that nobody knows.

use conformance::Rng;
use serde_json::{Map, Value, json};

use super::{Draw as _, catalog};

const IDS: &[&str] = &[
    "user_id",
    "project_id",
    "domain",
    "user_domain",
    "project_domain",
];
const NAMES: &[&str] = &[
    "user_name",
    "project_name",
    "domain_name",
    "user_domain_name",
    "project_domain_name",
    "quota_class",
];
const FLAGS: &[&str] = &["read_only", "show_deleted", "is_admin_project"];
/// Keys that Nova writes for older peers, or that others put beside the context; nobody reads them.
const IGNORED: &[&str] = &[
    "user",
    "project",
    "tenant",
    "user_identity",
    "client_timeout",
    // Nova's form has no keys for the service that passed a request on; who sends one is not heard.
    "service_token",
    "service_user_id",
    "service_project_id",
    "service_roles",
];

/// A dict of a context; one in four has one odd value.
#[must_use]
pub fn wire_context(rng: &mut Rng) -> Map<String, Value> {
    let mut dict = Map::new();
    for key in IDS {
        let id = rng.json(&json!([
            "u1",
            "p1",
            "p2",
            "default",
            null,
            "0af8f3a1c58f4a0f8f0b1c2d3e4f5a6b"
        ]));
        put(rng, &mut dict, key, 75, id);
    }
    for key in NAMES {
        let name = rng.json(&json!(["demo", "Zoë Müller", "a b", "名前", null]));
        put(rng, &mut dict, key, 50, name);
    }
    for key in FLAGS {
        let flag = rng.json(&json!([true, false]));
        put(rng, &mut dict, key, 50, flag);
    }
    for key in IGNORED {
        let value = rng.json(&json!(["u1", 7, null, {}, []]));
        put(rng, &mut dict, key, 20, value);
    }
    let roles = rng.json(&json!([
        ["member", "reader"],
        ["admin"],
        ["Admin", "member"],
        ["reader"],
        [],
        null,
        ["ROLE", "", "a"]
    ]));
    put(rng, &mut dict, "roles", 85, roles);
    let is_admin = rng.json(&json!([true, false, null]));
    put(rng, &mut dict, "is_admin", 70, is_admin);
    let scope = rng.json(&json!(["all", null, null]));
    put(rng, &mut dict, "system_scope", 40, scope);
    let deleted = rng.json(&json!(["no", "yes", "only"]));
    put(rng, &mut dict, "read_deleted", 60, deleted);
    let address = rng.json(&json!(["10.0.0.7", "2001:db8::1", null]));
    put(rng, &mut dict, "remote_address", 60, address);
    let time = timestamp(rng);
    put(rng, &mut dict, "timestamp", 80, time);
    let token = json!(format!(
        "gAAAAAB{}",
        rng.uuid().simple().to_string().repeat(3)
    ));
    put(rng, &mut dict, "auth_token", 85, token);
    for (key, share) in [("request_id", 80), ("global_request_id", 40)] {
        let id = json!(format!("req-{}", rng.uuid()));
        put(rng, &mut dict, key, share, id);
    }
    let resource = rng.json(&json!(["6d5bd30e-147b-44db-9ceb-1a392e756c36", null]));
    put(rng, &mut dict, "resource_uuid", 20, resource);
    if rng.percent(50) {
        dict.insert("service_catalog".into(), catalog(rng, false));
    }
    if rng.percent(25) {
        odd(rng, &mut dict);
    }
    dict
}

fn put(rng: &mut Rng, dict: &mut Map<String, Value>, key: &str, share: u64, value: Value) {
    if rng.percent(share) {
        dict.insert(key.to_owned(), value);
    }
}

fn timestamp(rng: &mut Rng) -> Value {
    let (year, month, day) = (
        rng.between(1970, 2100),
        rng.between(1, 12),
        rng.between(1, 28),
    );
    let (hour, minute, second) = (rng.below(24), rng.below(60), rng.below(60));
    let fraction = match rng.below(3) {
        0 => rng.below(10).to_string(),
        1 => format!("{:06}", rng.below(1_000_000)),
        _ => "000000".into(),
    };
    json!(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}"
    ))
}

/// Puts one odd value somewhere.
fn odd(rng: &mut Rng, dict: &mut Map<String, Value>) {
    let (key, values) = match rng.below(11) {
        0 => (
            rng.one(IDS),
            json!(["a b", "x".repeat(300), 7, ["u1"], "tab\there", true, "", ""]),
        ),
        1 => (
            rng.one(NAMES),
            json!(["x".repeat(300), 7, "two\nlines", ["a"], true, "", ""]),
        ),
        2 => (rng.one(FLAGS), json!(["yes", 1, 0, "", null, null])),
        3 => (
            "roles",
            json!(["admin", [7], ["a\nb"], {"a": 1}, 7, "", 0, ["x".repeat(300)]]),
        ),
        4 => ("is_admin", json!(["yes", 1, 0, "", []])),
        5 => ("read_deleted", json!(["maybe", true, null, "", "NO"])),
        6 => (
            "remote_address",
            json!(["fe80::1%eth0", "host.example.org", 7, "10.0.0.7:80", ""]),
        ),
        7 => (
            "timestamp",
            json!([
                "2026-11-21T22:07:10",
                "2026-11-21T22:07:10.5Z",
                "2026-02-30T00:00:00.0",
                7,
                0,
                null,
                "",
                "2026-1-2T3:4:5.6",
                "0001-01-01T00:00:00.0",
                "9999-12-31T23:59:59.999999",
                "2026-11-21 22:07:10.5",
                "2026-11-21T22:07:60.0",
                "2026-11-21T22:07:61.0",
                "2026-11-21T22:07:10.1234567",
                " 2026-11-21T22:07:10.5"
            ]),
        ),
        8 => (
            "auth_token",
            json!([
                "short",
                "with a space in it, and longer than that",
                7,
                "",
                null,
                "ünïcode-token-that-is-long-enough-for-one"
            ]),
        ),
        9 => (
            rng.one(&["request_id", "global_request_id", "resource_uuid"]),
            json!(["req-1", "not a request id", "", null, 7, "x".repeat(300)]),
        ),
        _ => (
            "service_catalog",
            json!([null, "", "text", {}, {"a": 1}, 7, 0]),
        ),
    };
    let value = rng.json(&values);
    dict.insert(key.to_owned(), value);
}

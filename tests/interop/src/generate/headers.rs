//! Identity headers as keystonemiddleware sets them, with and without a service's token beside the user's; one in five odd.

use conformance::Rng;
use serde_json::json;

use super::{Draw as _, catalog};

type Headers = Vec<(String, String)>;

/// Headers by name, each once, in WSGI's spelling or HTTP's.
#[must_use]
pub fn identity_headers(rng: &mut Rng) -> Headers {
    let mut headers = Headers::new();
    let mut put = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    put("X-Identity-Status", "Confirmed");
    put("X-Auth-Token", &token(rng));
    identity(rng, "X", &mut put);
    if rng.percent(60) {
        put(
            "X-Is-Admin-Project",
            rng.one(&["True", "False", "true", "no"]),
        );
    }
    if rng.percent(50) {
        put("X-Service-Catalog", &catalog(rng, false).to_string());
    }
    if rng.percent(50) {
        put("X-Service-Identity-Status", "Confirmed");
        put("X-Service-Token", &token(rng));
        identity(rng, "X-Service", &mut put);
    }
    if rng.percent(30) {
        for (name, value) in [
            ("X-Tenant-Id", "p9"),
            ("X-Tenant-Name", "old"),
            ("X-Role", "reader,old"),
        ] {
            put(name, value);
        }
    }
    if rng.percent(20) {
        odd(rng, &mut headers);
    }
    headers
}

fn token(rng: &mut Rng) -> String {
    format!("gAAAAAB{}", rng.uuid().simple().to_string().repeat(3))
}

/// A user within a scope, which one of four is.
fn identity(rng: &mut Rng, prefix: &str, put: &mut impl FnMut(&str, &str)) {
    put(&format!("{prefix}-User-Id"), rng.one(&["u1", "u2"]));
    put(
        &format!("{prefix}-User-Name"),
        rng.one(&["alice", "nova", "a b"]),
    );
    put(&format!("{prefix}-User-Domain-Id"), "default");
    put(&format!("{prefix}-User-Domain-Name"), "Default");
    let roles = [
        "member,reader",
        "admin",
        "service",
        "Admin,member",
        " a , b ",
        "reader",
    ];
    put(&format!("{prefix}-Roles"), rng.one(&roles));
    match rng.below(4) {
        0 | 1 => {
            put(&format!("{prefix}-Project-Id"), rng.one(&["p1", "p2"]));
            put(&format!("{prefix}-Project-Name"), "demo");
            put(&format!("{prefix}-Project-Domain-Id"), "default");
            put(&format!("{prefix}-Project-Domain-Name"), "Default");
        }
        2 if prefix == "X" => {
            put("X-Domain-Id", "d1");
            put("X-Domain-Name", "Domain");
        }
        3 if prefix == "X" => put("OpenStack-System-Scope", "all"),
        _ => {}
    }
}

/// Takes something away, puts something odd in its place, or adds what contradicts the rest.
fn odd(rng: &mut Rng, headers: &mut Headers) {
    let find = |headers: &Headers, name: &str| headers.iter().position(|(held, _)| held == name);
    let (name, values) = match rng.below(9) {
        0 => ("X-User-Id", json!(["", "a b", "x".repeat(300), "u\tx"])),
        1 => ("X-Roles", json!(["", "a,,b", ",", "a,b,", "x".repeat(300)])),
        2 => ("X-User-Name", json!(["", "x".repeat(300)])),
        3 => (
            "X-Service-Catalog",
            json!(["", "nonsense", "{}", "[", "[{}]", "null"]),
        ),
        4 => ("OpenStack-System-Scope", json!(["all"])),
        5 => ("X-Project-Id", json!(["", "x".repeat(300)])),
        6 => ("X-Service-Roles", json!(["", "a,,b"])),
        7 => (
            "X-Auth-Token",
            json!(["", "short", "with a space in it, and longer than that"]),
        ),
        _ => {
            // The old names stand in for what is missing.
            let gone = rng.one(&["X-User-Id", "X-Project-Id", "X-Roles", "X-Project-Name"]);
            headers.retain(|(held, _)| held != gone);
            if gone == "X-User-Id" {
                headers.push(("X-User".to_owned(), "alice".to_owned()));
            }
            return;
        }
    };
    let value = rng.json(&values).as_str().unwrap_or_default().to_owned();
    match find(headers, name) {
        Some(at) => headers[at].1 = value,
        None => headers.push((name.to_owned(), value)),
    }
}

//! Keystone's own words, and what must not be taken for them.

use std::time::Duration;

use context::{EndpointQuery, Interface, RequestLine};
use serde_json::{Value, json};

use super::*;

/// `GET /v3/auth/tokens` of Keystone 30.0.0.
const CAPTURED: &str = include_str!("keystone-30.json");

fn all() -> CatalogRules {
    CatalogRules::default()
}

/// A small good answer after `change`.
fn changed(change: impl FnOnce(&mut Value)) -> Result<TokenDocument, KeystoneError> {
    let mut answer = json!({"token": {
        "expires_at": "2026-11-22T22:35:34.000000Z",
        "user": {"id": "u1", "name": "alice", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r1", "name": "member"}]}});
    change(&mut answer["token"]);
    read(answer.to_string().as_bytes(), &all())
}

fn set(key: &'static str, value: Value) -> impl FnOnce(&mut Value) {
    move |token| token[key] = value
}

#[test]
fn a_real_answer_is_read_whole() {
    let verified = read(CAPTURED.as_bytes(), &all()).unwrap().verified;
    let identity = &verified.identity;
    assert_eq!(identity.user.name.as_deref(), Some("admin"));
    assert_eq!(identity.project.domain.name.as_deref(), Some("Default"));
    assert!(identity.is_admin_project && identity.system_scope.is_none());
    let roles: Vec<_> = verified.roles.iter().map(|role| role.as_str()).collect();
    assert_eq!(roles, ["admin", "member", "reader", "manager"]);
    // 2026-11-22T22:35:34Z.
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_386_934);
    assert_eq!(verified.expires_at, end);
    let query = EndpointQuery {
        service_type: Some("image".to_owned()),
        interfaces: vec![Interface::Internal],
        ..EndpointQuery::default()
    };
    let found = verified.catalog.url_for(&query).unwrap();
    assert_eq!(found.as_str(), "http://127.0.0.1:9292");
}

#[test]
fn every_scope_is_read_as_what_it_is() {
    let unscoped = changed(|_| ()).unwrap().verified;
    assert_eq!(unscoped.identity.project.id, None);
    let system = changed(set("system", json!({"all": true})))
        .unwrap()
        .verified;
    assert_eq!(system.identity.system_scope.as_deref(), Some("all"));
    let part = changed(set("system", json!({"all": false})))
        .unwrap()
        .verified;
    assert_eq!(part.identity.system_scope, None);
    let domain = changed(set("domain", json!({"id": "d1", "name": "x"})))
        .unwrap()
        .verified;
    assert_eq!(domain.identity.domain.name.as_deref(), Some("x"));
    let other = changed(set("is_admin_project", json!(false)))
        .unwrap()
        .verified;
    assert!(!other.identity.is_admin_project);
    let both = changed(|token| {
        token["system"] = json!({"all": true});
        token["project"] = json!({"id": "p1"});
    });
    assert!(matches!(both, Err(KeystoneError::Field { field: "scope" })));
}

#[test]
fn what_cannot_be_is_refused_by_the_fields_name() {
    let long = "x".repeat(256);
    for (key, value, expected) in [
        ("expires_at", json!("tomorrow"), "expires_at"),
        ("expires_at", json!("2026-11-22T22:35:34"), "expires_at"),
        ("user", json!({"name": "alice"}), "user.id"),
        ("user", json!({"id": "a b"}), "user.id"),
        ("user", json!({"id": "u1", "name": "a\nb"}), "user.name"),
        ("project", json!({"id": long}), "project.id"),
        ("domain", json!({"id": ""}), "domain"),
        ("roles", json!([{"name": "member,admin"}]), "roles"),
        ("roles", json!([{"name": ""}]), "roles"),
        (
            "roles",
            Value::Array(vec![json!({"name": "r"}); 1025]),
            "roles",
        ),
    ] {
        match changed(set(key, value)) {
            Err(KeystoneError::Field { field }) => assert_eq!(field, expected),
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[test]
fn other_kinds_and_doubled_keys_are_no_token() {
    for json in [
        r#"{"token":{"expires_at":1,"user":{}}}"#,
        r#"{"token":{"expires_at":"2026-11-22T22:35:34Z","user":{"id":"a","id":"b"}}}"#,
        r#"{"token":{"expires_at":"2026-11-22T22:35:34Z","user":{"id":"a"},"user":{"id":"b"}}}"#,
        r#"{"token":{"expires_at":"2026-11-22T22:35:34Z","user":{"id":"a"}}} x"#,
        "null",
    ] {
        let error = read(json.as_bytes(), &all()).unwrap_err();
        assert!(matches!(error, KeystoneError::Json { .. }), "{json}");
    }
}

#[test]
fn a_malformed_endpoint_costs_nobody_the_others() {
    let good = json!({"interface": "internal", "url": "https://image.example.org"});
    let bad = json!({"interface": "public", "url": "ftp://canary"});
    let catalog =
        json!([{"type": "image", "endpoints": [bad, good]}, {"type": "image", "endpoints": 7}]);
    let verified = changed(set("catalog", catalog)).unwrap().verified;
    let urls: Vec<_> = verified.catalog.urls().map(|url| url.as_str()).collect();
    assert_eq!(urls, ["https://image.example.org"]);
}

#[test]
fn what_is_no_catalog_is_named_and_not_repeated() {
    let error = changed(set("catalog", json!({"canary": "canary"}))).unwrap_err();
    assert!(matches!(error, KeystoneError::Catalog(_)));
    assert!(!format!("{error:?}").contains("canary"));
}

#[test]
fn access_rules_come_out_beside_the_token_and_none_is_not_the_same_as_no_rule() {
    let with = |rules: Value| {
        let credential = json!({"id": "a1", "restricted": true, "access_rules": rules});
        changed(set("application_credential", credential))
    };
    let asked = RequestLine {
        method: "GET",
        path: "/servers",
    };
    let free = json!({"id": "a1", "restricted": true});
    let free = changed(set("application_credential", free)).unwrap();
    assert_eq!(free.access_rules, None);
    assert_eq!(with(Value::Null).unwrap().access_rules, None);
    let nothing = with(json!([])).unwrap().access_rules.unwrap();
    assert!(!nothing.allow("compute", asked));
    let rule = json!({"id": "r1", "service": "compute", "method": "GET", "path": "/servers"});
    let held = with(json!([rule])).unwrap().access_rules.unwrap();
    assert!(held.allow("compute", asked) && !held.allow("image", asked));
    let many = with(Value::Array(vec![rule.clone(); 257]));
    assert!(matches!(
        many,
        Err(KeystoneError::Field {
            field: "application_credential.access_rules"
        })
    ));
    let part = with(json!([{"path": "/servers", "service": "compute", "method": null}]));
    let part = part.unwrap().access_rules.unwrap();
    assert!(!part.allow("compute", asked));
    for odd in [json!("all"), json!({}), json!([7])] {
        let error = with(odd).unwrap_err();
        assert!(matches!(error, KeystoneError::Json { .. }), "{error:?}");
    }
}

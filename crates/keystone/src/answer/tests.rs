//! Keystone's own words, and what must not be taken for them.

use std::time::Duration;

use context::{EndpointQuery, Interface};
use serde_json::{Value, json};

use super::*;

/// `GET /v3/auth/tokens` of Keystone 30.0.0.
const CAPTURED: &str = include_str!("keystone-30.json");

fn all() -> CatalogRules {
    CatalogRules::default()
}

/// A small good answer after `change`.
fn changed(change: impl FnOnce(&mut Value)) -> Result<Option<VerifiedToken>, KeystoneError> {
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
    let verified = read(CAPTURED.as_bytes(), &all()).unwrap().unwrap();
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
    let unscoped = changed(|_| ()).unwrap().unwrap();
    assert_eq!(unscoped.identity.project.id, None);
    let system = changed(set("system", json!({"all": true})))
        .unwrap()
        .unwrap();
    assert_eq!(system.identity.system_scope.as_deref(), Some("all"));
    let part = changed(set("system", json!({"all": false})))
        .unwrap()
        .unwrap();
    assert_eq!(part.identity.system_scope, None);
    let domain = changed(set("domain", json!({"id": "d1", "name": "x"})))
        .unwrap()
        .unwrap();
    assert_eq!(domain.identity.domain.name.as_deref(), Some("x"));
    let other = changed(set("is_admin_project", json!(false)))
        .unwrap()
        .unwrap();
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
    let verified = changed(set("catalog", catalog)).unwrap().unwrap();
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
fn a_token_with_access_rules_is_not_taken() {
    let credential = |rules: Value| json!({"id": "a1", "restricted": true, "access_rules": rules});
    let free = json!({"id": "a1", "restricted": true});
    assert!(
        changed(set("application_credential", free))
            .unwrap()
            .is_some()
    );
    for rules in [
        json!([]),
        json!([{"service": "compute", "method": "GET", "path": "/**"}]),
    ] {
        let held = changed(set("application_credential", credential(rules)));
        assert!(held.unwrap().is_none());
    }
}

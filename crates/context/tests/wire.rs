//! The wire twin against what Nova and oslo.messaging really sent, and against what they would refuse.
//!
//! Trust decisions have their table beside the code; here it is about what is read, written and refused.
#![cfg(feature = "serde")]

use std::time::{Duration, UNIX_EPOCH};

use nova_context::{
    AdminClaim, AuthToken, GrantedToken, Guard, InvalidWire, ReadDeleted, RequestContext,
    TokenAccess, TokenOwner, TokenPolicy, TokenPurpose, TrustPolicy, WireContext, WireForm,
    WireRules,
};
use serde_json::{Value, json};

const DICT: &[u8] = include_bytes!("data/nova-context-to_dict.json");

fn read(json: &str) -> Result<WireContext, InvalidWire> {
    WireContext::from_json(json.as_bytes(), WireForm::Dict, &WireRules::default())
}

fn problems(json: &str) -> Vec<String> {
    match read(json) {
        Err(InvalidWire::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{json}: {other:?}"),
    }
}

fn grant(token: &AuthToken) -> GrantedToken {
    let guard = Guard {
        tokens: TokenPolicy::default().grant("rpc", TokenPurpose::Bus),
        ..Guard::default()
    };
    guard
        .open(token, &TokenAccess::for_bus("rpc"), TokenOwner::User, None)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What a peer gets: the context written with its own token.
fn sent(ctx: &RequestContext, form: WireForm) -> Value {
    let Some(token) = ctx.token() else {
        panic!("the context has a token")
    };
    match ctx.to_wire().expose_json(form, &grant(token)) {
        Ok(bytes) => value(bytes.expose()),
        Err(error) => panic!("{error}"),
    }
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn novas_dict_comes_back_key_for_key() {
    let wire = WireContext::from_json(DICT, WireForm::Dict, &WireRules::default()).unwrap();
    let ctx = RequestContext::for_rpc(wire, TrustPolicy::Recompute).unwrap();
    assert_eq!(ctx.identity().user.name.as_deref(), Some("demo"));
    assert_eq!(ctx.catalog().urls().count(), 72);
    assert_eq!(sent(&ctx, WireForm::Dict), value(DICT));
}

#[test]
fn a_real_message_is_read_and_written_with_prefixed_keys() {
    let capture = value(include_bytes!("data/oslo-messaging-call-and-reply.json"));
    let body = value(capture[0]["raw_body"].as_str().unwrap().as_bytes());
    let message = body["oslo.message"].as_str().unwrap();
    let rules = WireRules::default();
    let wire = WireContext::from_json(message.as_bytes(), WireForm::Rpc, &rules).unwrap();
    let mut original = value(message.as_bytes());
    let original = original.as_object_mut().unwrap();
    let taken = WireContext::take_from(&mut original.clone(), WireForm::Rpc, &rules).unwrap();
    original.retain(|key, _| key.starts_with("_context_"));
    for wire in [wire, taken] {
        let ctx = RequestContext::for_rpc(wire, TrustPolicy::Refuse).unwrap();
        let written = sent(&ctx, WireForm::Rpc);
        assert_eq!(&written, &Value::Object(original.clone()));
    }
}

#[test]
fn taking_from_a_parsed_message_leaves_the_rest_of_it() {
    let mut message =
        json!({"method": "ping", "_context_user_id": "u", "_context_auth_token": "x".repeat(40)});
    let message = message.as_object_mut().unwrap();
    let wire = WireContext::take_from(message, WireForm::Rpc, &WireRules::default()).unwrap();
    assert_eq!(
        wire.parts().identity.user.id.as_ref().unwrap().as_str(),
        "u"
    );
    assert!(wire.parts().token.is_some());
    assert_eq!(message.keys().collect::<Vec<_>>(), ["method"]);
}

#[test]
fn an_empty_dict_is_an_anonymous_context_with_fresh_ids() {
    let wire = read("{}").unwrap();
    assert_eq!(wire.admin_claim(), AdminClaim::Missing);
    let ctx = RequestContext::for_rpc(wire, TrustPolicy::Accept).unwrap();
    assert!(!ctx.is_admin() && ctx.identity().user.id.is_none());
    assert!(ctx.identity().is_admin_project);
    assert_eq!(ctx.request_id().as_str().len(), 40);
    assert_eq!(ctx.read_deleted(), ReadDeleted::No);
}

#[test]
fn legacy_aliases_and_unknown_keys_are_ignored() {
    let wire =
        read(r#"{"user":"U","project":"P","tenant":"T","client_timeout":5,"trace_info":{}}"#);
    let identity = wire.unwrap().parts().identity.clone();
    assert_eq!((identity.user.id, identity.project.id), (None, None));
}

#[test]
fn falsy_values_mean_what_they_mean_to_nova() {
    let wire = read(
        r#"{"user_id":"","roles":null,"service_catalog":null,"timestamp":0,"is_admin":null,
            "request_id":"","auth_token":"","is_admin_project":null}"#,
    )
    .unwrap();
    assert_eq!(wire.admin_claim(), AdminClaim::Unknown);
    assert!(wire.parts().identity.user.id.is_none() && wire.parts().token.is_none());
    assert!(!wire.parts().identity.is_admin_project);
    assert!(wire.parts().timestamp.is_some());
}

#[test]
fn every_problem_is_named_by_key_and_no_value_is_repeated() {
    let found = problems(
        r#"{"user_id":7,"project_id":"ca nary","read_deleted":"canary","timestamp":"2026-11-21T22:07:10Z",
            "auth_token":"canary","roles":"canary","is_admin":"canary","remote_address":"canary",
            "service_catalog":[{"type":"image","endpoints":[{"publicURL":"canary"}]}],"user_name":"a\u0000canary"}"#,
    );
    for key in [
        "user_id",
        "project_id",
        "read_deleted",
        "timestamp",
        "auth_token",
        "roles",
        "is_admin",
        "remote_address",
        "service_catalog",
        "user_name",
    ] {
        assert!(
            found.iter().any(|p| p.starts_with(&format!("`{key}`"))),
            "{key}: {found:?}"
        );
    }
    assert_eq!(found.len(), 10, "{found:?}");
    assert!(found.iter().all(|problem| !problem.contains("canary")));
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    assert_eq!(
        problems(r#"{"is_admin":false,"is_admin":true}"#),
        ["`is_admin` is there twice"]
    );
}

#[test]
fn what_is_no_object_or_too_long_is_refused() {
    assert!(matches!(read("[]"), Err(InvalidWire::NotAnObject { .. })));
    assert!(matches!(read("{} x"), Err(InvalidWire::NotAnObject { .. })));
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20));
    assert!(matches!(read(&long), Err(InvalidWire::TooLong { .. })));
}

#[test]
fn a_token_that_was_wiped_is_not_sent() {
    let wire = WireContext::from_json(DICT, WireForm::Dict, &WireRules::default()).unwrap();
    let granted = grant(wire.parts().token.as_ref().unwrap());
    granted.rejected();
    assert!(wire.expose_json(WireForm::Dict, &granted).is_err());
}

#[test]
fn a_timestamp_is_utc() {
    let wire = read(r#"{"timestamp":"1970-01-02T00:00:00.5"}"#).unwrap();
    let expected = UNIX_EPOCH + Duration::from_millis(86_400_500);
    assert_eq!(wire.parts().timestamp, Some(expected));
}

#[test]
fn without_an_explicit_exposure_the_token_stays_home() {
    let wire = WireContext::from_json(DICT, WireForm::Dict, &WireRules::default()).unwrap();
    let open = value(wire.json_without_token(WireForm::Dict).as_bytes());
    assert_eq!(open["auth_token"], Value::Null);
    assert!(!format!("{wire:?}").contains("gAAAA"));
}

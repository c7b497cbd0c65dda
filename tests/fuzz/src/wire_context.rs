//! Nova's context on the wire, as a dict and among the keys of an RPC message.

use context::{RequestContext, TrustPolicy, WireContext, WireForm, WireRules};
use serde_json::Value;

use crate::text::{check_debug, check_error};

pub(crate) fn run(data: &[u8]) {
    let rules = WireRules::default();
    for form in [WireForm::Dict, WireForm::Rpc] {
        let read = WireContext::from_json(data, form, &rules);
        taken(data, form, &rules, read.is_ok());
        match read {
            Ok(wire) => accepted(wire, &rules, data.len()),
            Err(error) => check_error(&error, data.len()),
        }
    }
}

/// Taken out of a message that is parsed already, it is the same, and the message has no secret left.
fn taken(data: &[u8], form: WireForm, rules: &WireRules, accepted: bool) {
    let Ok(Value::Object(mut message)) = serde_json::from_slice(data) else {
        return;
    };
    let read = WireContext::take_from(&mut message, form, rules);
    // A map has each key once; a text may have had one twice.
    assert!(read.is_ok() || !accepted);
    let token = match form {
        WireForm::Dict => "auth_token",
        WireForm::Rpc => "_context_auth_token",
    };
    assert!(!message.contains_key(token));
}

/// An administrator is one by a role, whatever the sender says besides.
pub(crate) fn check_admin(ctx: &RequestContext) {
    let mut roles = ctx.roles().iter();
    assert!(
        !ctx.is_admin() || roles.any(|role| role.as_str().eq_ignore_ascii_case("admin")),
        "the sender's word alone made an administrator"
    );
}

fn accepted(wire: WireContext, rules: &WireRules, input: usize) {
    check_debug(&wire, input + 64);
    for trust in [TrustPolicy::Recompute, TrustPolicy::Refuse] {
        if let Ok(ctx) = RequestContext::for_rpc(wire.clone(), trust) {
            check_admin(&ctx);
        }
    }
    let Ok(ctx) = RequestContext::for_rpc(wire, TrustPolicy::Accept) else {
        panic!("whatever is said is accepted");
    };
    check_debug(&ctx, input + 64);
    let first = ctx.to_wire();
    let dict = first.json_without_token(WireForm::Dict);
    assert!(dict.len() <= 2048 + 8 * input, "{} bytes", dict.len());
    for form in [WireForm::Dict, WireForm::Rpc] {
        let written = first.json_without_token(form);
        match WireContext::from_json(written.as_bytes(), form, rules) {
            Ok(again) => assert_eq!(again.json_without_token(WireForm::Dict), dict),
            Err(error) => panic!("what was written cannot be read: {error}"),
        }
    }
    let values: Value = serde_json::from_str(&dict).unwrap_or_default();
    assert_eq!(values.as_object().map(|keys| keys.len()), Some(25));
    assert_eq!(values["auth_token"], Value::Null);
}

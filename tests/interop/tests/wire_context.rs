//! Contexts on the wire: what Nova's `from_dict` and `to_dict` make of a dict, and what we make of it, both ways.
//!
//! Bare dicts and RPC messages. Trust is as Nova's (`Accept`); the other policies have no counterpart there.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use context::{
    GrantedToken, Guard, InvalidWire, RequestContext, TokenAccess, TokenOwner, TokenPolicy,
    TokenPurpose, TrustPolicy, WireContext, WireForm, WireRules,
};
use nova_interop::{Answer, Ledger, Oracle, Peers, Rng, wire_context, without_numbers};
use serde_json::{Map, Value, json};

const CASES: usize = 3000;

/// What we would send on; the names of what we refuse.
fn ours(message: &Value, form: WireForm) -> Result<Value, Vec<String>> {
    let bytes = message.to_string();
    let wire = WireContext::from_json(bytes.as_bytes(), form, &WireRules::default());
    let ctx = wire.map_err(refused)?;
    let ctx = RequestContext::for_rpc(ctx, TrustPolicy::Accept).expect("nothing is refused here");
    let wire = ctx.to_wire();
    Ok(match ctx.token() {
        None => read(wire.json_without_token(form).as_bytes()),
        Some(token) => {
            let guard = Guard {
                tokens: TokenPolicy::default().grant("interop", TokenPurpose::Bus),
                ..Guard::default()
            };
            let access = TokenAccess::for_bus("interop");
            let granted: GrantedToken = guard
                .open(token, &access, TokenOwner::User, None)
                .expect("the policy grants it");
            read(
                wire.expose_json(form, &granted)
                    .expect("a living token")
                    .expose(),
            )
        }
    })
}

fn read(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("our own JSON")
}

fn refused(error: InvalidWire) -> Vec<String> {
    let InvalidWire::Problems(problems) = error else {
        panic!("every case is an object: {error}")
    };
    let mut names = Vec::new();
    for problem in problems {
        match problem.fault {
            context::WireFault::Catalog(catalog) => names.extend(
                catalog
                    .problems()
                    .iter()
                    .map(|problem| format!("we refuse a catalog that {}", problem.fault)),
            ),
            fault => names.push(format!(
                "we refuse a value that {}",
                without_numbers(&fault.to_string())
            )),
        }
    }
    names.sort();
    names.dedup();
    names
}

/// What was not in the message is made anew on each side.
fn without_fresh(mut dict: Value, message: &Map<String, Value>, prefix: &str) -> Value {
    let falsy = |key: &str| {
        let value = message.get(&format!("{prefix}{key}"));
        value.is_none_or(|v| v.is_null() || *v == json!("") || *v == json!(0))
    };
    for (key, length) in [("request_id", 40), ("timestamp", 26)] {
        if falsy(key) {
            let made = &mut dict[format!("{prefix}{key}")];
            assert_eq!(made.as_str().map(str::len), Some(length), "{key}: {made}");
            *made = json!("made anew");
        }
    }
    dict
}

/// The ways in which two dicts differ; one that nobody expects is named with both values, so that it cannot be listed.
fn differing(ours: &Value, theirs: &Value, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (key, a, b) in pairs(ours, theirs) {
        let bare = key.strip_prefix(prefix).unwrap_or(key);
        if bare == "service_catalog" && a.is_array() && b.is_array() {
            catalogs(a, b, &mut names);
        } else {
            names.push(reason(bare, a, b).unwrap_or_else(|| surprise(key, a, b)));
        }
    }
    names.sort();
    names.dedup();
    names
}

const ABSENT: Value = Value::Null;

/// The keys of either object whose values differ. A key that is not there counts as `null`.
fn pairs<'a>(ours: &'a Value, theirs: &'a Value) -> Vec<(&'a str, &'a Value, &'a Value)> {
    let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) else {
        panic!("not objects: {ours} and {theirs}")
    };
    let mut keys: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| ours.get(*key) != theirs.get(*key))
        .map(|key| {
            let of = |dict: &'a Map<String, Value>| dict.get(key).unwrap_or(&ABSENT);
            (key.as_str(), of(ours), of(theirs))
        })
        .collect()
}

fn surprise(key: &str, ours: &Value, theirs: &Value) -> String {
    format!("{key}: we have {ours}, Nova has {theirs}")
}

fn reason(key: &str, ours: &Value, theirs: &Value) -> Option<String> {
    let name = match (key, ours, theirs) {
        ("read_only" | "show_deleted" | "is_admin_project", Value::Bool(false), Value::Null) => {
            "a flag that is null is written as false"
        }
        (_, Value::Null, Value::String(text)) if text.is_empty() => {
            "an empty text is written as null"
        }
        ("timestamp", Value::String(a), Value::String(b))
            if a.starts_with('0') && a.trim_start_matches('0') == b =>
        {
            "a year before 1000 is written with four digits"
        }
        ("remote_address", Value::String(a), Value::String(b))
            if b.split_once('%').is_some_and(|(bare, _)| bare == a) =>
        {
            "an address is written without its zone"
        }
        _ => return None,
    };
    Some(name.to_owned())
}

fn catalogs(ours: &Value, theirs: &Value, names: &mut Vec<String>) {
    let (Some(a), Some(b)) = (ours.as_array(), theirs.as_array()) else {
        return names.push(surprise("service_catalog", ours, theirs));
    };
    if a.len() != b.len() {
        return names.push(surprise("service_catalog", ours, theirs));
    }
    for (a, b) in a.iter().zip(b).filter(|(a, b)| a != b) {
        for (key, a, b) in pairs(a, b) {
            let name = match (key, a, b) {
                ("endpoints", Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                    for (a, b) in a.iter().zip(b).filter(|(a, b)| a != b) {
                        for (key, a, b) in pairs(a, b) {
                            names.push(match (key.ends_with("URL"), a, b) {
                                (true, Value::Null, Value::String(text)) if text.is_empty() => {
                                    "an endpoint's empty url is left out".into()
                                }
                                (_, Value::Null, Value::Null) => {
                                    "a null in a catalog is left out".into()
                                }
                                _ => surprise(key, a, b),
                            });
                        }
                    }
                    continue;
                }
                ("endpoints", Value::Array(a), Value::Null) if a.is_empty() => {
                    "a service without endpoints is written with an empty list".into()
                }
                (_, Value::Null, Value::Null) => "a null in a catalog is left out".into(),
                ("versionless", Value::Null, _) => {
                    "what nobody reads of a service is left out".into()
                }
                _ => surprise(key, a, b),
            };
            names.push(name);
        }
    }
}

#[test]
fn contexts_are_read_and_written_as_nova_does() {
    let peers = Peers::here();
    let mut ledger = Ledger::open("context");
    let mut oracle = Oracle::start(&peers);
    let mut rng = Rng::new(0x0c04_7e37);
    let cases: Vec<(Map<String, Value>, WireForm)> = (0..CASES)
        .map(|_| {
            let dict = wire_context(&mut rng);
            if rng.percent(50) {
                return (dict, WireForm::Dict);
            }
            let prefixed = dict
                .into_iter()
                .map(|(key, value)| (format!("_context_{key}"), value));
            let rest = [
                ("method".to_owned(), json!("ping")),
                ("args".to_owned(), json!({})),
            ];
            (prefixed.chain(rest).collect(), WireForm::Rpc)
        })
        .collect();
    let ask = |message: &Value, form: WireForm| json!({"ask": "context", "message": message, "rpc_form": form == WireForm::Rpc});

    // There: each message to both.
    let questions: Vec<Value> = cases
        .iter()
        .map(|(dict, form)| ask(&json!(dict), *form))
        .collect();
    let answers = oracle.ask_all(&questions);
    let mut both = Vec::new();
    for ((dict, form), theirs) in cases.iter().zip(answers) {
        let message = json!(dict);
        let prefix = if *form == WireForm::Rpc {
            "_context_"
        } else {
            ""
        };
        let differences = match (ours(&message, *form), theirs) {
            (Err(_), Answer::Raised { .. }) => Vec::new(),
            (Err(names), Answer::Ok(_)) => names,
            (Ok(_), Answer::Raised { class, text }) => vec![format!("Nova raises {class}: {text}")],
            (Ok(ours), Answer::Ok(theirs)) => {
                let differences = differing(
                    &without_fresh(ours.clone(), dict, prefix),
                    &without_fresh(theirs.clone(), dict, prefix),
                    prefix,
                );
                both.push((ours, theirs, *form, prefix));
                differences
            }
        };
        ledger.enter(differences, || message.to_string());
    }

    // And back: what we write, Nova reads as it is; what Nova writes, we read as it is.
    let questions: Vec<Value> = both
        .iter()
        .map(|(ours, _, form, _)| ask(ours, *form))
        .collect();
    for ((sent, theirs, form, prefix), echo) in both.iter().zip(oracle.ask_all(&questions)) {
        let mut differences = differing(sent, &echo.value(), prefix);
        match ours(theirs, *form) {
            Ok(echo) => differences.extend(differing(&echo, theirs, prefix)),
            Err(names) => differences.extend(
                names
                    .into_iter()
                    .map(|name| format!("of Nova's own {name}")),
            ),
        }
        ledger.enter(differences, || format!("{sent} and {theirs}"));
    }
    ledger.close(&peers, 2 * CASES * 3 / 4);
}

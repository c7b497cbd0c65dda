//! Identity headers: the context that Nova's WSGI middleware makes of them, and the one that we make, service and all.

use std::net::IpAddr;

use context::{
    Guard, HeaderFault, InvalidHeaders, RequestContext, TokenFingerprint, UpstreamTrust,
    VerifiedHeaders,
};
use nova_interop::{Answer, Draw as _, Ledger, Oracle, Peers, Rng, identity_headers, variant};
use serde_json::{Map, Value, json};

const CASES: usize = 3000;

type Headers = Vec<(String, String)>;

fn ours(headers: &Headers, caller: &str, address: IpAddr) -> Result<Value, Vec<String>> {
    let plain = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let read = VerifiedHeaders::from_upstream(plain, UpstreamTrust::because("a test"));
    let verified = match read {
        Ok(verified) => verified,
        Err(InvalidHeaders::NoUser) => return Ok(json!({"status": 401})),
        Err(InvalidHeaders::Problems(problems)) => {
            let mut names: Vec<String> = problems
                .iter()
                .map(|problem| match problem.fault {
                    HeaderFault::Catalog => "we refuse a malformed catalog".to_owned(),
                    ref fault => format!("we refuse: {}", variant(fault)),
                })
                .collect();
            names.sort();
            names.dedup();
            return Err(names);
        }
        Err(error) => panic!("every case is confirmed: {error}"),
    };
    let ctx = verified.context(Guard::default().into(), None, Some(caller), Some(address));
    Ok(fields(&ctx, headers))
}

/// The fields that Nova's side names, by the same names. Tokens are compared as the texts that they were.
fn fields(ctx: &RequestContext, headers: &Headers) -> Value {
    let who = ctx.identity();
    let service = ctx.service();
    let token = |token: Option<&context::AuthToken>, name: &str| {
        let sent = headers.iter().find(|(held, _)| held == name);
        let same = |text: &&str| {
            token.is_some_and(|token| token.fingerprint() == TokenFingerprint::of(text))
        };
        sent.map(|(_, text)| text.as_str()).filter(same)
    };
    let id = |id: Option<&str>| id.map(str::to_owned);
    let roles = |roles: &context::Roles| -> Vec<String> {
        roles.iter().map(|role| role.as_str().to_owned()).collect()
    };
    json!({
        "user_id": who.user.id.as_ref().map(|id| id.as_str()),
        "user_name": who.user.name,
        "user_domain_id": who.user.domain.id.as_ref().map(|id| id.as_str()),
        "user_domain_name": who.user.domain.name,
        "project_id": who.project.id.as_ref().map(|id| id.as_str()),
        "project_name": who.project.name,
        "project_domain_id": who.project.domain.id.as_ref().map(|id| id.as_str()),
        "project_domain_name": who.project.domain.name,
        "domain_id": who.domain.id.as_ref().map(|id| id.as_str()),
        "domain_name": who.domain.name,
        "system_scope": who.system_scope,
        "is_admin": ctx.is_admin(),
        "is_admin_project": who.is_admin_project,
        "roles": roles(ctx.roles()),
        "auth_token": token(ctx.token(), "X-Auth-Token"),
        "service_user_id": service.and_then(|s| id(s.user.id.as_ref().map(|id| id.as_str()))),
        "service_user_name": service.and_then(|s| s.user.name.clone()),
        "service_user_domain_id": service.and_then(|s| id(s.user.domain.id.as_ref().map(|id| id.as_str()))),
        "service_user_domain_name": service.and_then(|s| s.user.domain.name.clone()),
        "service_project_id": service.and_then(|s| id(s.project.id.as_ref().map(|id| id.as_str()))),
        "service_project_name": service.and_then(|s| s.project.name.clone()),
        "service_project_domain_id": service.and_then(|s| id(s.project.domain.id.as_ref().map(|id| id.as_str()))),
        "service_project_domain_name": service.and_then(|s| s.project.domain.name.clone()),
        "service_roles": service.map(|s| roles(&s.roles)).unwrap_or_default(),
        "service_token": token(service.and_then(|s| s.token.as_ref()), "X-Service-Token"),
        "global_request_id": ctx.global_request_id().map(|id| id.as_str()),
        "remote_address": ctx.remote_address().map(|address| address.to_string()),
        "catalog": ctx.catalog().service_types().collect::<Vec<_>>(),
    })
}

/// The ways in which two contexts differ; one that nobody expects is named with both values, so that it cannot be listed.
fn differing(ours: Result<Value, Vec<String>>, theirs: &Value, headers: &Headers) -> Vec<String> {
    let emptied = |name: &str| {
        headers
            .iter()
            .any(|(held, text)| held == name && text.is_empty())
    };
    let ours = match ours {
        Ok(ours) => ours,
        // They refuse as well.
        Err(_) if theirs.get("status").is_some() => return Vec::new(),
        Err(names) => return names,
    };
    // Nova reads an empty text as JSON, and fails.
    if theirs["status"] == 500 && !ours["user_id"].is_null() && emptied("X-Service-Catalog") {
        return vec!["an empty header says nothing".to_owned()];
    }
    if let Some(status) = theirs.get("status").or(ours.get("status")) {
        return match (ours.get("status"), theirs.get("status")) {
            (Some(a), Some(b)) if a == b => Vec::new(),
            (Some(_), None) if theirs["user_id"] == "alice" => {
                vec!["a user's name is no id".to_owned()]
            }
            _ => vec![format!("we say {ours}, they say {theirs} ({status})")],
        };
    }
    let empty = Map::new();
    let mut names: Vec<String> = theirs
        .as_object()
        .unwrap_or(&empty)
        .iter()
        .filter(|(key, value)| ours.get(*key) != Some(value))
        .map(|(key, value)| reason(key, &ours[key], value, &ours))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn reason(key: &str, a: &Value, b: &Value, ours: &Value) -> String {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        let texts = list
            .filter_map(Value::as_str)
            .filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    };
    let name = match key {
        "roles" | "service_roles" if texts(a) == texts(b) => "an empty role is none",
        "roles" if b == &json!([]) => "an empty header does not hide the older one",
        "system_scope"
            if a.is_null() && (!ours["project_id"].is_null() || !ours["domain_id"].is_null()) =>
        {
            "a system scope counts only without project and domain"
        }
        "project_id" | "project_name" if b.is_null() || b == "" => {
            "an empty header does not hide the older one"
        }
        _ if a.is_null() && b == "" => "an empty header says nothing",
        _ => return format!("{key}: we have {a}, Nova has {b}"),
    };
    name.to_owned()
}

#[test]
fn headers_make_the_context_that_nova_makes() {
    let peers = Peers::here();
    let mut ledger = Ledger::open("headers");
    let mut oracle = Oracle::start(&peers);
    let mut rng = Rng::new(0x4ead_e125);
    let cases: Vec<(Headers, String, &str)> = (0..CASES)
        .map(|_| {
            let headers = identity_headers(&mut rng);
            let caller = format!("req-{}", rng.uuid());
            (headers, caller, rng.one(&["10.0.0.7", "2001:db8::1"]))
        })
        .collect();
    let questions: Vec<Value> = cases
        .iter()
        .map(|(headers, caller, address)| json!({"ask": "headers", "headers": headers, "caller": caller, "address": address}))
        .collect();
    let mut services = 0;
    for ((headers, caller, address), answer) in cases.iter().zip(oracle.ask_all(&questions)) {
        let theirs = match answer {
            Answer::Ok(fields) => fields,
            Answer::Raised { class, text } => json!({"status": format!("{class}: {text}")}),
        };
        services += usize::from(theirs["service_user_id"].is_string());
        let address = address.parse().expect("an address");
        let ours = ours(headers, caller, address);
        ledger.enter(differing(ours, &theirs, headers), || format!("{headers:?}"));
    }
    assert!(services > CASES / 4, "only {services} cases had a service");
    ledger.close(&peers, CASES);
}

//! Service catalogs in v2 and v3 form, and questions about them.

use conformance::Rng;
use serde_json::{Map, Value, json};

use super::Draw as _;

const TYPES: &[&str] = &[
    "image",
    "network",
    "placement",
    "key-manager",
    "accelerator",
    "block-storage",
    "volumev3",
    "volumev2",
    "volume",
    "block-store",
    "shared-file-system",
    "sharev2",
    "share",
    "compute",
    "identity",
    "my-own",
];
const NAMES: &[&str] = &["glance", "cinder", "cinderv3", "neutron", ""];
const REGIONS: &[&str] = &["RegionOne", "RegionTwo", "r3"];
const INTERFACES: &[&str] = &["public", "internal", "admin"];

/// A catalog; one in eight has something odd in it.
#[must_use]
pub fn catalog(rng: &mut Rng, v3: bool) -> Value {
    let mut services: Vec<Value> = (0..rng.between(0, 6)).map(|_| service(rng, v3)).collect();
    if rng.percent(12) {
        odd(rng, v3, &mut services);
    }
    Value::Array(services)
}

fn service(rng: &mut Rng, v3: bool) -> Value {
    let mut service = Map::new();
    // Half of all services are of one family, or aliases would hardly ever meet.
    let family = if rng.percent(50) {
        &TYPES[5..10]
    } else {
        TYPES
    };
    service.insert("type".into(), json!(rng.one(family)));
    if rng.percent(70) {
        service.insert("name".into(), json!(rng.one(NAMES)));
    }
    if rng.percent(30) {
        service.insert("id".into(), json!(format!("s{}", rng.below(4))));
    }
    let endpoints: Vec<Value> = (0..rng.between(0, 4)).map(|_| endpoint(rng, v3)).collect();
    service.insert("endpoints".into(), Value::Array(endpoints));
    Value::Object(service)
}

fn url(rng: &mut Rng) -> Value {
    let host = rng.one(&["h", "api.example.org", "10.0.0.7", "[2001:db8::1]"]);
    let scheme = rng.one(&["http", "https"]);
    let path = rng.one(&["", "/", "/v2.1", "/v3/%(tenant_id)s", "/v3/p1?x=y"]);
    json!(format!(
        "{scheme}://{host}:{}{path}",
        rng.between(1, 65_535)
    ))
}

fn endpoint(rng: &mut Rng, v3: bool) -> Value {
    let mut endpoint = Map::new();
    if rng.percent(80) {
        endpoint.insert("region".into(), json!(rng.one(REGIONS)));
    }
    if rng.percent(20) {
        let id = rng.json(&json!(["RegionOne", "r3", "RegionTwo", ""]));
        endpoint.insert("region_id".into(), id);
    }
    if rng.percent(30) {
        endpoint.insert("id".into(), json!(rng.uuid().to_string()));
    }
    if v3 {
        endpoint.insert("interface".into(), json!(rng.one(INTERFACES)));
        endpoint.insert("url".into(), url(rng));
        return Value::Object(endpoint);
    }
    for interface in INTERFACES {
        if rng.percent(60) {
            let url = if rng.percent(1) { json!("") } else { url(rng) };
            endpoint.insert(format!("{interface}URL"), url);
        }
    }
    Value::Object(endpoint)
}

/// Breaks one thing of one service.
fn odd(rng: &mut Rng, v3: bool, services: &mut Vec<Value>) {
    services.push(service(rng, v3));
    let at = rng.below(services.len() as u64);
    let Some(place) = usize::try_from(at).ok().and_then(|at| services.get_mut(at)) else {
        return;
    };
    if rng.percent(5) {
        *place = rng.json(&json!(["text", 7, null]));
        return;
    }
    let Some(service) = place.as_object_mut() else {
        return;
    };
    match rng.below(8) {
        0 => drop(service.remove("type")),
        1 => drop(service.insert(
            "type".into(),
            rng.json(&json!([
                null,
                "block_storage",
                "key_manager",
                "IMAGE",
                "net work",
                ""
            ])),
        )),
        2 => drop(service.remove("endpoints")),
        3 => drop(service.insert("endpoints".into(), rng.json(&json!([null, {}, "text"])))),
        4 => drop(service.insert(
            "endpoints".into(),
            rng.json(&json!([["text"], [null], [{}], [{"region_id": null, "region": "r3"}]])),
        )),
        5 => drop(service.insert("name".into(), rng.json(&json!([null, "two\nlines", 7])))),
        6 => drop(service.insert("versionless".into(), json!(true))),
        _ => {
            let url = rng.json(&json!([
                "ftp://h/",
                "http:///v1",
                "http://u:p@h/",
                "http://h:0/",
                "http://h/a b",
                "h",
                null
            ]));
            let (interface, url_key) = (json!("public"), if v3 { "url" } else { "publicURL" });
            let mut endpoint = Map::from_iter([(url_key.to_owned(), url)]);
            if v3 {
                endpoint.insert("interface".into(), interface);
            }
            service.insert("endpoints".into(), json!([endpoint]));
        }
    }
}

/// A question about a catalog, by keystoneauth's names. Ids are only for those who read them: the catalog classes.
#[must_use]
pub fn endpoint_query(rng: &mut Rng, ids: bool) -> Value {
    let mut query = Map::new();
    if rng.percent(92) {
        let asked = if rng.percent(50) {
            &TYPES[5..10]
        } else {
            TYPES
        };
        let kind = match rng.percent(4) {
            true => rng.one(&["block_storage", "IMAGE", "", "nobody"]),
            false => rng.one(asked),
        };
        query.insert("service_type".into(), json!(kind));
    }
    if rng.percent(80) {
        let suffix = rng.one(&["", "", "URL"]);
        let first = format!("{}{suffix}", rng.one(INTERFACES));
        let second = rng.one(INTERFACES);
        let interface = match rng.below(4) {
            0 | 1 => json!(first),
            2 => json!([first, second]),
            _ => json!([first]),
        };
        query.insert("interface".into(), interface);
    }
    if rng.percent(40) {
        query.insert("region_name".into(), json!(rng.one(REGIONS)));
    }
    if rng.percent(20) {
        query.insert("service_name".into(), json!(rng.one(NAMES)));
    }
    if ids && rng.percent(15) {
        query.insert("service_id".into(), json!(format!("s{}", rng.below(4))));
    }
    Value::Object(query)
}

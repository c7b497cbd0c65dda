//! Endpoint lookup as keystoneauth does it (1.10), on small catalogs and on those of the real peers.
//!
//! Reading, writing and finding go through JSON here, as they do in a service. Unit tests of parts are beside them.
#![cfg(feature = "serde")]

use nova_context::{
    CatalogError, CatalogForm, CatalogRules, EndpointQuery, Interface, ServiceCatalog,
};

const V2: &[u8] = include_bytes!("data/catalog-v2-20x3x3.json");
const V3: &[u8] = include_bytes!("data/catalog-v3-20x3x3.json");

fn read(json: &[u8], form: CatalogForm) -> ServiceCatalog {
    ServiceCatalog::from_json(json, form, &CatalogRules::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn v2(json: &str) -> ServiceCatalog {
    read(json.as_bytes(), CatalogForm::V2)
}

fn check(catalog: &ServiceCatalog, query: &EndpointQuery, expected: Option<&str>) {
    match (catalog.url_for(query), expected) {
        (Ok(url), Some(expected)) => assert_eq!(url.as_str(), expected, "{query:?}"),
        (Err(CatalogError::NotFound { .. }), None) => {}
        (found, _) => panic!("{query:?}: {found:?}, expected {expected:?}"),
    }
}

fn volumes() -> ServiceCatalog {
    v2(r#"[
        {"type":"volumev3","endpoints":[{"region":"R1","publicURL":"http://v3-public"}]},
        {"type":"block-storage","endpoints":[{"region":"R1","internalURL":"http://bs-internal"}]}
    ]"#)
}

#[test]
fn aliases_answer_where_the_official_type_has_no_such_endpoint() {
    use Interface::{Admin, Internal, Public};
    let ask = |kind: &str, interface| EndpointQuery::service(kind).interface(interface);
    let catalog = volumes();
    check(
        &catalog,
        &ask("block-storage", Public),
        Some("http://v3-public"),
    );
    check(
        &catalog,
        &ask("block-storage", Internal),
        Some("http://bs-internal"),
    );
    check(
        &catalog,
        &ask("volumev2", Internal),
        Some("http://bs-internal"),
    );
    check(
        &catalog,
        &ask("volumev3", Internal),
        Some("http://bs-internal"),
    );
    check(&catalog, &ask("block_storage", Public), None);
    check(&catalog, &ask("block-storage", Admin), None);
}

#[test]
fn filtered_out_aliases_are_not_found_where_keystoneauth_raises_value_error() {
    let query = EndpointQuery::service("block-storage").region("elsewhere");
    check(&volumes(), &query, None);
    // A misspelt type is never chosen beside another one that has an endpoint; alone it answers.
    let own = EndpointQuery::service("block-storage");
    for (v3, found) in [
        (r#"{"publicURL":"http://v3"}"#, "http://v3"),
        ("", "http://own"),
    ] {
        let odd = format!(
            r#"[{{"type":"block_storage","endpoints":[{{"publicURL":"http://own"}}]}},
                {{"type":"volumev3","endpoints":[{v3}]}}]"#
        );
        check(&v2(&odd), &own, Some(found));
    }
}

#[test]
fn the_preferred_interface_wins_wherever_it_is_listed() {
    let catalog = v2(r#"[{"type":"image","endpoints":[
        {"region":"R1","publicURL":"http://p1"},
        {"region":"R2","publicURL":"http://p2","internalURL":"http://i2"}]}]"#);
    let prefer = EndpointQuery::service("image")
        .interface(Interface::Internal)
        .interface(Interface::Public);
    check(&catalog, &prefer, Some("http://i2"));
    check(&catalog, &prefer.clone().region("R1"), Some("http://p1"));
    check(
        &catalog,
        &EndpointQuery::service("image"),
        Some("http://p1"),
    );
    check(&catalog, &EndpointQuery::service("IMAGE"), None);
}

#[test]
fn a_nameless_service_fits_every_name() {
    let catalog = v2(r#"[
        {"type":"image","name":"glance","endpoints":[{"publicURL":"http://named"}]},
        {"type":"image","endpoints":[{"publicURL":"http://nameless"}]}]"#);
    let named = |name: &str| EndpointQuery::service("image").service_name(name);
    check(&catalog, &named("glance"), Some("http://named"));
    check(&catalog, &named("other"), Some("http://nameless"));
}

#[test]
fn region_id_wins_over_region_and_null_types_answer_only_who_asks_for_none() {
    let catalog = v2(r#"[
        {"type":null,"endpoints":[{"region":"old","region_id":"new","publicURL":"http://x"}]}]"#);
    let any = EndpointQuery::default();
    check(&catalog, &any.clone().region("new"), Some("http://x"));
    check(&catalog, &any.region("old"), None);
    check(&catalog, &EndpointQuery::service("image"), None);
}

#[test]
fn an_empty_catalog_says_so_and_falsy_json_is_one() {
    for json in ["[]", "null", "\"\"", "0", "{}", "false"] {
        assert_eq!(
            v2(json).url_for(&EndpointQuery::service("image")),
            Err(CatalogError::Empty),
            "{json}"
        );
    }
}

#[test]
fn v3_endpoints_in_a_v2_catalog_are_not_found() {
    let v3_inside = br#"[{"type":"image","endpoints":[{"interface":"public","url":"http://x"}]}]"#;
    let query = EndpointQuery::service("image");
    check(&read(v3_inside, CatalogForm::V2), &query, None);
    check(&read(v3_inside, CatalogForm::V3), &query, Some("http://x"));
}

#[test]
fn malformed_catalogs_are_refused_with_every_place_named() {
    let error = ServiceCatalog::from_json(
        br#"["canary", {"type":"image","endpoints":null},
            {"type":"image","endpoints":["canary",{"publicURL":7},{"publicURL":"canary"}]}, {"name":"untyped"}]"#,
        CatalogForm::V2,
        &CatalogRules::default(),
    )
    .unwrap_err()
    .to_string();
    for place in [
        "catalog[0] is not an object",
        "catalog[1] is not a list of endpoints",
        "catalog[2].endpoints[0] is not an object",
        "catalog[2].endpoints[1] is not a text for an interface's url",
        "catalog[2].endpoints[2] has a malformed endpoint url",
    ] {
        assert!(error.contains(place), "{place} not in {error}");
    }
    assert!(!error.contains("canary"));
}

#[test]
fn both_forms_of_the_large_catalog_give_the_same_answers() {
    let (v2, v3) = (read(V2, CatalogForm::V2), read(V3, CatalogForm::V3));
    assert_eq!((v2.len(), v2.urls().count()), (20, 180));
    assert_eq!(v3.urls().count(), 180);
    for kind in v2.service_types() {
        for region in ["RegionOne", "RegionTwo", "RegionThree", "RegionFour"] {
            for interface in [Interface::Public, Interface::Internal, Interface::Admin] {
                let query = EndpointQuery::service(kind)
                    .region(region)
                    .interface(interface);
                assert_eq!(v2.url_for(&query), v3.url_for(&query));
                assert_eq!(v2.url_for(&query).is_ok(), region != "RegionFour");
            }
        }
    }
}

#[test]
fn a_catalog_survives_its_own_form() {
    for (json, form) in [(V2, CatalogForm::V2), (V3, CatalogForm::V3)] {
        let catalog = read(json, form);
        let text = catalog.to_json(form);
        assert_eq!(read(text.as_bytes(), form), catalog);
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            written,
            serde_json::from_slice::<serde_json::Value>(json).unwrap()
        );
    }
}

#[test]
fn a_token_of_a_real_keystone_becomes_the_headers_form() {
    for token in [
        include_str!("data/keystone-v3-token.json"),
        include_str!("data/keystone-v3-token-jws.json"),
    ] {
        let token: serde_json::Value = serde_json::from_str(token).unwrap();
        let catalog = token["token"]["catalog"].to_string();
        let header = read(catalog.as_bytes(), CatalogForm::V3).grouped_by_region();
        let header: serde_json::Value =
            serde_json::from_str(&header.to_json(CatalogForm::V2)).unwrap();
        let image = header
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["type"] == "image")
            .unwrap();
        assert_eq!(
            image["endpoints"],
            serde_json::json!([{
                "region": "RegionOne",
                "publicURL": "http://127.0.0.1:9292",
                "internalURL": "http://127.0.0.1:9292",
                "adminURL": "http://127.0.0.1:9292"
            }])
        );
    }
}

//! Whatever comes in: nothing panics, what is accepted survives being written and read again.
#![cfg(feature = "serde")]

use nova_context::{
    AuthToken, CatalogForm, CatalogRules, EndpointQuery, EndpointUrl, Guard, Interface,
    PolicyBuilder, PolicyFile, RawRule, RequestContext, RequestId, ServiceCatalog, Target,
    TrustPolicy, UpstreamTrust, VerifiedHeaders, WireContext, WireForm, WireRules,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any JSON, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!(0)),
        Just(json!(1.5)),
        ".{0,12}".prop_map(Value::from),
        Just(json!("image")),
        Just(json!("https://h.example/v2")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![
            Just("type".to_owned()),
            Just("endpoints".to_owned()),
            Just("publicURL".to_owned()),
            Just("interface".to_owned()),
            Just("url".to_owned()),
            Just("region".to_owned()),
            "[a-zA-Z]{0,8}",
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key, inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

const KEYS: &[&str] = &[
    "user_id",
    "project_id",
    "read_deleted",
    "remote_address",
    "timestamp",
    "quota_class",
    "service_catalog",
    "auth_token",
    "domain",
    "user_domain",
    "project_domain",
    "is_admin",
    "read_only",
    "show_deleted",
    "request_id",
    "global_request_id",
    "resource_uuid",
    "roles",
    "user_name",
    "project_name",
    "domain_name",
    "is_admin_project",
    "system_scope",
    "user",
    "tenant",
];

/// A value that a key may well have, or any at all.
fn value_of(key: &'static str) -> BoxedStrategy<Value> {
    let good = match key {
        "read_deleted" => Just(json!("only")).boxed(),
        "remote_address" => Just(json!("2001:db8::1")).boxed(),
        "timestamp" => "[12][0-9]{3}-0[1-9]-[12][0-9]T1[0-9]:[0-5][0-9]:0[0-9]\\.[0-9]{1,6}"
            .prop_map(Value::from)
            .boxed(),
        "roles" => vec("[a-zA-Z]{1,8}", 0..4).prop_map(Value::from).boxed(),
        "auth_token" => "[A-Za-z0-9_-]{32,60}".prop_map(Value::from).boxed(),
        "service_catalog" => catalog().boxed(),
        "is_admin" | "read_only" | "show_deleted" | "is_admin_project" => {
            any::<bool>().prop_map(Value::from).boxed()
        }
        _ => "[a-z0-9]{1,12}".prop_map(Value::from).boxed(),
    };
    prop_oneof![30 => good, 1 => any_json(), 2 => Just(Value::Null)].boxed()
}

/// A good v2 catalog.
fn catalog() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![
        Just("image"),
        Just("volumev3"),
        Just("block-storage"),
        Just("network"),
        Just("sharev2"),
    ];
    let endpoint = ("R[1-3]", "[a-z]{1,8}", any::<bool>()).prop_map(|(region, host, internal)| {
        let mut endpoint = json!({"region": region, "publicURL": format!("https://{host}/v2")});
        if internal {
            endpoint["internalURL"] = json!(format!("http://{host}.int:8774"));
        }
        endpoint
    });
    let service = (
        kind,
        proptest::option::of("[a-z]{1,6}"),
        vec(endpoint, 0..4),
    );
    let service = service.prop_map(|(kind, name, endpoints)| {
        let mut service = json!({"type": kind, "endpoints": endpoints});
        if let Some(name) = name {
            service["name"] = json!(name);
        }
        service
    });
    vec(service, 0..6).prop_map(Value::from)
}

fn dict() -> impl Strategy<Value = Value> {
    let pair = proptest::sample::select(KEYS).prop_flat_map(|key| (Just(key), value_of(key)));
    vec(pair, 0..12).prop_map(|pairs| {
        Value::Object(
            pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    })
}

fn dict_of(wire: &WireContext) -> Value {
    let text = wire.json_without_token(WireForm::Dict);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_accepted_dict_survives_every_form(dict in dict()) {
        let rules = WireRules::default();
        let text = dict.to_string();
        let Ok(wire) = WireContext::from_json(text.as_bytes(), WireForm::Dict, &rules) else {
            return Ok(());
        };
        let ctx = RequestContext::for_rpc(wire, TrustPolicy::Accept).unwrap();
        let first = ctx.to_wire();
        for form in [WireForm::Dict, WireForm::Rpc] {
            let written = first.json_without_token(form);
            let again = WireContext::from_json(written.as_bytes(), form, &rules).unwrap();
            prop_assert_eq!(dict_of(&again), dict_of(&first));
        }
        prop_assert_eq!(dict_of(&first).as_object().unwrap().len(), 25);
    }

    #[test]
    fn what_is_in_a_dict_is_in_the_context(dict in dict()) {
        let read = WireContext::from_json(dict.to_string().as_bytes(), WireForm::Dict, &WireRules::default());
        if let Ok(wire) = read {
            let written = dict_of(&wire);
            for key in ["user_id", "project_id", "domain", "user_name", "quota_class", "system_scope"] {
                let given = dict[key].as_str().filter(|text| !text.is_empty());
                prop_assert_eq!(written[key].as_str(), given, "{}", key);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200), json in any_json()) {
        for input in [bytes, json.to_string().into_bytes()] {
            for form in [WireForm::Dict, WireForm::Rpc] {
                drop(WireContext::from_json(&input, form, &WireRules::default()));
            }
            for form in [CatalogForm::V2, CatalogForm::V3] {
                drop(ServiceCatalog::from_json(&input, form, &CatalogRules::default()));
            }
            drop(PolicyFile::from_json(&String::from_utf8_lossy(&input)));
        }
    }

    #[test]
    fn an_accepted_catalog_survives_both_forms(json in prop_oneof![catalog(), any_json()]) {
        let rules = CatalogRules::default();
        let Ok(catalog) = ServiceCatalog::from_json(json.to_string().as_bytes(), CatalogForm::V2, &rules) else {
            return Ok(());
        };
        let v2 = catalog.to_json(CatalogForm::V2);
        prop_assert_eq!(&ServiceCatalog::from_json(v2.as_bytes(), CatalogForm::V2, &rules).unwrap(), &catalog);
        let v3 = catalog.to_json(CatalogForm::V3);
        let v3 = ServiceCatalog::from_json(v3.as_bytes(), CatalogForm::V3, &rules).unwrap();
        for kind in ["image", "block-storage", "volumev2", "sharev2", "x"] {
            for interface in [Interface::Public, Interface::Internal, Interface::Admin] {
                let query = EndpointQuery::service(kind).interface(interface).region("R1");
                prop_assert_eq!(v3.url_for(&query), catalog.url_for(&query));
            }
        }
    }

    #[test]
    fn an_endpoint_is_always_one_that_was_asked_for(catalog in catalog(), region in "R[1-4]", kind in 0_usize..3) {
        let kind = ["block-storage", "volumev3", "image"][kind];
        let text = catalog.to_string();
        let catalog = ServiceCatalog::from_json(text.as_bytes(), CatalogForm::V2, &CatalogRules::nova()).unwrap();
        let query = EndpointQuery::service(kind).interface(Interface::Internal).region(region);
        if let Ok(url) = catalog.url_for(&query) {
            prop_assert!(url.as_str().contains(".int:"));
            prop_assert!(catalog.urls().any(|own| own == url));
        }
    }

    #[test]
    fn an_accepted_url_is_one_for_a_url_library_too(text in "(https?|ftp)://[a-zA-Z0-9.@:\\[\\]/?#%_-]{0,24}") {
        if let Ok(url) = EndpointUrl::parse(text)
            && let Ok(parsed) = url.to_url()
        {
            prop_assert!(parsed.username().is_empty() && parsed.password().is_none());
            // Ours is what was written; the library may normalise an address (`127.1`), never name another host.
            if url.host().parse::<std::net::Ipv4Addr>().is_ok() || url.host().starts_with('[') {
                prop_assert!(parsed.host().is_some());
            }
            if url.is_loopback() {
                let host = parsed.host_str().unwrap_or_default();
                prop_assert!(host == "localhost" || host == "[::1]" || host.starts_with("127."));
            }
        }
    }

    #[test]
    fn any_headers_are_read_or_refused(
        headers in vec((proptest::sample::select(nova_context::IDENTITY_HEADERS), vec(any::<u8>(), 0..40)), 0..8),
        confirmed in any::<bool>(),
    ) {
        let status = [("x-identity-status", &b"Confirmed"[..])];
        let status = status.into_iter().filter(|_| confirmed);
        let headers = headers.iter().filter(|(name, _)| *name != "x-identity-status");
        let headers = status.chain(headers.map(|(name, value)| (*name, value.as_slice())));
        match VerifiedHeaders::from_upstream(headers, UpstreamTrust::because("a test")) {
            Ok(verified) => {
                prop_assert!(confirmed);
                let ctx = verified.context(Guard::default().into(), None, None, None);
                prop_assert!(ctx.identity().user.id.is_some());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn any_text_is_a_rule_or_an_error(
        text in prop_oneof![".{0,40}", "((\\(|not |role:a|user_id:%\\(user_id\\)s|and |or |@|!|\\)| ){0,12})"],
    ) {
        let builder = PolicyBuilder {
            file: PolicyFile { rules: vec![("os_compute_api:servers:index".to_owned(), RawRule::Text(text))] },
            ..PolicyBuilder::default()
        };
        if let Ok(policy) = builder.build() {
            let ctx = RequestContext::for_request(nova_context::RequestParts::default());
            drop(ctx.can(&policy, "os_compute_api:servers:index", &Target::of(&ctx)));
        }
    }

    #[test]
    fn a_token_is_accepted_exactly_if_it_is_plain_and_neither_short_nor_long(text in "[ -~é\n]{0,80}") {
        let plain = text.len() >= 32 && text.bytes().all(|b| b.is_ascii_graphic());
        prop_assert_eq!(AuthToken::parse(text).is_ok(), plain);
    }

    #[test]
    fn only_request_ids_of_the_exact_form_are_taken_over(text in "(req-)?[a-fA-F0-9-]{30,40}") {
        if let Some(id) = RequestId::parse_openstack(&text) {
            prop_assert_eq!(id.as_str().len(), 40);
            prop_assert!(!text.bytes().any(|b| b.is_ascii_uppercase()));
        }
    }
}

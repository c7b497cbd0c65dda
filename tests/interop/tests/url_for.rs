//! Endpoints: what keystoneauth finds in a catalog, alone and behind the auth plugin of Nova's context, and what we find.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use context::{
    CatalogError, CatalogForm, CatalogReadError, CatalogRules, EndpointQuery, Interface,
    ServiceCatalog,
};
use nova_interop::{Answer, Draw as _, Ledger, Oracle, Peers, Rng, catalog, endpoint_query};
use serde_json::{Value, json};

const CASES: usize = 6000;

/// A URL, or why there is none.
type Found = Result<String, String>;
const EMPTY: &str = "the catalog is empty";
const NOTHING: &str = "nothing fits";

fn ours(route: &str, catalog: &Value, query: &Value) -> Result<Found, Vec<String>> {
    let (form, rules) = match route {
        "nova" => (CatalogForm::V2, CatalogRules::nova()),
        "v2" => (CatalogForm::V2, CatalogRules::default()),
        _ => (CatalogForm::V3, CatalogRules::default()),
    };
    let json = catalog.to_string();
    let catalog = match ServiceCatalog::from_json(json.as_bytes(), form, &rules) {
        Ok(catalog) => catalog,
        Err(CatalogReadError::Invalid(invalid)) => {
            let refused = |problem: &context::CatalogProblem| {
                format!("we refuse a catalog that {}", problem.fault)
            };
            let mut names: Vec<String> = invalid.problems().iter().map(refused).collect();
            names.sort();
            names.dedup();
            return Err(names);
        }
        Err(error) => panic!("{error}"),
    };
    let text = |key: &str| query.get(key).and_then(Value::as_str).map(str::to_owned);
    let interfaces = match query.get("interface") {
        None => Vec::new(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
    };
    let query = EndpointQuery {
        service_type: text("service_type"),
        interfaces: interfaces
            .into_iter()
            .map(|name| Interface::parse(name).expect("a generated name"))
            .collect(),
        region: text("region_name"),
        service_name: text("service_name"),
        service_id: text("service_id"),
        endpoint_id: text("endpoint_id"),
    };
    Ok(match catalog.url_for(&query) {
        Ok(url) => Ok(url.as_str().to_owned()),
        Err(CatalogError::Empty) => Err(EMPTY.into()),
        Err(CatalogError::NotFound { .. }) => Err(NOTHING.into()),
        Err(error) => panic!("{error}"),
    })
}

fn theirs(answer: Answer) -> Result<Found, String> {
    match answer {
        Answer::Ok(Value::String(url)) => Ok(Ok(url)),
        Answer::Ok(other) => panic!("not a URL: {other}"),
        Answer::Raised { class, text } => match class.as_str() {
            "EmptyCatalog" => Ok(Err(EMPTY.into())),
            "EndpointNotFound" => Ok(Err(NOTHING.into())),
            _ => Err(format!("Nova raises {class}: {text}")),
        },
    }
}

/// The ways in which the two sides differ; one that nobody expects is named with both answers.
fn differing(ours: Result<Found, Vec<String>>, theirs: Result<Found, String>) -> Vec<String> {
    match (ours, theirs) {
        (Err(_), Err(_)) => Vec::new(),
        (Err(names), Ok(_)) => names,
        (Ok(_), Err(raised)) => vec![raised],
        (Ok(ours), Ok(theirs)) if ours == theirs => Vec::new(),
        (Ok(Err(ours)), Ok(Err(theirs))) if ours == EMPTY && theirs == NOTHING => {
            vec!["a catalog without any typed service is empty".into()]
        }
        (Ok(ours), Ok(theirs)) => vec![format!("we find {ours:?}, Nova finds {theirs:?}")],
    }
}

#[test]
fn endpoints_are_found_where_nova_finds_them() {
    let peers = Peers::here();
    let mut ledger = Ledger::open("url-for");
    let mut oracle = Oracle::start(&peers);
    let mut rng = Rng::new(0x0e4d_901a);
    let cases: Vec<(&str, Value, Value)> = (0..CASES)
        .map(|_| {
            let route = rng.one(&["nova", "v2", "v3"]);
            let catalog = catalog(&mut rng, route == "v3");
            (route, catalog, endpoint_query(&mut rng, route != "nova"))
        })
        .collect();
    let questions: Vec<Value> = cases
        .iter()
        .map(|(route, catalog, query)| json!({"ask": "url_for", "route": route, "catalog": catalog, "query": query}))
        .collect();
    let mut found = 0;
    for ((route, catalog, query), answer) in cases.iter().zip(oracle.ask_all(&questions)) {
        let theirs = theirs(answer);
        found += usize::from(matches!(theirs, Ok(Ok(_))));
        ledger.enter(differing(ours(route, catalog, query), theirs), || {
            format!("{route}: {query} in {catalog}")
        });
    }
    assert!(
        found > CASES / 5,
        "only {found} questions had an answer at all"
    );
    ledger.close(&peers, CASES);
}

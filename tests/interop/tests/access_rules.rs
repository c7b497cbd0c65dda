//! Access rules of application credentials: what keystonemiddleware lets their tokens do, and what we let them do.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use context::{CatalogRules, RequestLine};
use keystone::{AccessRules, read_token};
use nova_interop::{Answer, Draw as _, Ledger, Oracle, Peers, Rng};
use serde_json::{Value, json};

const CASES: usize = 4000;

const PARTS: &[&str] = &[
    "/",
    "/",
    "/",
    "servers",
    "flavors",
    "v2.1",
    "s1",
    "*",
    "**",
    "{id}",
    "{server_id}",
    "***",
];
/// What a regular expression would make something else of.
const ODD: &[&str] = &[".", "+", "s?", "|", "(", "[a-z]", "$", "{", "}", "\\d", "^"];
const PATHS: &[&str] = &[
    "/", "/", "/", "servers", "flavors", "v2.1", "v2x1", "s1", "s", "..", ".", "a.b", "%2e%2e",
    "%20",
];

fn text(rng: &mut Rng, from: &[&str], most: u64) -> String {
    let parts = rng.between(0, most);
    (0..parts).fold("/".to_owned(), |text, _| text + rng.one(from))
}

/// A pattern; one in eight has something odd in it.
fn pattern(rng: &mut Rng) -> String {
    let mut pattern = text(rng, PARTS, 6);
    if rng.between(0, 7) == 0 {
        pattern.push_str(rng.one(ODD));
        pattern.push_str(&text(rng, PARTS, 2));
    }
    pattern
}

/// Rules, and a request: often one that a rule's pattern was made from.
fn case(rng: &mut Rng) -> (Value, &'static str, String) {
    let count = rng.between(0, 3);
    let mut patterns: Vec<String> = (0..count).map(|_| pattern(rng)).collect();
    let path = match patterns.first() {
        Some(first) if rng.between(0, 1) == 0 => {
            let filled = ["{id}", "{server_id}", "***", "**", "*"]
                .iter()
                .fold(first.clone(), |path, mark| path.replace(mark, "s1"));
            filled.replace(['{', '}'], "")
        }
        _ => text(rng, PATHS, 6),
    };
    let rules: Vec<Value> = patterns
        .drain(..)
        .map(|path| {
            json!({
                "service": rng.one(&["compute", "compute", "compute", "image"]),
                "method": rng.one(&["GET", "GET", "POST"]),
                "path": path,
            })
        })
        .collect();
    (json!(rules), rng.one(&["GET", "GET", "HEAD"]), path)
}

fn ours(rules: &Value) -> AccessRules {
    let document = json!({"token": {
        "expires_at": "2026-11-22T22:35:34.000000Z", "user": {"id": "u1"},
        "application_credential": {"id": "a1", "access_rules": rules},
    }});
    let document = read_token(document.to_string().as_bytes(), &CatalogRules::default());
    let document = document.expect("a token");
    document.access_rules.expect("it has rules")
}

/// The ways in which the two differ.
fn differing(rules: &Value, path: &str, ours: bool, theirs: Answer) -> Vec<String> {
    let patterns: Vec<&str> = rules
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|rule| rule["path"].as_str())
        .collect();
    let literal = |text: &str| {
        ['.', '+', '?', '|', '(', '[', '$', '\\', '^']
            .iter()
            .any(|odd| text.contains(*odd))
    };
    let lone = |text: &str| {
        let mut left = text.to_owned();
        for mark in ["{id}", "{server_id}"] {
            left = left.replace(mark, "");
        }
        left.contains(['{', '}'])
    };
    let dots = path
        .split('/')
        .any(|part| matches!(part, "." | ".." | "%2e%2e"));
    match theirs {
        Answer::Ok(theirs) if theirs == json!(ours) => Vec::new(),
        Answer::Ok(_) if !ours && dots => vec!["no path with dot segments is allowed".into()],
        Answer::Ok(_) if !ours && patterns.iter().any(|text| lone(text)) => {
            vec!["a brace without its partner allows nothing".into()]
        }
        Answer::Ok(_) if patterns.iter().any(|text| literal(text)) => {
            vec!["what means something in a regular expression stands for itself".into()]
        }
        Answer::Ok(theirs) => vec![format!("we say {ours}, they say {theirs}")],
        Answer::Raised { .. } if patterns.iter().any(|text| literal(text)) => {
            vec!["they fail on what is no regular expression".into()]
        }
        Answer::Raised { class, text } => vec![format!("they raise {class}: {text}")],
    }
}

#[test]
fn access_rules_allow_what_keystonemiddleware_allows() {
    let peers = Peers::here();
    let mut ledger = Ledger::open("access-rules");
    let mut oracle = Oracle::start(&peers);
    let mut rng = Rng::new(0x00ac_ce55);
    let cases: Vec<_> = (0..CASES).map(|_| case(&mut rng)).collect();
    let questions: Vec<Value> = cases
        .iter()
        .map(|(rules, method, path)| {
            json!({"ask": "access_rules", "rules": rules, "service_type": "compute", "method": method, "path": path})
        })
        .collect();
    let mut allowed = 0;
    for ((rules, method, path), theirs) in cases.iter().zip(oracle.ask_all(&questions)) {
        allowed += usize::from(theirs == Answer::Ok(json!(true)));
        let asked = RequestLine { method, path };
        let ours = ours(rules).allow("compute", asked);
        ledger.enter(differing(rules, path, ours, theirs), || {
            format!("{method} {path} by {rules}")
        });
    }
    assert!(allowed > CASES / 10, "only {allowed} requests were allowed");
    ledger.close(&peers, CASES);
}

//! Where a cell is: database and transport URLs as SQLAlchemy and oslo.messaging read them, and Nova's templates.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use cells::{
    Broker, CellMapping, DatabaseLocation, Engine, Host, InvalidMapping, ProblemKind,
    RawCellMapping, RevisionKey, SecretText, SqliteFile, TransportLocation, UrlDefaults,
};
use nova_interop::{
    Answer, Ledger, Oracle, Peers, Rng, database_url, template, transport_url, variant,
    without_numbers,
};
use serde_json::{Value, json};

const CASES: usize = 4000;
const CELL1: &str = "6d5bd30e-147b-44db-9ceb-1a392e756c36";
const CELL0: &str = "00000000-0000-0000-0000-000000000000";

fn mapping(
    uuid: &str,
    database: &str,
    transport: &str,
    defaults: &UrlDefaults,
) -> Result<CellMapping, InvalidMapping> {
    let row = RawCellMapping {
        uuid: uuid.into(),
        name: None,
        database_connection: Some(database.into()),
        transport_url: Some(transport.into()),
        disabled: false,
    };
    CellMapping::parse(&row, defaults, &RevisionKey::from_bytes(b"interop"))
}

fn refused<'a>(kinds: impl Iterator<Item = &'a ProblemKind>) -> Vec<String> {
    let mut names: Vec<String> = kinds
        .map(|kind| format!("we refuse: {}", variant(kind)))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn refused_mapping(error: &InvalidMapping) -> Vec<String> {
    refused(error.problems().iter().map(|problem| &problem.kind))
}

/// The exception without what it quotes of the URL.
fn raised(class: &str, text: &str) -> String {
    let unquoted: Vec<&str> = text.split('\'').step_by(2).collect();
    format!("{class}: {}", without_numbers(&unquoted.join("..")))
}

/// The fields that differ, with both values: no such difference is wanted, so none can be listed.
fn differing(ours: &Value, theirs: &Value) -> Vec<String> {
    let fields = ours.as_object().expect("parts").keys();
    fields
        .filter(|field| ours[*field] != theirs[*field])
        .map(|field| {
            if *field == "options" && only_empty(&ours[field], &theirs[field]) {
                return "an option without a value is kept, empty".into();
            }
            format!(
                "{field}: we have {}, they have {}",
                ours[field], theirs[field]
            )
        })
        .collect()
}

/// Whether one has options that the other lacks, all of them without a value.
fn only_empty(ours: &Value, theirs: &Value) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) else {
        return false;
    };
    ours.iter()
        .filter(|(_, value)| **value != json!(""))
        .eq(theirs.iter())
}

fn compare(
    ledger: &mut Ledger,
    case: &str,
    ours: Result<Value, Vec<String>>,
    theirs: Answer,
    meant: impl Fn(Value) -> Value,
) {
    let differences = match (ours, theirs) {
        (Err(_), Answer::Raised { .. }) => Vec::new(),
        (Err(names), Answer::Ok(_)) => names,
        (Ok(_), Answer::Raised { class, text }) => {
            vec![format!("they raise {}", raised(&class, &text))]
        }
        (Ok(ours), Answer::Ok(theirs)) => differing(&ours, &meant(theirs)),
    };
    ledger.enter(differences, || case.to_owned());
}

fn host(host: &Host) -> Value {
    match host {
        Host::Name(name) => json!(name),
        Host::Address(address) => json!(address.to_string()),
    }
}

/// A host as we keep it: names and IPv6 digits in lower case, IPv6 in its short form.
fn kept_host(host: &Value) -> Value {
    match host.as_str().map(str::to_ascii_lowercase) {
        Some(name) => json!(
            name.parse::<std::net::IpAddr>()
                .map_or(name, |address| address.to_string())
        ),
        None => Value::Null,
    }
}

fn secret(secret: Option<&SecretText>) -> Value {
    json!(secret.map(SecretText::expose))
}

fn none_if_empty(text: &Value) -> Value {
    if *text == json!("") {
        Value::Null
    } else {
        text.clone()
    }
}

fn database_parts(url: &str) -> Result<Value, Vec<String>> {
    match DatabaseLocation::from_url(&url.into()) {
        Err(error) => Err(refused(error.problems().iter())),
        Ok(DatabaseLocation::Sqlite(file)) => Ok(sqlite_parts(&file)),
        Ok(DatabaseLocation::Server(server)) => Ok(json!({
            "engine": match server.engine { Engine::MySql => "mysql", Engine::PostgreSql => "postgresql" },
            "driver": server.driver, "user": server.user, "password": secret(server.password.as_ref()),
            "host": host(&server.host), "port": server.port, "database": server.database,
            "charset": server.charset,
            "ca": server.tls.ca, "certificate": server.tls.certificate, "key": server.tls.key,
        })),
    }
}

fn sqlite_parts(file: &SqliteFile) -> Value {
    json!({"engine": "sqlite", "database": file.path()})
}

/// SQLAlchemy's parts, with the defaults that its drivers apply later put in.
fn meant_database(parts: Value) -> Value {
    let name = parts["drivername"]
        .as_str()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (engine, driver) = name
        .split_once('+')
        .map_or((&*name, None), |(a, b)| (a, Some(b)));
    let (engine, port) = match engine {
        "mysql" | "mariadb" => ("mysql", 3306),
        "postgres" | "postgresql" => ("postgresql", 5432),
        other => (other, 0),
    };
    let query = &parts["query"];
    let either = |a: &str, b: &str| query.get(a).or(query.get(b)).cloned().unwrap_or_default();
    json!({
        "engine": engine, "driver": driver, "user": none_if_empty(&parts["username"]),
        "password": parts["password"], "host": kept_host(&parts["host"]),
        "port": parts["port"].as_u64().unwrap_or(port), "database": parts["database"],
        "charset": query["charset"], "ca": either("ssl_ca", "sslrootcert"),
        "certificate": either("ssl_cert", "sslcert"), "key": either("ssl_key", "sslkey"),
    })
}

#[test]
fn database_urls_are_read_as_sqlalchemy_reads_them() {
    let peers = Peers::here();
    let mut ledger = Ledger::open("database-url");
    let mut oracle = Oracle::start(&peers);
    let mut rng = Rng::new(0x00da_7aba);
    let urls: Vec<String> = (0..CASES).map(|_| database_url(&mut rng)).collect();
    let questions: Vec<Value> = urls
        .iter()
        .map(|url| json!({"ask": "database_url", "url": url}))
        .collect();
    for (url, answer) in urls.iter().zip(oracle.ask_all(&questions)) {
        compare(
            &mut ledger,
            url,
            database_parts(url),
            answer,
            meant_database,
        );
    }
    ledger.close(&peers, CASES);
}

fn broker_parts(broker: &Broker) -> Value {
    let hosts = broker.hosts.iter().map(|at| {
        json!({"user": at.user, "password": secret(at.password.as_ref()), "host": host(&at.host), "port": at.port})
    });
    let options = broker
        .options
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)));
    json!({
        "transport": format!("{:?}", broker.kind).to_ascii_lowercase(), "hosts": hosts.collect::<Vec<_>>(),
        "virtual_host": broker.virtual_host, "options": Value::Object(options.collect()),
    })
}

fn transport_parts(url: &str) -> Result<Value, Vec<String>> {
    let uuid = if url.starts_with("none:") {
        CELL0
    } else {
        CELL1
    };
    let read = mapping(uuid, "sqlite:///x", url, &UrlDefaults::default());
    Ok(
        match read.map_err(|error| refused_mapping(&error))?.transport() {
            TransportLocation::None => json!({"transport": "none"}),
            TransportLocation::InProcess { name } => {
                json!({"transport": "fake", "virtual_host": name})
            }
            TransportLocation::Broker(broker) => broker_parts(broker),
        },
    )
}

/// oslo.messaging's parts, with the defaults that its drivers apply later put in.
fn meant_transport(parts: Value) -> Value {
    let (transport, port) = match parts["transport"].as_str().unwrap_or_default() {
        "rabbit" | "kombu" => ("rabbit", 5672),
        "redis" => ("redis", 6379),
        "rediss" => ("redistls", 6379),
        other => {
            return json!({
                "transport": other, "virtual_host": parts["virtual_host"].as_str().unwrap_or_default(),
            });
        }
    };
    let hosts = parts["hosts"].as_array().into_iter().flatten().map(|at| {
        json!({
            "user": none_if_empty(&at["username"]), "password": at["password"],
            "host": kept_host(&at["host"]), "port": at["port"].as_u64().unwrap_or(port),
        })
    });
    let virtual_host = parts["virtual_host"]
        .as_str()
        .filter(|name| !name.is_empty());
    json!({
        "transport": transport, "hosts": hosts.collect::<Vec<_>>(),
        "virtual_host": virtual_host.unwrap_or("/"), "options": parts["query"],
    })
}

#[test]
fn transport_urls_are_read_as_oslo_messaging_reads_them() {
    let peers = Peers::here();
    let mut ledger = Ledger::open("transport-url");
    let mut oracle = Oracle::start(&peers);
    let mut rng = Rng::new(0x7a45_9047);
    let urls: Vec<String> = (0..CASES).map(|_| transport_url(&mut rng)).collect();
    let questions: Vec<Value> = urls
        .iter()
        .map(|url| json!({"ask": "transport_url", "url": url}))
        .collect();
    for (url, answer) in urls.iter().zip(oracle.ask_all(&questions)) {
        compare(
            &mut ledger,
            url,
            transport_parts(url),
            answer,
            meant_transport,
        );
    }
    ledger.close(&peers, CASES);
}

/// A literal text as a template that says just that.
fn escaped(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn with(leg: &str, url: &str, base: Option<&str>) -> Result<CellMapping, InvalidMapping> {
    let base = base.map(SecretText::from);
    match leg {
        "database" => {
            let defaults = UrlDefaults {
                database: base,
                transport: None,
                ..UrlDefaults::default()
            };
            mapping(CELL1, url, "rabbit://h/", &defaults)
        }
        _ => {
            let defaults = UrlDefaults {
                database: None,
                transport: base,
                ..UrlDefaults::default()
            };
            mapping(CELL1, "sqlite:///x", url, &defaults)
        }
    }
}

/// Whether one of the hosts has a login with an unescaped `@` in it.
fn ambiguous(base: &str) -> bool {
    base.split(',').any(|place| place.matches('@').count() > 1)
}

#[test]
fn templates_are_filled_in_as_nova_fills_them_in() {
    let peers = Peers::here();
    let mut ledger = Ledger::open("template");
    let mut oracle = Oracle::start(&peers);
    let mut rng = Rng::new(0x7e3f_1a7e);
    let cases: Vec<_> = (0..CASES).map(|_| template(&mut rng)).collect();
    let questions: Vec<Value> = cases
        .iter()
        .map(|(leg, text, base)| json!({"ask": "mapping", "leg": leg, "template": text, "base": base}))
        .collect();
    let mut filled = 0;
    for ((leg, text, base), answer) in cases.iter().zip(oracle.ask_all(&questions)) {
        let theirs = answer.value();
        let theirs = theirs.as_str().expect("a URL");
        // What Nova would connect to, read with our own parser: the same content, passwords and all, or none.
        let meant = with(leg, &escaped(theirs), None);
        let raw = theirs == text && text.contains(['{', '}']);
        let differences = match (with(leg, text, base.as_deref()), meant) {
            (Ok(ours), Ok(theirs)) if ours.revision() == theirs.revision() => {
                filled += 1;
                Vec::new()
            }
            (Err(ours), Err(theirs)) if ours == theirs => Vec::new(),
            (Err(_), _) if raw && base.is_none() => {
                vec!["without a base Nova uses the template itself, we refuse it".into()]
            }
            (Err(_), _) if raw => {
                vec!["Nova fails to fill in and uses the template itself, we refuse it".into()]
            }
            (Ok(_), _) if raw => {
                vec!["Nova fails to fill in and uses the template itself, we fill it in".into()]
            }
            (Err(ours), _) => refused_mapping(&ours),
            (Ok(_), _) if base.as_deref().is_some_and(ambiguous) => {
                vec!["Nova ends a numbered login at the first @, we at the last".into()]
            }
            (Ok(ours), _) => vec![format!("we have {ours:?}, Nova has {theirs}")],
        };
        ledger.enter(differences, || {
            format!("{leg}: {text} with {base:?}, Nova makes {theirs}")
        });
    }
    assert!(
        filled > CASES / 4,
        "only {filled} templates could be filled in"
    );
    ledger.close(&peers, CASES);
}

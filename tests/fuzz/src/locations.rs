//! Database and transport URLs, and the templates they are filled into.
//!
//! The strong promise: a location that was read, written back part by part, is the same revision; so two spellings are
//! one content, and nothing of a content is lost.

use std::fmt::Write as _;

use cells::{
    Broker, BrokerKind, CellMapping, DatabaseLocation, Engine, RawCellMapping, Revision,
    RevisionKey, SecretText, TransportLocation, UrlDefaults,
};

use crate::text::{check_debug, check_error, escaped, text};

const CELL: &str = "6d5bd30e-147b-44db-9ceb-1a392e756c36";
const CELL0: &str = "00000000-0000-0000-0000-000000000000";
const SECRET: &str = "Zq9kSEKRETk9qZ";

fn parse(
    uuid: &str,
    database: &str,
    transport: &str,
    defaults: &UrlDefaults,
) -> Option<CellMapping> {
    let raw = RawCellMapping {
        uuid: uuid.into(),
        name: Some("c".into()),
        database_connection: Some(database.into()),
        transport_url: Some(transport.into()),
        disabled: false,
    };
    let given = database.len() + transport.len();
    match CellMapping::parse(&raw, defaults, &RevisionKey::from_bytes(b"k")) {
        Ok(mapping) => {
            check_debug(&mapping, given + (1 << 10));
            Some(mapping)
        }
        Err(error) => {
            check_error(&error, given);
            None
        }
    }
}

/// A URL as a template that takes nothing of a base.
fn literal(url: &str) -> String {
    url.replace('{', "{{").replace('}', "}}")
}

fn with_database(url: &str) -> Option<CellMapping> {
    parse(CELL, &literal(url), "rabbit://h/", &UrlDefaults::default())
}

fn with_transport(url: &str) -> Option<CellMapping> {
    let defaults = UrlDefaults::default();
    parse(CELL, "sqlite:///x", &literal(url), &defaults)
        .or_else(|| parse(CELL0, "sqlite:///x", &literal(url), &defaults))
}

fn same(written: &str, first: Option<Revision>, second: Option<Revision>) {
    assert!(first.is_some());
    assert_eq!(first, second, "written back as {written}");
}

pub(crate) fn database_url(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match DatabaseLocation::from_url(&SecretText::from(text)) {
        Err(error) => {
            check_error(&error, text.len());
            assert!(with_database(text).is_none());
        }
        Ok(location) => {
            check_debug(&location, text.len());
            let shown = location.to_string();
            assert!(shown.len() <= 64 + 3 * text.len());
            let written = database(&location);
            let first = with_database(text).map(|mapping| mapping.revision());
            let second = with_database(&written).map(|mapping| mapping.revision());
            same(&written, first, second);
        }
    }
}

fn database(location: &DatabaseLocation) -> String {
    let server = match location {
        DatabaseLocation::Sqlite(file) => {
            return format!("sqlite:///{}", escaped(&file.path().to_string_lossy()));
        }
        DatabaseLocation::Server(server) => server,
    };
    let (scheme, options) = match server.engine {
        Engine::MySql => ("mysql", ["ssl_ca", "ssl_cert", "ssl_key"]),
        Engine::PostgreSql => ("postgresql", ["sslrootcert", "sslcert", "sslkey"]),
    };
    let mut url = format!("{scheme}://");
    login(&mut url, server.user.as_deref(), server.password.as_ref());
    let _infallible = write!(url, "{}:{}/{}?", server.host, server.port, server.database);
    if let Some(charset) = &server.charset {
        let _infallible = write!(url, "charset={charset}&");
    }
    let tls = &server.tls;
    for (option, path) in options.iter().zip([&tls.ca, &tls.certificate, &tls.key]) {
        if let Some(path) = path {
            let _infallible = write!(url, "{option}={}&", escaped(&path.to_string_lossy()));
        }
    }
    if server.engine == Engine::PostgreSql && tls.required {
        url.push_str("sslmode=verify-full");
    }
    url
}

fn login(url: &mut String, user: Option<&str>, password: Option<&SecretText>) {
    url.push_str(&escaped(user.unwrap_or_default()));
    if let Some(password) = password {
        url.push(':');
        url.push_str(&escaped(password.expose()));
    }
    if user.is_some() || password.is_some() {
        url.push('@');
    }
}

pub(crate) fn transport_url(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Some(mapping) = with_transport(text) else {
        return;
    };
    let shown = mapping.transport().to_string();
    // A host without a port is shown with it.
    assert!(shown.len() <= 64 + 8 * text.len());
    let written = match mapping.transport() {
        TransportLocation::None => "none:///".to_owned(),
        TransportLocation::InProcess { name } => format!("fake:///{}", escaped(name)),
        TransportLocation::Broker(broker) => transport(broker),
    };
    let second = with_transport(&written).map(|mapping| mapping.revision());
    same(&written, Some(mapping.revision()), second);
}

fn transport(broker: &Broker) -> String {
    let mut url = match broker.kind {
        BrokerKind::Rabbit => "rabbit://".to_owned(),
        BrokerKind::Redis => "redis://".to_owned(),
        BrokerKind::RedisTls => "rediss://".to_owned(),
        BrokerKind::RedisSentinel => "redis+sentinel://".to_owned(),
    };
    assert!(!broker.hosts.is_empty());
    // The order of hosts and options means nothing, so it is turned around.
    for host in broker.hosts.iter().rev() {
        login(&mut url, host.user.as_deref(), host.password.as_ref());
        let _infallible = write!(url, "{}:{},", host.host, host.port);
    }
    let _infallible = write!(url, "/{}?", escaped(&broker.virtual_host));
    for (key, value) in broker.options.iter().rev() {
        let _infallible = write!(url, "{}={}&", escaped(key), escaped(value));
    }
    url
}

/// The first line is a base URL, the rest a template.
pub(crate) fn template(data: &[u8]) {
    // Who writes the secret into the template as the name of an option has shown it himself.
    let Some(text) = text(data).filter(|text| !text.contains(SECRET)) else {
        return;
    };
    let (base, template) = text.split_once('\n').unwrap_or(("", text));
    let bases = [
        base.to_owned(),
        format!("mysql://nova:{SECRET}@db.example.org:3306/nova{base}"),
        format!("rabbit://u:{SECRET}@h1:1,u:{SECRET}@h2/v{base}"),
    ];
    for base in bases {
        let defaults = UrlDefaults {
            database: Some(base.as_str().into()),
            transport: Some(base.as_str().into()),
            ..UrlDefaults::default()
        };
        let raw = RawCellMapping {
            uuid: CELL.into(),
            name: None,
            database_connection: Some(template.into()),
            transport_url: Some(template.into()),
            disabled: false,
        };
        let read = CellMapping::parse(&raw, &defaults, &RevisionKey::from_bytes(b"k"));
        let bound = (base.len() + 1) * (template.len() + 1);
        match read {
            Ok(mapping) => check_debug(&mapping, bound),
            Err(error) => {
                check_error(&error, bound);
                // A template that puts the password where a name stands makes it a name; else nobody sees it.
                let named = template.matches("{password").count();
                let misplaced = named > template.matches(":{password").count();
                assert!(misplaced || !error.to_string().contains(SECRET), "{error}");
            }
        }
    }
}

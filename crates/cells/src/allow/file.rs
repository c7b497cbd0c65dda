//! The list's file: TOML, with nothing optional that would open it wider by being left out.
//!
//! ```toml
//! version = 1
//!
//! [[database]]
//! schemes = ["mysql"]                   # mysql, postgresql, sqlite
//! hosts = ["*.db.example.org"]          # names; left out: any name, as long as its address is in a network
//! networks = ["10.1.0.0/16"]            # where its address must be; ["0.0.0.0/0", "::/0"] for anywhere
//! ports = [3306, "3310-3319"]
//! names = ["nova_cell*"]                # databases
//! tls = "required"                      # the URL must ask for TLS; or "optional"
//! cells = ["6d5bd30e-147b-44db-9ceb-1a392e756c36"]   # left out: any cell
//!
//! [[database]]
//! schemes = ["sqlite"]
//! files = ["/var/lib/nova/*.sqlite"]    # `*` stays within a folder
//!
//! [[transport]]
//! schemes = ["rabbit"]                  # rabbit, redis, rediss, redis+sentinel, fake
//! networks = ["10.2.0.0/16"]
//! ports = [5672]
//! names = ["*"]                         # virtual hosts
//! tls = "optional"
//!
//! [[pin]]                               # beyond the rules: this cell is there and nowhere else
//! cell = "6d5bd30e-147b-44db-9ceb-1a392e756c36"
//! database = "mysql://cell1.db.example.org/nova_cell1"
//! ```

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::Deserialize;

use crate::id::CellId;
use crate::label::visible;
use crate::location::{DatabaseLocation, TransportLocation};

use super::pattern::Pattern;
use super::rule::{DATABASE_SCHEMES, Rule, TRANSPORT_SCHEMES};
use super::{AllowList, Pin};

/// An allow-list that cannot be used. Texts of the file are not repeated: a mistaken pin may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowListError {
    /// Not TOML, or not this file's keys.
    #[error("line {line} of the allow-list cannot be read{hint}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What the reader says about keys, if that is what is wrong.
        hint: String,
    },
    /// Another version of the format.
    #[error("the allow-list has version {0}, and only version 1 is known")]
    Version(u32),
    /// A rule that lacks what its schemes need, has what they do not use, or has a value that makes no sense.
    #[error("{table} {number} of the allow-list: {what}")]
    Rule {
        /// `database`, `transport` or `pin`.
        table: &'static str,
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        what: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    database: Vec<RuleTable>,
    #[serde(default)]
    transport: Vec<RuleTable>,
    #[serde(default)]
    pin: Vec<PinTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    schemes: Vec<String>,
    hosts: Option<Vec<String>>,
    networks: Option<Vec<String>>,
    ports: Option<Vec<Port>>,
    names: Option<Vec<String>>,
    files: Option<Vec<String>>,
    tls: Option<String>,
    cells: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    One(u16),
    Range(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinTable {
    cell: String,
    database: Option<String>,
    transport: Option<String>,
}

impl AllowList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`AllowListError`] at the first thing that is wrong. A list is used whole or not at all.
    pub fn parse(text: &str) -> Result<Self, AllowListError> {
        let file: File = toml::from_str(text).map_err(|error| syntax(text, &error))?;
        if file.version != 1 {
            return Err(AllowListError::Version(file.version));
        }
        let mut list = Self {
            databases: rules("database", &DATABASE_SCHEMES, file.database)?,
            transports: rules("transport", &TRANSPORT_SCHEMES, file.transport)?,
            ..Self::default()
        };
        for (n, table) in file.pin.into_iter().enumerate() {
            let (cell, pin) = pin(&table).map_err(|what| wrong("pin", n, what))?;
            if list.pins.insert(cell, pin).is_some() {
                return Err(wrong("pin", n, "the cell is pinned twice"));
            }
        }
        Ok(list)
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> AllowListError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let line = text.as_bytes()[..at]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1;
    let keys = ["unknown field", "missing field"];
    let message = error.message();
    let hint = match keys.iter().any(|key| message.starts_with(key)) {
        // A key may be written with escapes: it is shown without what they stand for.
        true => format!(": {}", visible(message).collect::<String>()),
        false => String::new(),
    };
    AllowListError::Syntax { line, hint }
}

fn wrong(table: &'static str, n: usize, what: &'static str) -> AllowListError {
    AllowListError::Rule {
        table,
        number: n + 1,
        what,
    }
}

fn rules(
    table: &'static str,
    schemes: &[&str],
    tables: Vec<RuleTable>,
) -> Result<Vec<Rule>, AllowListError> {
    let numbered = tables.into_iter().enumerate();
    numbered
        .map(|(n, rule)| read_rule(schemes, rule).map_err(|what| wrong(table, n, what)))
        .collect()
}

fn read_rule(known: &[&str], table: RuleTable) -> Result<Rule, &'static str> {
    if table.schemes.is_empty() {
        return Err("no schemes");
    }
    if !table
        .schemes
        .iter()
        .all(|scheme| known.contains(&scheme.as_str()))
    {
        return Err("a scheme that is not known here");
    }
    let is = |scheme: &str| table.schemes.iter().any(|listed| listed == scheme);
    let (file, inside) = (is("sqlite"), is("fake"));
    if (file || inside) && table.schemes.len() > 1 {
        return Err("`sqlite` and `fake` need a rule of their own");
    }
    let server = !file && !inside;
    let needs = [
        (
            server,
            table.networks.is_some(),
            "a rule for servers needs `networks`",
        ),
        (
            server,
            table.ports.is_some(),
            "a rule for servers needs `ports`",
        ),
        (
            server,
            table.tls.is_some(),
            "a rule for servers needs `tls`",
        ),
        (!file, table.names.is_some(), "the rule needs `names`"),
        (
            file,
            table.files.is_some(),
            "a rule for `sqlite` needs `files`",
        ),
    ];
    if let Some((_, _, what)) = needs.iter().find(|(wants, has, _)| *wants && !*has) {
        return Err(what);
    }
    if needs.iter().any(|(wants, has, _)| !*wants && *has) || (!server && table.hosts.is_some()) {
        return Err("the rule has a key that its schemes do not use");
    }
    let tls = match table.tls.as_deref() {
        Some("required") => true,
        None | Some("optional") => false,
        Some(_) => return Err("`tls` is \"required\" or \"optional\""),
    };
    let patterns = |texts: Vec<String>| texts.iter().map(|text| Pattern::new(text)).collect();
    let lower = |texts: Vec<String>| {
        let texts = texts.iter();
        texts
            .map(|text| Pattern::new(&text.to_ascii_lowercase()))
            .collect()
    };
    Ok(Rule {
        schemes: table.schemes,
        cells: table.cells.map(|cells| read_cells(&cells)).transpose()?,
        hosts: table.hosts.map(lower),
        networks: read_networks(&table.networks.unwrap_or_default())?,
        ports: read_ports(table.ports.unwrap_or_default())?,
        names: patterns(table.names.unwrap_or_default()),
        files: patterns(table.files.unwrap_or_default()),
        tls,
    })
}

fn read_cells(cells: &[String]) -> Result<Vec<CellId>, &'static str> {
    let cells = cells.iter().map(|cell| cell.parse());
    cells
        .collect::<Result<_, _>>()
        .map_err(|_| "a cell that is not a UUID")
}

fn read_networks(networks: &[String]) -> Result<Vec<IpNet>, &'static str> {
    let read = |text: &String| match text.parse::<IpNet>() {
        // A network written with host bits (`10.1.2.3/8`) nearly always means something else than it says.
        Ok(network) if network.trunc() == network => Ok(network),
        Ok(_) => Err("a network with bits beyond its prefix"),
        Err(_) => text
            .parse::<IpAddr>()
            .map(IpNet::from)
            .map_err(|_| "a network that is not one"),
    };
    networks.iter().map(read).collect()
}

fn read_ports(ports: Vec<Port>) -> Result<Vec<RangeInclusive<u16>>, &'static str> {
    let read = |port: Port| match port {
        Port::One(port) => Ok(port..=port),
        Port::Range(text) => text
            .split_once('-')
            .and_then(|(low, high)| Some(low.parse().ok()?..=high.parse().ok()?))
            .filter(|range| !range.is_empty())
            .ok_or("a port that is neither a number nor `low-high`"),
    };
    ports.into_iter().map(read).collect()
}

fn pin(table: &PinTable) -> Result<(CellId, Pin), &'static str> {
    let cell = table
        .cell
        .parse()
        .map_err(|_| "a cell that is not a UUID")?;
    if table.database.is_none() && table.transport.is_none() {
        return Err("a pin needs `database` or `transport`");
    }
    let database = table.database.as_deref().map(|url| {
        DatabaseLocation::parse(url)
            .map(|location| location.identity())
            .map_err(|_| "`database` is not a database URL")
    });
    let transport = table.transport.as_deref().map(|url| {
        TransportLocation::parse(url)
            .map(|location| location.identity())
            .map_err(|_| "`transport` is not a transport URL")
    });
    Ok((
        cell,
        Pin {
            database: database.transpose()?,
            transport: transport.transpose()?,
        },
    ))
}

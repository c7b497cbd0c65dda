//! One rule of the list, and what a mapping asks of it.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Component, Path};

use ipnet::IpNet;

use crate::id::CellId;
use crate::location::{Broker, BrokerHost, BrokerKind, DatabaseServer, Engine, Host};

use super::pattern::{Pattern, Stop};

/// What about a mapping the list does not have; the later, the nearer it came to being allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The scheme.
    Scheme,
    /// The cell: the rules for such a place are for other cells.
    Cell,
    /// The host's name.
    Host,
    /// The address, written in the mapping or resolved from its name.
    Address,
    /// The port.
    Port,
    /// The name of the database or virtual host.
    Name,
    /// The file.
    File,
    /// The mapping does not ask for TLS, and it has to.
    Tls,
    /// The cell is pinned to another place.
    Pin,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "its scheme",
            Self::Cell => "it for this cell",
            Self::Host => "its host",
            Self::Address => "its address",
            Self::Port => "its port",
            Self::Name => "its database or virtual host",
            Self::File => "its file",
            Self::Tls => "it without TLS",
            Self::Pin => "it: the cell is pinned elsewhere",
        })
    }
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) schemes: Vec<String>,
    pub(super) cells: Option<Vec<CellId>>,
    pub(super) hosts: Option<Vec<Pattern>>,
    pub(super) networks: Vec<IpNet>,
    pub(super) ports: Vec<RangeInclusive<u16>>,
    pub(super) names: Vec<Pattern>,
    pub(super) files: Vec<Pattern>,
    pub(super) tls: bool,
}

/// One place that a mapping wants to use.
pub(super) enum Wanted<'m> {
    File(&'m Path),
    InProcess(&'m str),
    Server {
        scheme: &'static str,
        host: &'m Host,
        port: u16,
        name: &'m str,
        tls: bool,
    },
}

/// Every scheme a rule can name.
pub(super) const DATABASE_SCHEMES: [&str; 3] = ["mysql", "postgresql", "sqlite"];
pub(super) const TRANSPORT_SCHEMES: [&str; 5] =
    ["rabbit", "redis", "rediss", "redis+sentinel", "fake"];

impl<'m> Wanted<'m> {
    pub(super) fn database(server: &'m DatabaseServer) -> Self {
        Self::Server {
            scheme: match server.engine {
                Engine::MySql => "mysql",
                Engine::PostgreSql => "postgresql",
            },
            host: &server.host,
            port: server.port,
            name: &server.database,
            tls: server.tls.required,
        }
    }

    pub(super) fn broker(broker: &'m Broker, host: &'m BrokerHost) -> Self {
        Self::broker_at(broker, &host.host, host.port)
    }

    /// A host that is not the broker's own: one that its hosts name.
    pub(super) fn broker_at(broker: &'m Broker, host: &'m Host, port: u16) -> Self {
        Self::Server {
            scheme: match broker.kind {
                BrokerKind::Rabbit => "rabbit",
                BrokerKind::Redis => "redis",
                BrokerKind::RedisTls => "rediss",
                BrokerKind::RedisSentinel => "redis+sentinel",
            },
            host,
            port,
            name: &broker.virtual_host,
            tls: broker.asks_for_tls(),
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Self::File(_) => "sqlite",
            Self::InProcess(_) => "fake",
            Self::Server { scheme, .. } => scheme,
        }
    }

    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::File(_) | Self::InProcess(_) => None,
            Self::Server { port, .. } => Some(*port),
        }
    }
}

impl Rule {
    pub(super) fn check(&self, cell: CellId, wanted: &Wanted<'_>) -> Result<(), Refusal> {
        let require = |met: bool, refusal: Refusal| if met { Ok(()) } else { Err(refusal) };
        require(
            self.schemes.iter().any(|scheme| scheme == wanted.scheme()),
            Refusal::Scheme,
        )?;
        let for_cell = self
            .cells
            .as_ref()
            .is_none_or(|cells| cells.contains(&cell));
        require(for_cell, Refusal::Cell)?;
        match wanted {
            Wanted::File(path) => require(self.has_file(path), Refusal::File),
            Wanted::InProcess(name) => require(self.has_name(name), Refusal::Name),
            Wanted::Server {
                host,
                port,
                name,
                tls,
                ..
            } => {
                match host {
                    Host::Address(address) => {
                        require(self.has_address(*address), Refusal::Address)?;
                    }
                    Host::Name(name) => require(self.has_host(name), Refusal::Host)?,
                }
                let has_port = self.ports.iter().any(|range| range.contains(port));
                require(has_port, Refusal::Port)?;
                require(self.has_name(name), Refusal::Name)?;
                require(*tls || !self.tls, Refusal::Tls)
            }
        }
    }

    /// Whether the address is in one of the rule's networks; an IPv4 address in IPv6 clothes counts as IPv4.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    fn has_host(&self, name: &str) -> bool {
        self.hosts
            .as_ref()
            .is_none_or(|hosts| hosts.iter().any(|host| host.matches(name, Stop::Nothing)))
    }

    fn has_name(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|known| known.matches(name, Stop::Nothing))
    }

    fn has_file(&self, path: &Path) -> bool {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        let Some(path) = path.to_str().filter(|_| !climbs) else {
            return false;
        };
        self.files
            .iter()
            .any(|known| known.matches(path, Stop::Slash))
    }
}

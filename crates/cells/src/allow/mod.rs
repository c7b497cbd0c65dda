//! The allow-list: which databases and buses an operator lets mappings name. What it does not list is refused.
//!
//! It is checked twice. On the parsed mapping, when it is loaded: scheme, host, port, name, TLS, and pins of single
//! cells. And on the address that a connector is about to use ([`CellMapping::check_address`]): a name that is allowed
//! but resolves to an address outside the rule's networks is refused there, so that whoever controls DNS cannot move a
//! cell. Nothing is resolved or connected here.
//!
//! [`CellMapping::check_address`]: crate::CellMapping::check_address

mod file;
mod learn;
mod pattern;
mod rule;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use crate::id::CellId;
use crate::location::{Broker, DatabaseLocation, Host, TransportLocation};
use crate::mapping::CellMapping;
use crate::problem::{Field, InvalidMapping, Problem, ProblemKind};

use rule::{Rule, Wanted};

pub use file::AllowListError;
pub use rule::Refusal;

/// Which databases and buses mappings may name. Read with [`parse`](Self::parse), written for today's mappings with
/// [`learn`](Self::learn).
#[derive(Debug, Default)]
pub struct AllowList {
    databases: Vec<Rule>,
    transports: Vec<Rule>,
    pins: HashMap<CellId, Pin>,
}

/// What one cell is fixed to, as [`DatabaseLocation::identity`] and [`TransportLocation::identity`] name it.
#[derive(Debug, Default)]
struct Pin {
    database: Option<String>,
    transport: Option<String>,
}

/// Which of a cell's two legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Its database.
    Database,
    /// Its bus.
    Transport,
}

impl Leg {
    pub(crate) fn field(self) -> Field {
        match self {
            Self::Database => Field::Database,
            Self::Transport => Field::Transport,
        }
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::Transport => "bus",
        })
    }
}

impl AllowList {
    /// Whether the list lets a mapping name what it names.
    ///
    /// # Errors
    /// [`InvalidMapping`] with [`ProblemKind::NotAllowed`] for each leg that is not allowed.
    pub fn check(&self, mapping: &CellMapping) -> Result<(), InvalidMapping> {
        let mut problems = Vec::new();
        for leg in [Leg::Database, Leg::Transport] {
            if let Err(refusal) = self.check_leg(mapping, leg) {
                problems.push(Problem {
                    field: leg.field(),
                    kind: ProblemKind::NotAllowed(refusal),
                });
            }
        }
        InvalidMapping::unless_none(problems)
    }

    fn check_leg(&self, mapping: &CellMapping, leg: Leg) -> Result<(), Refusal> {
        let pin = self.pins.get(&mapping.id());
        let pinned = match leg {
            Leg::Database => pin.and_then(|pin| pin.database.as_ref()),
            Leg::Transport => pin.and_then(|pin| pin.transport.as_ref()),
        };
        if pinned.is_some_and(|pinned| *pinned != identity(mapping, leg)) {
            return Err(Refusal::Pin);
        }
        for wanted in wanted(mapping, leg) {
            // The rule that came nearest says what is missing.
            let mut nearest = Refusal::Scheme;
            let allowed = self.rules(leg).iter().any(|rule| {
                let checked = rule.check(mapping.id(), &wanted);
                nearest = nearest.max(checked.err().unwrap_or(Refusal::Scheme));
                checked.is_ok()
            });
            if !allowed {
                return Err(nearest);
            }
        }
        Ok(())
    }

    /// Whether a connector may use this address for this leg of a mapping that [`check`](Self::check) let pass.
    pub(crate) fn check_address(
        &self,
        mapping: &CellMapping,
        leg: Leg,
        address: IpAddr,
        port: u16,
    ) -> Result<(), Refusal> {
        let mut nearest = Refusal::Port;
        for wanted in wanted(mapping, leg).filter(|wanted| wanted.port() == Some(port)) {
            for rule in self.rules(leg) {
                match rule.check(mapping.id(), &wanted) {
                    Ok(()) if rule.has_address(address) => return Ok(()),
                    Ok(()) => nearest = Refusal::Address,
                    Err(_) => {}
                }
            }
        }
        Err(nearest)
    }

    /// Whether a connector may use this address of a host that a bus's own hosts name: as if the mapping named it.
    pub(crate) fn check_named(
        &self,
        mapping: &CellMapping,
        broker: &Broker,
        host: &Host,
        address: IpAddr,
        port: u16,
    ) -> Result<(), Refusal> {
        let wanted = Wanted::broker_at(broker, host, port);
        let mut nearest = Refusal::Scheme;
        for rule in self.rules(Leg::Transport) {
            match rule.check(mapping.id(), &wanted) {
                Ok(()) if rule.has_address(address) => return Ok(()),
                Ok(()) => nearest = Refusal::Address,
                Err(refusal) => nearest = nearest.max(refusal),
            }
        }
        Err(nearest)
    }

    fn rules(&self, leg: Leg) -> &[Rule] {
        match leg {
            Leg::Database => &self.databases,
            Leg::Transport => &self.transports,
        }
    }
}

fn identity(mapping: &CellMapping, leg: Leg) -> String {
    match leg {
        Leg::Database => mapping.database().identity(),
        Leg::Transport => mapping.transport().identity(),
    }
}

/// What a leg asks for: one thing for each host.
fn wanted(mapping: &CellMapping, leg: Leg) -> impl Iterator<Item = Wanted<'_>> {
    let (one, many) = match leg {
        Leg::Database => match mapping.database() {
            DatabaseLocation::Sqlite(file) => (Some(Wanted::File(file.path())), None),
            DatabaseLocation::Server(server) => (Some(Wanted::database(server)), None),
        },
        Leg::Transport => match mapping.transport() {
            // Only cell0 can have none, and there is nothing that could be connected to.
            TransportLocation::None => (None, None),
            TransportLocation::InProcess { name } => (Some(Wanted::InProcess(name)), None),
            TransportLocation::Broker(broker) => (None, Some(broker)),
        },
    };
    let hosts = many.into_iter().flat_map(|broker| {
        let hosts = broker.hosts.iter();
        hosts.map(move |host| Wanted::broker(broker, host))
    });
    one.into_iter().chain(hosts)
}

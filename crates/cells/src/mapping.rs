//! The cell mapping: a row of `nova_api.cell_mappings` that was read, filled in and checked.
//!
//! A [`CellMapping`] that exists is valid. What a row held before that is a [`RawCellMapping`], which nothing else in
//! this crate takes. Rules between rows (duplicates) are the snapshot's; whether a location is allowed is a list's.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::allow::{AllowList, Leg, Refusal};
use crate::defaults::UrlDefaults;
use crate::id::CellId;
use crate::label::CellLabel;
use crate::location::{BrokerKind, Canonical, DatabaseLocation, Host, TransportLocation};
use crate::problem::{Field, InvalidMapping, Problem, ProblemKind};
use crate::revision::{Revision, RevisionKey};
use crate::secret::SecretText;
use crate::template;

/// A row as a source gave it, with nothing checked.
#[derive(Debug, Clone, Default)]
pub struct RawCellMapping {
    /// `uuid`
    pub uuid: String,
    /// `name`
    pub name: Option<String>,
    /// `database_connection`, maybe a template.
    pub database_connection: Option<SecretText>,
    /// `transport_url`, maybe a template.
    pub transport_url: Option<SecretText>,
    /// `disabled`; Nova reads NULL as false.
    pub disabled: bool,
}

/// A valid cell mapping: immutable, cheap to clone.
#[derive(Clone)]
pub struct CellMapping(Arc<Inner>);

/// Apart from the count of its holders: callers come and go, while others read what is here.
#[derive(Clone)]
#[repr(align(64))]
struct Inner {
    id: CellId,
    label: CellLabel,
    database: DatabaseLocation,
    /// Without what the host's own configuration adds, where it adds something.
    stored: Option<DatabaseLocation>,
    transport: TransportLocation,
    disabled: bool,
    revision: Revision,
    /// What no two cells may share, as the locations name it.
    database_identity: Arc<str>,
    bus_identity: Option<Arc<str>>,
    allow: Option<Arc<AllowList>>,
}

/// Nova's column is `varchar(255)`.
const NAME_CHARS: usize = 255;

impl CellMapping {
    /// Reads a row: fills the templates in, reads both URLs, checks cell0's rules.
    ///
    /// # Errors
    /// [`InvalidMapping`] with every problem of the row. It names columns and never repeats a URL.
    pub fn parse(
        raw: &RawCellMapping,
        defaults: &UrlDefaults,
        key: &RevisionKey,
    ) -> Result<Self, InvalidMapping> {
        let mut problems = Vec::new();
        let id: Option<CellId> = raw.uuid.parse().ok();
        if id.is_none() {
            problems.push(Problem {
                field: Field::Uuid,
                kind: ProblemKind::NotAUuid,
            });
        }
        problems.extend(name_problem(raw.name.as_deref()));
        let place = location(
            Field::Database,
            raw.database_connection.as_ref(),
            defaults.database.as_ref(),
            DatabaseLocation::parse,
            &mut problems,
        );
        // Nearly always there is nothing to add, and nothing is kept twice.
        let adds = defaults.database_parameters.is_some();
        let stored = place.as_ref().filter(|_| adds).cloned();
        let database = place.and_then(|place| defaults.complete(place, &mut problems));
        let transport = location(
            Field::Transport,
            raw.transport_url.as_ref(),
            defaults.transport.as_ref(),
            TransportLocation::parse,
            &mut problems,
        )
        .map(|place| place.with_defaults(&defaults.broker));
        if let (Some(id), Some(transport)) = (id, &transport) {
            let kind = match (id.is_cell0(), transport.is_none()) {
                (true, false) => Some(ProblemKind::Cell0Bus),
                (false, true) => Some(ProblemKind::NoBus),
                _ => None,
            };
            problems.extend(kind.map(|kind| Problem {
                field: Field::Transport,
                kind,
            }));
        }
        if raw.disabled && id.is_some_and(CellId::is_cell0) {
            problems.push(Problem {
                field: Field::Disabled,
                kind: ProblemKind::Cell0Disabled,
            });
        }
        InvalidMapping::unless_none(problems)?;
        let (Some(id), Some(database), Some(transport)) = (id, database, transport) else {
            return Err(InvalidMapping::one(Field::Row, ProblemKind::Missing));
        };
        let revision = key.revision(|to| {
            database.canonical(to);
            transport.canonical(to);
            transport.canonical_defaults(to);
        });
        let bus_identity = (!transport.is_none()).then(|| transport.identity().into());
        Ok(Self(Arc::new(Inner {
            id,
            database_identity: database.identity().into(),
            bus_identity,
            stored,
            label: CellLabel::of_row(&raw.uuid.to_ascii_lowercase(), raw.name.as_deref()),
            database,
            transport,
            disabled: raw.disabled,
            revision,
            allow: None,
        })))
    }

    /// The same mapping, where the list has it; the list then also decides which addresses may be used.
    pub(crate) fn allowed_by(self, list: &Arc<AllowList>) -> Result<Self, InvalidMapping> {
        list.check(&self)?;
        let mut inner = Arc::try_unwrap(self.0).unwrap_or_else(|shared| Inner::clone(&shared));
        inner.allow = Some(Arc::clone(list));
        Ok(Self(Arc::new(inner)))
    }

    /// The cell's id.
    #[must_use]
    pub fn id(&self) -> CellId {
        self.0.id
    }

    /// What reports call the cell.
    #[must_use]
    pub fn label(&self) -> &CellLabel {
        &self.0.label
    }

    /// Everything a seal stands for: which cell is where. Its name and whether it is disabled are not part of that:
    /// operators change both in a hurry, and neither leads anywhere else.
    pub(crate) fn canonical(&self, to: &mut Canonical<'_>) {
        to.field("cell", self.id().uuid().as_bytes());
        let stored = self.0.stored.as_ref();
        stored.unwrap_or(&self.0.database).canonical(to);
        self.transport().canonical(to);
    }

    /// What no two cells may have in common, of the database.
    pub(crate) fn database_identity(&self) -> Arc<str> {
        Arc::clone(&self.0.database_identity)
    }

    /// What no two cells may have in common, of the bus; none where there is no bus.
    pub(crate) fn bus_identity(&self) -> Option<Arc<str>> {
        self.0.bus_identity.clone()
    }

    /// Where its database is.
    #[must_use]
    pub fn database(&self) -> &DatabaseLocation {
        &self.0.database
    }

    /// Where its bus is.
    #[must_use]
    pub fn transport(&self) -> &TransportLocation {
        &self.0.transport
    }

    /// Whether the scheduler leaves it out. Nova lists and scatters to disabled cells all the same.
    #[must_use]
    pub fn disabled(&self) -> bool {
        self.0.disabled
    }

    /// Whether nothing at all differs, so that what was opened for one is right for the other.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.0, &other.0) {
            return true;
        }
        self.revision() == other.revision()
            && self.label() == other.label()
            && self.disabled() == other.disabled()
            && self.0.allow.as_ref().map(Arc::as_ptr) == other.0.allow.as_ref().map(Arc::as_ptr)
    }

    /// Whether a connection for this leg may go to this address. Connectors ask for the address they are about to use,
    /// after resolving and for each try: a name that was allowed may resolve to anything.
    ///
    /// Without an allow-list only this is checked: the port is one of the mapping's, and where the mapping names an
    /// address instead of a host name for that port, it is that address.
    ///
    /// # Errors
    /// [`AddressRefused`].
    pub fn check_address(
        &self,
        leg: Leg,
        address: IpAddr,
        port: u16,
    ) -> Result<(), AddressRefused> {
        let places = places(self, leg).filter(|(_, at)| *at == port);
        let named = places.fold(None, |known, (host, _)| {
            let is = match host {
                Host::Name(_) => true,
                Host::Address(written) => written.to_canonical() == address.to_canonical(),
            };
            Some(known.unwrap_or(false) || is)
        });
        let checked = match (named, &self.0.allow) {
            (None, _) => Err(Refusal::Port),
            (Some(false), _) => Err(Refusal::Address),
            (Some(true), Some(list)) => list.check_address(self, leg, address, port),
            (Some(true), None) => Ok(()),
        };
        checked.map_err(|refusal| AddressRefused {
            cell: self.label().clone(),
            leg,
            refusal,
        })
    }

    /// Whether a connection for the bus may go to this address of a host that is not the mapping's own, but that its hosts
    /// name: the Redis that sentinels name. An allow-list has to let pass what it would have to if the mapping named it.
    ///
    /// # Errors
    /// [`AddressRefused`], always for other buses than those.
    pub fn check_named_address(
        &self,
        host: &Host,
        address: IpAddr,
        port: u16,
    ) -> Result<(), AddressRefused> {
        let checked = match (self.transport(), &self.0.allow) {
            (TransportLocation::Broker(broker), allow)
                if broker.kind == BrokerKind::RedisSentinel =>
            {
                allow.as_ref().map_or(Ok(()), |list| {
                    list.check_named(self, broker, host, address, port)
                })
            }
            _ => Err(Refusal::Host),
        };
        checked.map_err(|refusal| AddressRefused {
            cell: self.label().clone(),
            leg: Leg::Transport,
            refusal,
        })
    }

    /// Changes whenever what either URL says changes.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.revision
    }
}

impl fmt::Debug for CellMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CellMapping")
            .field("label", &self.0.label)
            .field("database", &format_args!("{}", self.0.database))
            .field("transport", &format_args!("{}", self.0.transport))
            .field("disabled", &self.0.disabled)
            .field("revision", &self.0.revision)
            .finish()
    }
}

/// An address that a leg may not use. It is not named: what a cell's name resolves to is for protected logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {leg} of cell {cell} may not use that address: nothing allows {refusal}")]
pub struct AddressRefused {
    /// The cell.
    pub cell: CellLabel,
    /// Which leg.
    pub leg: Leg,
    /// What nothing allows.
    pub refusal: Refusal,
}

/// The hosts and ports of a leg.
fn places(mapping: &CellMapping, leg: Leg) -> impl Iterator<Item = (&Host, u16)> {
    let server = match (leg, mapping.database()) {
        (Leg::Database, DatabaseLocation::Server(server)) => Some((&server.host, server.port)),
        _ => None,
    };
    let broker = match (leg, mapping.transport()) {
        (Leg::Transport, TransportLocation::Broker(broker)) => Some(broker),
        _ => None,
    };
    let hosts = broker.into_iter().flat_map(|broker| broker.hosts.iter());
    server
        .into_iter()
        .chain(hosts.map(|host| (&host.host, host.port)))
}

fn name_problem(name: Option<&str>) -> Option<Problem> {
    let name = name?;
    let kind = if name.chars().count() > NAME_CHARS {
        ProblemKind::TooLong(NAME_CHARS)
    } else if name.chars().any(char::is_control) {
        ProblemKind::ControlCharacter
    } else {
        return None;
    };
    Some(Problem {
        field: Field::Name,
        kind,
    })
}

fn location<T>(
    field: Field,
    stored: Option<&SecretText>,
    base: Option<&SecretText>,
    parse: impl Fn(&str) -> Result<T, Vec<ProblemKind>>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let read = match stored {
        None => Err(vec![ProblemKind::Missing]),
        Some(stored) => template::fill(stored, base).and_then(|url| parse(url.expose())),
    };
    match read {
        Ok(location) => Some(location),
        Err(kinds) => {
            problems.extend(kinds.into_iter().map(|kind| Problem { field, kind }));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(uuid: &str, database: &str, transport: &str) -> RawCellMapping {
        RawCellMapping {
            uuid: uuid.into(),
            name: Some("cell1".into()),
            database_connection: Some(database.into()),
            transport_url: Some(transport.into()),
            disabled: false,
        }
    }

    fn parse(raw: &RawCellMapping) -> Result<CellMapping, InvalidMapping> {
        CellMapping::parse(
            raw,
            &UrlDefaults::default(),
            &RevisionKey::from_bytes(b"test"),
        )
    }

    const CELL1: &str = "6d5bd30e-147b-44db-9ceb-1a392e756c36";

    #[test]
    fn a_row_as_nova_writes_it_is_valid() {
        let mapping = parse(&raw(CELL1, "sqlite:///c1.sqlite", "rabbit://n:p@h/c1")).unwrap();
        assert_eq!(mapping.id().to_string(), CELL1);
        assert_eq!(mapping.label().to_string(), format!("{CELL1}(cell1)"));
    }

    #[test]
    fn all_problems_of_a_row_are_named_at_once_and_no_url_is_repeated() {
        let mut row = raw("nope", "mysql://u:hunter2@/d?host=x", "zmq://u:hunter2@h/");
        row.name = Some("a\u{7}".into());
        let error = parse(&row).unwrap_err().to_string();
        for part in [
            "uuid: not a UUID",
            "name: has a control",
            "database_connection: no host",
            "transport_url: unknown",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert!(
            !error.contains("hunter2") && !error.contains("mysql"),
            "{error}"
        );
    }

    #[test]
    fn cell0_has_no_bus_and_is_never_disabled_and_no_other_cell_goes_without() {
        let zero = CellId::CELL0.to_string();
        let mut cell0 = raw(&zero, "sqlite:///c0", "none:///");
        assert!(parse(&cell0).is_ok());
        cell0.disabled = true;
        let refused = parse(&cell0).unwrap_err().to_string();
        assert!(refused.contains("disabled: cell0 cannot"), "{refused}");
        assert!(parse(&raw(&zero, "sqlite:///c0", "rabbit://h/")).is_err());
        assert!(parse(&raw(CELL1, "sqlite:///c1", "none:///")).is_err());
    }

    #[test]
    fn the_revision_follows_the_content_and_not_its_spelling() {
        let of = |db: &str, mq: &str| parse(&raw(CELL1, db, mq)).unwrap().revision();
        let base = of("mysql://u:p@h/d", "rabbit://u:p@h/");
        assert_eq!(
            base,
            of("mysql+pymysql://u:p@H:3306/d", "rabbit://u:p@h:5672//")
        );
        assert_ne!(base, of("mysql://u:other@h/d", "rabbit://u:p@h/"));
        assert_ne!(base, of("mysql://u:p@h/d", "rabbit://u:other@h/"));
        let two = |mq: &str| of("mysql://u:p@h/d", mq);
        assert_eq!(
            two("rabbit://a:1@h1,b:2@h2/"),
            two("rabbit://b:2@h2,a:1@h1/")
        );
        assert_ne!(
            two("rabbit://a:1@h1,b:2@h2/"),
            two("rabbit://a:1@h2,b:2@h1/"),
            "whose login goes where is part of it"
        );
    }
}

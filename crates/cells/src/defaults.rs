//! What a host's own configuration has for the mappings of all cells. Where it comes from is not known here.

use crate::location::{BrokerOptions, DatabaseLocation};
use crate::problem::{Field, Problem, ProblemKind};
use crate::secret::SecretText;

/// What this host's nova.conf has for all mappings: its own URLs, which templates take parts of, and options that hold for
/// every connection it makes. The options are part of a mapping's revision; a seal says nothing of them.
#[derive(Debug, Clone, Default)]
pub struct UrlDefaults {
    /// `[database]connection`
    pub database: Option<SecretText>,
    /// `[database]connection_parameters`, which oslo.db adds to the URL of every cell's database.
    pub database_parameters: Option<SecretText>,
    /// `[DEFAULT]transport_url`
    pub transport: Option<SecretText>,
    /// `[oslo_messaging_rabbit]`
    pub broker: BrokerOptions,
}

impl UrlDefaults {
    /// A database with what this host adds to it.
    pub(crate) fn complete(
        &self,
        place: DatabaseLocation,
        problems: &mut Vec<Problem>,
    ) -> Option<DatabaseLocation> {
        let Some(parameters) = &self.database_parameters else {
            return Some(place);
        };
        let problem = |url| Problem {
            field: Field::Database,
            kind: ProblemKind::HostParameters(url),
        };
        let added = place.with_parameters(parameters);
        added.map_err(|url| problems.push(problem(url))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::{Canonical, TransportLocation};
    use crate::mapping::{CellMapping, RawCellMapping};
    use crate::revision::RevisionKey;

    #[test]
    fn the_hosts_own_options_hold_for_every_cell_and_are_of_its_revision_alone() {
        let row = RawCellMapping {
            uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
            name: None,
            database_connection: Some("mysql://u:p@h/d".into()),
            transport_url: Some("rabbit://u:p@h/c1".into()),
            disabled: false,
        };
        let key = RevisionKey::from_bytes(b"test");
        let with = |parameters: Option<&str>, ssl: &str| {
            let options = [("ssl".to_owned(), ssl.to_owned())];
            let defaults = UrlDefaults {
                database_parameters: parameters.map(SecretText::from),
                broker: BrokerOptions::new(options).unwrap(),
                ..UrlDefaults::default()
            };
            CellMapping::parse(&row, &defaults, &key)
        };
        let sealed = |mapping: &CellMapping| {
            let mut bytes = Vec::new();
            mapping.canonical(&mut Canonical::to(&mut |part| {
                bytes.extend_from_slice(part)
            }));
            bytes
        };
        let plain = with(None, "").unwrap();
        assert_eq!(
            plain.revision(),
            CellMapping::parse(&row, &UrlDefaults::default(), &key)
                .unwrap()
                .revision()
        );
        let secured = with(Some("ssl_ca=/ca.pem"), "true").unwrap();
        assert_ne!(secured.revision(), plain.revision());
        assert_ne!(
            secured.revision(),
            with(Some("ssl_ca=/ca.pem"), "").unwrap().revision()
        );
        assert_eq!(sealed(&secured), sealed(&plain));
        match (secured.database(), secured.transport()) {
            (DatabaseLocation::Server(server), TransportLocation::Broker(broker)) => {
                assert!(server.tls.required && broker.asks_for_tls());
            }
            other => panic!("{other:?}"),
        }
        let refused = with(Some("sslmode=disable"), "").unwrap_err().to_string();
        assert_eq!(
            refused,
            "database_connection: with [database]connection_parameters of this host: unknown option `sslmode`"
        );
    }
}

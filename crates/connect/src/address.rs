//! Where connections may go. A host's name is resolved here and nowhere else, every address is put to the mapping's
//! check, and what is connected to is exactly an address that passed.
//!
//! A driver that was handed the name would resolve it a second time, and whoever answers for that name could give the
//! check one address and the driver another. So drivers are handed addresses. How they still verify a certificate for
//! the name is each connector's matter; nothing is connected here.

use std::io;
#[cfg(test)]
use std::net::IpAddr;
use std::net::SocketAddr;

use cells::{AddressRefused, CellMapping, Host, Leg};

/// The addresses that one leg of a cell may use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Addresses {
    /// None where no mapping names the place but this host's own configuration does, as for the API database.
    of: Option<(CellMapping, Leg)>,
    /// Whether the hosts are not the mapping's own, but named by those.
    named: bool,
    #[cfg(test)]
    fixed: Option<Vec<IpAddr>>,
}

impl Addresses {
    /// The ones that a cell's mapping, and the allow-list it passed, let this leg use.
    pub(crate) fn of_cell(mapping: &CellMapping, leg: Leg) -> Self {
        Self {
            of: Some((mapping.clone(), leg)),
            named: false,
            #[cfg(test)]
            fixed: None,
        }
    }

    #[cfg(feature = "_server")]
    /// Any: for places that this host's own configuration names.
    pub(crate) fn any() -> Self {
        Self {
            of: None,
            named: false,
            #[cfg(test)]
            fixed: None,
        }
    }

    /// The same for hosts that the bus's own hosts name.
    #[cfg(feature = "redis")]
    pub(crate) fn of_named_hosts(&self) -> Self {
        Self {
            named: true,
            ..self.clone()
        }
    }

    /// As if every name had these addresses.
    #[cfg(test)]
    pub(crate) fn resolving_to(self, addresses: &[IpAddr]) -> Self {
        Self {
            fixed: Some(addresses.to_vec()),
            ..self
        }
    }

    /// The addresses of a host that may be connected to, in the resolver's order. Those that are refused are left out;
    /// where none is left, that is the error.
    ///
    /// # Errors
    /// What the resolver says; or the refusal, which [`refused`] recognises and which names no address.
    ///
    /// # Cancel safety
    /// Nothing is changed; a look-up under way ends by itself.
    pub(crate) async fn resolve(&self, host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = match host {
            Host::Address(address) => vec![SocketAddr::new(*address, port)],
            Host::Name(name) => self.look_up(name, port).await?,
        };
        let (mut allowed, mut last) = (Vec::with_capacity(found.len()), None);
        for at in found {
            match self.check(host, at) {
                Ok(()) if allowed.contains(&at) => {}
                Ok(()) => allowed.push(at),
                Err(refusal) => {
                    tracing::warn!(%refusal, "an address that a host's name has is not used");
                    last = Some(refusal);
                }
            }
        }
        match (allowed.is_empty(), last) {
            (false, _) => Ok(allowed),
            (true, Some(refusal)) => Err(io::Error::new(io::ErrorKind::PermissionDenied, refusal)),
            (true, None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the host's name has no address",
            )),
        }
    }

    fn check(&self, host: &Host, at: SocketAddr) -> Result<(), AddressRefused> {
        match &self.of {
            Some((mapping, _)) if self.named => {
                mapping.check_named_address(host, at.ip(), at.port())
            }
            Some((mapping, leg)) => mapping.check_address(*leg, at.ip(), at.port()),
            None => Ok(()),
        }
    }

    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        #[cfg(test)]
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.iter().map(|ip| SocketAddr::new(*ip, port)).collect());
        }
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }
}

/// Whether an error says that no address of a host may be used. The class for it is
/// [`ErrorClass::Configuration`](cells::ErrorClass::Configuration): either the list or the name is wrong.
pub(crate) fn refused(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<AddressRefused>())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use cells::{AllowList, Cells, CellsOptions, RawCellMapping, RevisionKey, StaticSource};
    use context::Deadline;

    use super::*;
    use crate::{ConnectorOptions, NovaConnector};

    /// A mapping that passed a list which has these networks.
    pub(crate) async fn mapping(database: &str, networks: &str) -> CellMapping {
        let row = RawCellMapping {
            uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
            name: Some("cell1".into()),
            database_connection: Some(database.into()),
            transport_url: Some("fake:///c1".into()),
            disabled: false,
        };
        let list = format!(
            "version = 1\n[[database]]\nschemes = [\"mysql\", \"postgresql\"]\nnetworks = [{networks}]\n\
             ports = [\"1-65535\"]\nnames = [\"*\"]\ntls = \"optional\"\n[[transport]]\nschemes = [\"fake\"]\nnames = [\"*\"]\n"
        );
        let mut options = CellsOptions::new(RevisionKey::from_bytes(b"test"));
        options.allow = Some(Arc::new(AllowList::parse(&list).unwrap()));
        let connector = NovaConnector::new(ConnectorOptions::default());
        let cells = Cells::with_options(StaticSource::new(vec![row]), connector, options);
        let loaded = cells
            .refresh(Deadline::after(Duration::from_secs(60)))
            .await;
        let snapshot = loaded.unwrap();
        let mapping = snapshot.mappings().next().cloned();
        mapping.unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn only_addresses_that_the_list_has_are_left_and_each_once() {
        let mapping = mapping("mysql://nova:s@db.test/nova", "\"10.1.0.0/16\"").await;
        let name = Host::Name("db.test".into());
        let addresses = Addresses::of_cell(&mapping, Leg::Database).resolving_to(&[
            ip("192.0.2.1"),
            ip("10.1.0.7"),
            ip("10.1.0.7"),
            ip("::ffff:10.1.0.8"),
        ]);
        let allowed = addresses.resolve(&name, 3306).await.unwrap();
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        assert_eq!(allowed, ["10.1.0.7:3306", "[::ffff:10.1.0.8]:3306"]);
    }

    #[tokio::test]
    async fn a_name_that_leads_only_elsewhere_is_refused_without_naming_the_address() {
        let mapping = mapping("mysql://nova:s@db.test/nova", "\"10.1.0.0/16\"").await;
        let addresses =
            Addresses::of_cell(&mapping, Leg::Database).resolving_to(&[ip("192.0.2.1")]);
        let name = Host::Name("db.test".into());
        let error = addresses.resolve(&name, 3306).await.unwrap_err();
        assert!(refused(&error));
        assert!(!error.to_string().contains("192.0.2.1"), "{error}");
        // Nor is another port of the same host.
        let addresses = addresses.resolving_to(&[ip("10.1.0.7")]);
        assert!(refused(&addresses.resolve(&name, 3307).await.unwrap_err()));
        let nowhere = addresses.resolving_to(&[]);
        assert!(!refused(&nowhere.resolve(&name, 3306).await.unwrap_err()));
    }
}

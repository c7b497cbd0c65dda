//! The address that is connected to, on real servers: names are resolved once, checked, and not left to the driver.

use std::sync::Arc;

use cells::{
    AllowList, Cells, CellsOptions, ErrorClass, RawCellMapping, RevisionKey, SecretText,
    StaticSource,
};
use connect::{CellDb, ConnectorOptions, NovaConnector};
use nova_conformance::{MariaDb, Postgres, ServerTls};

use crate::{DATABASE, Server, within};

/// A cell's database at this URL, held to these networks.
async fn held_to(networks: &str, url: &SecretText) -> CellDb {
    let row = RawCellMapping {
        uuid: "6d5bd30e-147b-44db-9ceb-1a392e756c36".into(),
        name: Some("cell1".into()),
        database_connection: Some(url.clone()),
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
    let snapshot = cells.refresh(within(10_000)).await.unwrap();
    let mapping = snapshot.mappings().next().unwrap();
    CellDb::of_cell(mapping, &ConnectorOptions::default()).unwrap()
}

/// The same place by its name.
pub(crate) fn by_name(url: &SecretText, query: &str) -> SecretText {
    let url = url.expose().replacen("127.0.0.1", "localhost", 1);
    let separator = if url.contains('?') { '&' } else { '?' };
    match query {
        "" => SecretText::new(url),
        query => SecretText::new(format!("{url}{separator}{query}")),
    }
}

async fn check(server: &impl Server, tls: &str) {
    for query in ["", tls] {
        let url = by_name(&server.url(DATABASE), query);
        let elsewhere = held_to("\"192.0.2.0/24\"", &url).await;
        let refused = elsewhere.ping(within(10_000)).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Configuration);
        assert_eq!(server.connections().await, 0, "nothing was connected");
        let here = held_to("\"127.0.0.0/8\", \"::1\"", &url).await;
        here.ping(within(10_000)).await.unwrap();
        here.close();
        crate::connections_fall_to(0, server).await;
    }
}

#[tokio::test]
async fn mariadb_is_reached_at_a_checked_address_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["localhost"]).unwrap();
    let server = MariaDb::start_with(&[DATABASE], Some(tls)).await.unwrap();
    let ca = folder.path().join("ca.pem");
    check(&server, &format!("ssl_ca={}", ca.display())).await;
}

#[tokio::test]
async fn postgres_is_reached_at_a_checked_address_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["localhost"]).unwrap();
    let server = Postgres::start_with(&[DATABASE], Some(tls)).await.unwrap();
    let ca = folder.path().join("ca.pem");
    check(&server, &format!("sslrootcert={}", ca.display())).await;
}

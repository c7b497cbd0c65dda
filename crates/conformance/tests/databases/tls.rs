//! TLS where the mapping asks for it: the peer must be who it should be, and plain text is never fallen back to.

use std::path::Path;

use cells::{ErrorClass, SecretText};
use nova_conformance::{MariaDb, Postgres, ServerTls};

use crate::{DATABASE, open, stages, within};

async fn class(url: &SecretText, query: &str) -> Option<ErrorClass> {
    let separator = if url.expose().contains('?') { '&' } else { '?' };
    let url = SecretText::new(format!("{}{separator}{query}", url.expose()));
    let pinged = open(&url, 1).ping(within(10_000)).await;
    pinged.err().map(|error| error.class())
}

#[tokio::test]
async fn mariadb_over_tls_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let server = MariaDb::start_with(&[DATABASE], Some(tls)).await.unwrap();
    let url = server.url(DATABASE);
    let ca = |name: &str| format!("ssl_ca={}", folder.path().join(name).display());
    assert_eq!(class(&url, &ca("ca.pem")).await, None);
    assert_eq!(
        class(&url, &ca("absent.pem")).await,
        Some(ErrorClass::Configuration)
    );

    let other = tempfile::tempdir().unwrap();
    ServerTls::issued(other.path(), &["127.0.0.1"]).unwrap();
    let other = format!("ssl_ca={}", other.path().join("ca.pem").display());
    assert_eq!(class(&url, &other).await, Some(ErrorClass::Tls));
}

#[tokio::test]
async fn mariadb_without_tls_is_not_fallen_back_to() {
    let folder = tempfile::tempdir().unwrap();
    ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let server = MariaDb::start(&[DATABASE]).await.unwrap();
    let ca = format!("ssl_ca={}", folder.path().join("ca.pem").display());
    assert_eq!(
        class(&server.url(DATABASE), &ca).await,
        Some(ErrorClass::Tls)
    );
}

#[tokio::test]
async fn postgres_over_tls_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["db.example.org"]).unwrap();
    let server = Postgres::start_with(&[DATABASE], Some(tls)).await.unwrap();
    let url = server.url(DATABASE);
    let ca = format!("sslrootcert={}", folder.path().join("ca.pem").display());
    // The authority is trusted, but this certificate is another host's.
    assert_eq!(class(&url, &ca).await, Some(ErrorClass::Tls));
    // Nor is an authority that the system does not know.
    assert_eq!(
        class(&url, "sslmode=verify-full").await,
        Some(ErrorClass::Tls)
    );
}

#[tokio::test]
async fn postgres_over_tls_works_and_without_is_not_fallen_back_to() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let ca = format!("sslrootcert={}", folder.path().join("ca.pem").display());
    let server = Postgres::start_with(&[DATABASE], Some(tls)).await.unwrap();
    assert_eq!(class(&server.url(DATABASE), &ca).await, None);
    let plain = Postgres::start(&[DATABASE]).await.unwrap();
    assert_eq!(
        class(&plain.url(DATABASE), &ca).await,
        Some(ErrorClass::Tls)
    );
}

/// Certificates that are over, and files that are not what they should be.
async fn useless(url: &SecretText, over: &SecretText, folder: &Path, keys: [&str; 3]) {
    let [ca, certificate, key] = keys;
    let at = |name: &str| folder.join(name).display().to_string();
    let trusted = format!("{ca}={}", at("ca.pem"));
    assert_eq!(class(over, &trusted).await, Some(ErrorClass::Tls));
    let head = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
    std::fs::write(folder.join("broken.pem"), head).unwrap();
    std::fs::write(folder.join("empty.pem"), "").unwrap();
    let (pem, own) = (at("client.pem"), at("client.key"));
    for query in [
        format!("{ca}={}", at("empty.pem")),
        format!("{ca}={}", at("broken.pem")),
        format!("{ca}={}", at("client.key")),
        format!("{trusted}&{certificate}={pem}"),
        format!("{trusted}&{key}={own}"),
        format!("{trusted}&{certificate}={pem}&{key}={}", at("server.key")),
        format!("{trusted}&{certificate}={pem}&{key}={pem}"),
        format!("{trusted}&{certificate}={own}&{key}={own}"),
    ] {
        let told = class(url, &query).await;
        assert_eq!(told, Some(ErrorClass::Configuration), "{query}");
    }
}

fn expired(tls: &ServerTls, folder: &Path) -> ServerTls {
    ServerTls {
        certificate: folder.join("over.pem"),
        key: tls.key.clone(),
    }
}

#[tokio::test]
async fn mariadb_with_useless_certificates_is_refused_and_blamed_on_who_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let over = expired(&tls, folder.path());
    let over = MariaDb::start_with(&[DATABASE], Some(over)).await.unwrap();
    let server = MariaDb::start_with(&[DATABASE], Some(tls)).await.unwrap();
    let (url, over) = (server.url(DATABASE), over.url(DATABASE));
    let keys = ["ssl_ca", "ssl_cert", "ssl_key"];
    useless(&url, &over, folder.path(), keys).await;
}

#[tokio::test]
async fn postgres_with_useless_certificates_is_refused_and_blamed_on_who_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let over = expired(&tls, folder.path());
    let over = Postgres::start_with(&[DATABASE], Some(over)).await.unwrap();
    let server = Postgres::start_with(&[DATABASE], Some(tls)).await.unwrap();
    let (url, over) = (server.url(DATABASE), over.url(DATABASE));
    let keys = ["sslrootcert", "sslcert", "sslkey"];
    useless(&url, &over, folder.path(), keys).await;
}

/// With the client's certificate, without one, with one of another authority.
async fn certified(url: &SecretText, folder: &Path, keys: [&str; 3]) {
    let other = tempfile::tempdir().unwrap();
    ServerTls::issued(other.path(), &["127.0.0.1"]).unwrap();
    let [ca, certificate, key] = keys;
    let query = |clients: &Path| {
        format!(
            "{ca}={}&{certificate}={}&{key}={}",
            folder.join("ca.pem").display(),
            clients.join("client.pem").display(),
            clients.join("client.key").display()
        )
    };
    assert_eq!(class(url, &query(folder)).await, None);
    let without = format!("{ca}={}", folder.join("ca.pem").display());
    assert!(matches!(
        class(url, &without).await,
        Some(ErrorClass::Authentication | ErrorClass::Tls)
    ));
    let strange = class(url, &query(other.path())).await;
    // Whether the refusal arrives before the connection breaks is the server's business.
    assert!(
        matches!(
            strange,
            Some(ErrorClass::Authentication | ErrorClass::Tls | ErrorClass::Unreachable)
        ),
        "{strange:?}"
    );
}

#[tokio::test]
async fn mariadb_asks_for_a_client_certificate_and_gets_the_mappings() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let authority = folder.path().join("ca.pem");
    let server = MariaDb::start_for_certified(&[DATABASE], tls, &authority);
    let server = server.await.unwrap();
    let keys = ["ssl_ca", "ssl_cert", "ssl_key"];
    certified(&server.url(DATABASE), folder.path(), keys).await;
}

#[tokio::test]
async fn postgres_asks_for_a_client_certificate_and_gets_the_mappings() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let authority = folder.path().join("ca.pem");
    let server = Postgres::start_for_certified(&[DATABASE], tls, &authority);
    let server = server.await.unwrap();
    let keys = ["sslrootcert", "sslcert", "sslkey"];
    certified(&server.url(DATABASE), folder.path(), keys).await;
}

#[tokio::test]
async fn mariadb_broken_in_the_handshake_is_reported_in_time_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["localhost"]).unwrap();
    let server = MariaDb::start_with(&[DATABASE], Some(tls)).await.unwrap();
    let ca = folder.path().join("ca.pem");
    stages::handshakes(&server, &format!("ssl_ca={}", ca.display())).await;
}

#[tokio::test]
async fn postgres_broken_in_the_handshake_is_reported_in_time_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["localhost"]).unwrap();
    let server = Postgres::start_with(&[DATABASE], Some(tls)).await.unwrap();
    let ca = folder.path().join("ca.pem");
    stages::handshakes(&server, &format!("sslrootcert={}", ca.display())).await;
}

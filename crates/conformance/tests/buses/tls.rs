//! TLS where the mapping asks for it: the broker must be who it should be, and plain text is never fallen back to.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cells::{ErrorClass, SecretText};
use nova_conformance::{RabbitMq, Redis, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::service::Service;
use crate::{compute, open, soon, who, with, within};

/// An authority of its own, and a certificate by it for 127.0.0.1.
fn certificates(folder: &Path) -> ServerTls {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).unwrap();
    std::fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let tls = ServerTls {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
    };
    std::fs::write(&tls.certificate, certificate.pem()).unwrap();
    std::fs::write(&tls.key, key.serialize_pem()).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    tls
}

async fn class(url: &SecretText) -> Option<ErrorClass> {
    let checked = open(url).check(within(20_000)).await;
    checked.err().map(|error| error.class())
}

/// Speaks with the broker over TLS, and not with one that nobody vouches for.
async fn is_verified(url: &SecretText, folder: &Path) {
    let ca = |folder: &Path| format!("ssl_ca_file={}", folder.join("ca.pem").display());
    let trusted = with(url, &ca(folder));
    let bus = open(&trusted);
    let service = Service::new("host1");
    let _serving = bus
        .serve("compute", "host1", service, soon())
        .await
        .unwrap();
    let answer = bus.call(compute("host1"), who(), soon()).await.unwrap();
    assert_eq!(answer, json!("host1"));

    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    assert_eq!(
        class(&with(url, &ca(other.path()))).await,
        Some(ErrorClass::Tls)
    );
    // Nor is an authority that the system does not know.
    assert_eq!(class(url).await, Some(ErrorClass::Tls));
    let absent = with(url, "ssl_ca_file=/nonesuch.pem");
    assert_eq!(class(&absent).await, Some(ErrorClass::Configuration));
    // The name counts, not only the authority.
    let named = trusted.expose().replace("@127.0.0.1", "@localhost");
    assert_eq!(class(&named.as_str().into()).await, Some(ErrorClass::Tls));
}

#[tokio::test]
async fn rabbitmq_over_tls_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let tls = certificates(folder.path());
    let server = RabbitMq::start_with(&[], Some(tls)).await.unwrap();
    is_verified(&with(&server.url("/"), "ssl=true"), folder.path()).await;
}

#[tokio::test]
async fn redis_over_tls_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let tls = certificates(folder.path());
    let server = Redis::start_with(Some(tls)).await.unwrap();
    is_verified(&server.url(), folder.path()).await;
}

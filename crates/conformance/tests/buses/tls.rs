//! TLS where the mapping asks for it: the broker must be who it should be, and plain text is never fallen back to.

use std::path::Path;

use cells::{ErrorClass, SecretText};
use nova_conformance::{RabbitMq, Redis, ServerTls};
use serde_json::json;

use crate::service::Service;
use crate::{compute, open, soon, who, with, within};

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
    ServerTls::issued(other.path(), &["127.0.0.1"]).unwrap();
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
    let tls = ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let server = RabbitMq::start_with(&[], Some(tls)).await.unwrap();
    is_verified(&with(&server.url("/"), "ssl=true"), folder.path()).await;
}

#[tokio::test]
async fn redis_over_tls_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ServerTls::issued(folder.path(), &["127.0.0.1"]).unwrap();
    let server = Redis::start_with(Some(tls)).await.unwrap();
    is_verified(&server.url(), folder.path()).await;
}

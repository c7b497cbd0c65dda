//! TLS towards Keystone: an operator's own authority is believed, and nobody else is.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use nova_keystone::{KeystoneError, ServiceUser, TrustRoots};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use support::peer::{Peer, Reply};
use support::{admin, client_options, service_options};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const HOUR: Duration = Duration::from_secs(3600);

/// An authority, and a server's certificate of it for `name`.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn trust(&self) -> TrustRoots {
        TrustRoots::from_pem(self.0.pem().as_bytes()).unwrap()
    }

    fn server(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A Keystone behind TLS: what is decrypted goes to the peer in clear. Its port.
async fn behind(tls: TlsAcceptor, peer: &Peer) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, inner) = (listener.local_addr().unwrap().port(), peer.port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(mut outer) = tls.accept(stream).await else {
                    return;
                };
                let mut inner = TcpStream::connect(("127.0.0.1", inner)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    port
}

async fn keystone() -> Peer {
    Peer::start(|_| Reply::issued("own-token-own-token-own-token-own-token-", HOUR)).await
}

fn client(port: u16, trust: TrustRoots) -> ServiceUser {
    let mut client = client_options();
    client.trust = trust;
    let url = format!("https://localhost:{port}/v3");
    support::with_options(&url, admin("secret"), client, service_options())
}

#[tokio::test]
async fn an_operators_own_authority_is_believed() {
    let (peer, authority) = (keystone().await, Authority::new());
    let port = behind(authority.server("localhost"), &peer).await;
    client(port, authority.trust()).token().await.unwrap();
    assert_eq!(peer.count("POST"), 1);
}

#[tokio::test]
async fn another_authority_another_name_or_no_tls_at_all_gets_no_password() {
    let (peer, authority) = (keystone().await, Authority::new());
    let good = behind(authority.server("localhost"), &peer).await;
    let misnamed = behind(authority.server("other.example.org"), &peer).await;
    for (port, trust) in [
        (good, Authority::new().trust()),
        (good, TrustRoots::System),
        (misnamed, authority.trust()),
        (peer.port(), authority.trust()),
    ] {
        let error = client(port, trust).token().await.unwrap_err();
        assert!(matches!(*error, KeystoneError::Connect(_)), "{error:?}");
    }
    assert_eq!(peer.seen().len(), 0);
}

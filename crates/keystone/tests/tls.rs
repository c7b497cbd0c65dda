//! TLS towards Keystone: an operator's own authority is believed, and nobody else is; a certificate of its own is shown
//! where it is asked for.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use nova_keystone::{ClientCertificate, KeystoneError, ServiceUser, TrustRoots};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
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

    /// What a client shows.
    fn client(&self) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["nova-api".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        ClientCertificate::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    fn server(&self, name: &str) -> TlsAcceptor {
        self.server_for(name, None)
    }

    /// A server that serves only those whom `clients` has signed.
    fn server_for(&self, name: &str, clients: Option<&Self>) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.0.der().clone()).unwrap();
                let asks =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(asks.unwrap())
            }
        };
        let config = builder
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
    client_with(port, trust, None)
}

fn client_with(
    port: u16,
    trust: TrustRoots,
    certificate: Option<ClientCertificate>,
) -> ServiceUser {
    let mut client = client_options();
    client.trust = trust;
    client.certificate = certificate;
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

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_shown_the_right_one_or_says_nothing() {
    let (peer, authority, clients) = (keystone().await, Authority::new(), Authority::new());
    let port = behind(authority.server_for("localhost", Some(&clients)), &peer).await;
    for wrong in [None, Some(Authority::new().client())] {
        let refused = client_with(port, authority.trust(), wrong).token().await;
        let error = refused.unwrap_err();
        // With TLS 1.3 a server refuses after the client believes it is connected.
        assert!(
            matches!(
                *error,
                KeystoneError::Connect(_) | KeystoneError::Exchange(_)
            ),
            "{error:?}"
        );
        assert!(error.is_retryable());
    }
    assert_eq!(peer.seen().len(), 0);
    let right = client_with(port, authority.trust(), Some(clients.client()));
    right.token().await.unwrap();
    assert_eq!(peer.count("POST"), 1);
    // A server that does not ask is not shown anything, and does not mind.
    let plain = behind(authority.server("localhost"), &peer).await;
    let right = client_with(plain, authority.trust(), Some(clients.client()));
    right.token().await.unwrap();
}

//! TLS to a broker: asked for by the URL, verified for the host's name, and never fallen back from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cells::{Broker, CellError, ErrorClass, Host};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// The files that a transport URL names. The system's authorities are trusted where it names none.
#[derive(Debug, Clone)]
pub(in crate::bus) struct Tls {
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Tls {
    /// What the URL asks for, if it asks for TLS.
    pub(in crate::bus) fn of(broker: &Broker) -> Option<Self> {
        let file = |name: &str| broker.option(name).map(PathBuf::from);
        broker.asks_for_tls().then(|| Self {
            ca: file("ssl_ca_file"),
            certificate: file("ssl_cert_file"),
            key: file("ssl_key_file"),
        })
    }

    /// Reads the files anew: certificates are replaced while processes run.
    pub(in crate::bus) async fn config(&self) -> Result<Arc<ClientConfig>, CellError> {
        let files = self.clone();
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        read.unwrap_or_else(|_| Err(broken("reading certificates was cut short")))
            .map(Arc::new)
    }

    fn read(&self) -> Result<ClientConfig, CellError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(broken)?
            .with_root_certificates(self.roots()?);
        match (&self.certificate, &self.key) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(certificate), Some(key)) => {
                let of_key = PrivateKeyDer::from_pem_file(key).map_err(|e| useless(key, e))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, of_key)
                    .map_err(|error| useless(key, error))
            }
            _ => Err(broken(
                "a client certificate needs its key, and a key its certificate",
            )),
        }
    }

    fn roots(&self) -> Result<RootCertStore, CellError> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(ca) => {
                for certificate in certificates(ca)? {
                    roots.add(certificate).map_err(|error| useless(ca, error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        match roots.is_empty() {
            true => Err(broken("no certificate authority is trusted")),
            false => Ok(roots),
        }
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CellError> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| useless(file, error))?;
    read.collect::<Result<_, _>>()
        .map_err(|error| useless(file, error))
}

fn useless(file: &Path, why: impl std::fmt::Display) -> CellError {
    let shown = file.display();
    broken(format!("the TLS file {shown} cannot be used: {why}"))
}

fn broken(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CellError {
    CellError::new(ErrorClass::Configuration, why)
}

/// Whom the certificate has to be for.
pub(in crate::bus) fn server_name(host: &Host) -> Result<ServerName<'static>, CellError> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(broken),
    }
}

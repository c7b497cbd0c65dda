//! The TLS files that a mapping names, looked at before a driver gets them: it would call what is wrong with them on this host
//! a failure of the network or of the peer. Whether the peer is who it should be is the driver's to find out.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use cells::TlsOptions;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The contents of the files, in PEM.
pub(super) struct TlsFiles {
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) key: Option<Vec<u8>>,
}

impl TlsFiles {
    /// Reads them anew: certificates are replaced while processes run.
    pub(super) fn of(tls: &TlsOptions) -> Result<Self, sqlx::Error> {
        let read = |path: &Option<std::path::PathBuf>| path.as_deref().map(pem).transpose();
        let files = Self {
            authorities: read(&tls.ca)?,
            certificate: read(&tls.certificate)?,
            key: read(&tls.key)?,
        };
        files.look(tls)?;
        Ok(files)
    }

    /// Whether anybody could make a connection with them.
    fn look(&self, tls: &TlsOptions) -> Result<(), sqlx::Error> {
        let mut roots = RootCertStore::empty();
        if let (Some(text), Some(path)) = (&self.authorities, &tls.ca) {
            for certificate in certificates(text, path)? {
                roots
                    .add(certificate)
                    .map_err(|error| useless(path, error))?;
            }
        }
        let (certificate, key) = match (&self.certificate, &self.key) {
            (None, None) => return Ok(()),
            (Some(certificate), Some(key)) => (certificate, key),
            _ => {
                let why = "a client certificate needs its key, and a key its certificate";
                return Err(sqlx::Error::Configuration(why.into()));
            }
        };
        let path = |path: &Option<std::path::PathBuf>| path.clone().unwrap_or_default();
        let (of_certificate, of_key) = (path(&tls.certificate), path(&tls.key));
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| useless(&of_key, error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| useless(&of_certificate, error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates(certificate, &of_certificate)?, key)
            .map_err(|error| useless(&of_key, error))?;
        Ok(())
    }
}

fn certificates(text: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, sqlx::Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match all {
        Ok(all) if all.is_empty() => Err(useless(path, "it has no certificate")),
        Ok(all) => Ok(all),
        Err(error) => Err(useless(path, error)),
    }
}

fn pem(path: &Path) -> Result<Vec<u8>, sqlx::Error> {
    let text = std::fs::read(path).map_err(|error| useless(path, error))?;
    match text.windows(11).any(|window| window == b"-----BEGIN ") {
        true => Ok(text),
        false => Err(useless(path, "it is not in PEM")),
    }
}

fn useless(path: &Path, why: impl fmt::Display) -> sqlx::Error {
    let shown = path.display();
    sqlx::Error::Configuration(format!("the TLS file {shown} cannot be used: {why}").into())
}

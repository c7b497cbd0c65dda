//! Whom the TLS client believes: the system's certificate authorities, or an operator's own and no other.
//!
//! rustls on ring, TLS 1.2 and 1.3. There is no switch that turns verification off.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::certificate::ClientCertificate;

/// Certificate authorities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TrustRoots {
    /// Those of the system, read once when the client is made.
    #[default]
    System,
    /// These only (`[keystone_authtoken]cafile`).
    Only(Authorities),
}

/// An operator's own certificate authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// Certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTrust {
    /// Not a PEM file.
    #[error("the file of certificate authorities is not PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// No certificate at all: nobody would be believed.
    #[error("there is no certificate authority")]
    Empty,
    /// One that rustls cannot use as an authority.
    #[error("certificate {index} cannot be used as an authority")]
    Certificate {
        /// Which one, from 0.
        index: usize,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// rustls refuses its own defaults.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl TrustRoots {
    /// The certificates of a PEM file's content.
    ///
    /// # Errors
    /// [`InvalidTrust::Pem`], [`InvalidTrust::Empty`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidTrust> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(InvalidTrust::Pem)?;
        match certificates.is_empty() {
            true => Err(InvalidTrust::Empty),
            false => Ok(Self::Only(Authorities(certificates))),
        }
    }

    /// A client's side of TLS. Names ring itself, so that no process-wide default is needed or heeded.
    pub(crate) fn client(
        &self,
        shown: Option<&ClientCertificate>,
    ) -> Result<ClientConfig, InvalidTrust> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                // Systems carry the odd certificate nobody can parse; the others are good.
                roots.add_parsable_certificates(found.certs);
            }
            Self::Only(Authorities(certificates)) => {
                for (index, certificate) in certificates.iter().enumerate() {
                    roots
                        .add(certificate.clone())
                        .map_err(|source| InvalidTrust::Certificate { index, source })?;
                }
            }
        }
        match roots.is_empty() {
            true => Err(InvalidTrust::Empty),
            false => with_roots(roots, shown),
        }
    }

    /// A client that believes nobody: for plain connections, where the HTTP client wants a TLS side all the same.
    pub(crate) fn nobody() -> Result<ClientConfig, InvalidTrust> {
        with_roots(RootCertStore::empty(), None)
    }
}

fn with_roots(
    roots: RootCertStore,
    shown: Option<&ClientCertificate>,
) -> Result<ClientConfig, InvalidTrust> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match shown {
        None => builder.with_no_client_auth(),
        Some(certificate) => builder.with_client_cert_resolver(certificate.resolver()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_no_trust_at_all() {
        assert!(matches!(
            TrustRoots::from_pem(b"nothing here"),
            Err(InvalidTrust::Empty)
        ));
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            TrustRoots::from_pem(broken),
            Err(InvalidTrust::Pem(_))
        ));
        let hollow = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let hollow = TrustRoots::from_pem(hollow).unwrap();
        assert!(matches!(
            hollow.client(None),
            Err(InvalidTrust::Certificate { index: 0, .. })
        ));
    }
}

//! What this process shows of itself in TLS, where Keystone (or the proxy before it) wants to see a certificate
//! (`[keystone_authtoken]certfile`, `keyfile`).
//!
//! It proves the connection, not the service user: authentication by certificate alone (tokenless, OAuth2) is not spoken.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroize as _;

/// A certificate with its chain, and the private key to it. The key's text is wiped as soon as it is read; the
/// cryptographic library keeps the key itself until the last client that uses it is dropped, and does not wipe it.
///
/// ```compile_fail,E0369
/// fn same(a: &nova_keystone::ClientCertificate, b: &nova_keystone::ClientCertificate) -> bool {
///     a == b
/// }
/// ```
#[derive(Clone)]
pub struct ClientCertificate(Arc<CertifiedKey>);

/// Certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCertificate {
    /// The certificates are not PEM.
    #[error("the client's certificates are not PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// There is none.
    #[error("there is no client certificate")]
    Empty,
    /// The key is not PEM, or there is none.
    #[error("the client's private key is missing or not PEM")]
    KeyPem,
    /// A key of a kind that cannot sign, or that is broken.
    #[error("the client's private key cannot be used")]
    Key,
    /// The first certificate is another key's.
    #[error("the client's certificate and private key do not belong together")]
    Mismatch,
}

impl ClientCertificate {
    /// Reads the contents of both files: the certificate first, then those that lead to its authority; one private key
    /// (PKCS #8, PKCS #1 or SEC 1), not encrypted. `key` is the caller's to wipe.
    ///
    /// # Errors
    /// [`InvalidCertificate`], which repeats nothing of the key.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, InvalidCertificate> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(InvalidCertificate::Pem)?;
        if chain.is_empty() {
            return Err(InvalidCertificate::Empty);
        }
        let mut key = PrivateKeyDer::from_pem_slice(key).map_err(|_| InvalidCertificate::KeyPem)?;
        let signer = ring::sign::any_supported_type(&key);
        key.zeroize();
        let signer = signer.map_err(|_| InvalidCertificate::Key)?;
        let certified = CertifiedKey::new(chain, signer);
        certified
            .keys_match()
            .map_err(|_| InvalidCertificate::Mismatch)?;
        Ok(Self(Arc::new(certified)))
    }

    pub(crate) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate and its key, both PEM.
    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["nova".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn read(certificates: &str, key: &str) -> Result<ClientCertificate, InvalidCertificate> {
        ClientCertificate::from_pem(certificates.as_bytes(), key.as_bytes())
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_and_do_not_print() {
        let (certificate, key) = pair();
        let shown = format!("{:?}", read(&certificate, &key).unwrap());
        assert_eq!(shown, "ClientCertificate { certificates: 1, .. }");
    }

    #[test]
    fn what_does_not_make_a_pair_is_named_and_not_repeated() {
        let ((certificate, key), (_, other)) = (pair(), pair());
        let hollow = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let why = |certificate: &str, key: &str| read(certificate, key).unwrap_err().to_string();
        for (found, expected) in [
            (why(broken, &key), "the client's certificates are not PEM"),
            (why("", &key), "there is no client certificate"),
            (
                why(&certificate, ""),
                "the client's private key is missing or not PEM",
            ),
            (
                why(&certificate, hollow),
                "the client's private key cannot be used",
            ),
            (
                why(&certificate, &other),
                "the client's certificate and private key do not belong together",
            ),
        ] {
            assert_eq!(found, expected);
        }
    }
}

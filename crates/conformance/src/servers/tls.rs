//! Certificates for servers and their clients, by an authority that no system knows.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SigningKey, date_time_ymd,
};

use super::error::ServerError;
use super::setup::{Ids, copied};

/// Files of a server that is to speak TLS, in PEM.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl ServerTls {
    /// Makes an authority and what it certifies, in this folder, which everybody may enter then: `ca.pem`; `server.pem` and
    /// `server.key`, for these names, which are given; `over.pem`, the same server's, out of date for years; and a client's,
    /// `client.pem` and `client.key`.
    ///
    /// # Errors
    /// [`ServerError::Io`] where one cannot be made or written.
    pub fn issued(folder: &Path, names: &[&str]) -> Result<Self, ServerError> {
        issue(folder, names).map_err(ServerError::io("making certificates"))
    }

    /// Copies of both files that the server's user can read and nobody else, which servers insist on.
    pub(super) fn copied(&self, folder: &Path, ids: Option<Ids>) -> Result<Self, ServerError> {
        Ok(Self {
            certificate: copied(&self.certificate, folder, "server.pem", ids)?,
            key: copied(&self.key, folder, "server.key", ids)?,
        })
    }
}

fn issue(folder: &Path, names: &[&str]) -> io::Result<ServerTls> {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text);
    let authority_key = KeyPair::generate().map_err(io::Error::other)?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
    let name = DnType::CommonName;
    authority.distinguished_name.push(name, "an authority");
    let certificate = authority.self_signed(&authority_key);
    write("ca.pem", certificate.map_err(io::Error::other)?.pem())?;
    let issuer = Issuer::new(authority, authority_key);

    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut server = CertificateParams::new(names).map_err(io::Error::other)?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    write("server.pem", signed(&server, &key, &issuer)?)?;
    write("server.key", key.serialize_pem())?;
    server.not_before = date_time_ymd(2001, 1, 1);
    server.not_after = date_time_ymd(2002, 1, 1);
    write("over.pem", signed(&server, &key, &issuer)?)?;

    let client = KeyPair::generate().map_err(io::Error::other)?;
    let of_client = CertificateParams::default();
    write("client.pem", signed(&of_client, &client, &issuer)?)?;
    write("client.key", client.serialize_pem())?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    Ok(ServerTls {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
    })
}

fn signed(
    what: &CertificateParams,
    key: &KeyPair,
    by: &Issuer<'_, impl SigningKey>,
) -> io::Result<String> {
    let certificate = what.signed_by(key, by).map_err(io::Error::other)?;
    Ok(certificate.pem())
}

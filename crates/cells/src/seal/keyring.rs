//! The keys that a service trusts, and those it does not trust any more.
//!
//! A trusted-keys file is one `PREFIX.pub` after the other, and lines `revoked <key id>`. Exchanging keys: trust both,
//! sign with the new one, drop the old one (or give it a `not-after` from the beginning). A revoked key is refused
//! whichever file names it as trusted.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::SystemTime;

use crate::files;

use super::key::{DigestKey, KeyId, MAX_FILE, SealError, TrustedKey};
use super::manifest::SealManifest;
use super::state::SealState;
use crate::lines::{Lines, Malformed};

/// The keys whose manifests are believed.
#[derive(Debug, Clone, Default)]
pub struct SealKeyring {
    keys: HashMap<KeyId, TrustedKey>,
    revoked: HashSet<KeyId>,
}

impl SealKeyring {
    /// Reads trusted-keys files.
    ///
    /// # Errors
    /// [`SealError`] at the first file that cannot be read: a ring with a key missing, or a revocation, is not used.
    pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Self, SealError> {
        let mut ring = Self::default();
        for path in paths {
            let path = path.as_ref();
            let bytes = files::read(path, MAX_FILE).map_err(SealError::file(path))?;
            ring.add_file(&bytes)?;
        }
        Ok(ring)
    }

    /// Adds the keys and revocations of a trusted-keys file's text.
    ///
    /// # Errors
    /// [`SealError::MalformedKey`]; nothing of the text was added.
    pub fn add_file(&mut self, bytes: &[u8]) -> Result<(), SealError> {
        let read = || -> Result<_, Malformed> {
            let (mut keys, mut revoked) = (Vec::new(), Vec::new());
            let mut lines = Lines::of(bytes)?;
            while !lines.at_end() {
                match lines.optional("revoked")? {
                    Some(id) => revoked.push(KeyId::parse(id)?),
                    None => keys.push(TrustedKey::read(&mut lines)?),
                }
            }
            Ok((keys, revoked))
        };
        let (keys, revoked) = read().map_err(|_| SealError::MalformedKey)?;
        keys.into_iter().for_each(|key| self.trust(key));
        revoked.into_iter().for_each(|id| self.revoke(id));
        Ok(())
    }

    /// Trusts this key, unless it is revoked.
    pub fn trust(&mut self, key: TrustedKey) {
        self.keys.insert(key.id(), key);
    }

    /// Refuses this key from now on.
    pub fn revoke(&mut self, id: KeyId) {
        self.revoked.insert(id);
    }

    /// Whether no key is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trusted().next().is_none()
    }

    /// The keys that are trusted.
    pub fn trusted(&self) -> impl Iterator<Item = &TrustedKey> {
        let keys = self.keys.values();
        keys.filter(|key| !self.revoked.contains(&key.id()))
    }

    pub(super) fn digest_key(&self, id: KeyId) -> Option<&DigestKey> {
        self.keys.get(&id).map(TrustedKey::digest_key)
    }

    /// Whether a manifest is to be believed at this date, as far as keys, signature and expiry go.
    ///
    /// # Errors
    /// What its cells' state is instead.
    pub fn check(&self, manifest: &SealManifest, now: SystemTime) -> Result<(), SealState> {
        let key = self.keys.get(&manifest.key());
        let key = key
            .filter(|key| !self.revoked.contains(&key.id()) && key.is_trusted_at(now))
            .ok_or(SealState::UnknownKey)?;
        if !key.has_signed(manifest.signed(), manifest.signature()) {
            return Err(SealState::Invalid);
        }
        if now >= manifest.expires() {
            return Err(SealState::Expired);
        }
        Ok(())
    }
}

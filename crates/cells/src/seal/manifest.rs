//! The manifest: every cell with the digest of its mapping, under one signature.
//!
//! ```text
//! nova-cells manifest 1
//! key <32 hex digits>
//! serial 7
//! created 1763769600
//! expires 1766361600
//! salt <32 hex digits>
//! cell 6d5bd30e-147b-44db-9ceb-1a392e756c36 <64 hex digits>
//! …                                                  in ascending order
//! signature <128 hex digits>                         over all lines above
//! ```
//!
//! Reading one says nothing about whether to believe it: that is the keyring's, the serial file's and the clock's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use crate::files::{self, Readers};
use crate::id::CellId;
use crate::mapping::CellMapping;

use super::key::{DigestKey, KeyId, SealError, SealingKey};
use crate::lines::{Lines, Malformed, date, hex, number, push_hex, seconds};

/// About 70,000 cells.
const MAX_FILE: usize = 8 << 20;

/// A signed list of cells, as it was read or made. Holds no secret.
#[derive(Debug, Clone)]
pub struct SealManifest {
    key: KeyId,
    serial: u64,
    created: SystemTime,
    expires: SystemTime,
    salt: [u8; 16],
    cells: BTreeMap<CellId, [u8; 32]>,
    text: String,
    signed: usize,
    signature: [u8; 64],
}

impl SealManifest {
    /// Seals these mappings: all valid ones of the cloud. `serial` must be higher than any before
    /// ([`next_serial`](Self::next_serial) of the last manifest); services refuse the seals from `expires` on.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn sign<'m>(
        mappings: impl IntoIterator<Item = &'m CellMapping>,
        serial: u64,
        created: SystemTime,
        expires: SystemTime,
        key: &SealingKey,
    ) -> Result<Self, SealError> {
        if seconds(expires) <= seconds(created) {
            return Err(SealError::Expiry);
        }
        let mut salt = [0; 16];
        let filled = SystemRandom::new().fill(&mut salt);
        filled.map_err(|_| SealError::NoRandom)?;
        let mut cells = BTreeMap::new();
        for mapping in mappings {
            let digest = key.digest_key().digest(&salt, mapping);
            if cells.insert(mapping.id(), digest).is_some() {
                return Err(SealError::Twice(mapping.id()));
            }
        }
        let mut text = format!(
            "nova-cells manifest 1\nkey {}\nserial {serial}\ncreated {}\nexpires {}\nsalt ",
            key.id(),
            seconds(created),
            seconds(expires),
        );
        push_hex(&mut text, &salt);
        text.push('\n');
        for (cell, digest) in &cells {
            let _infallible = write!(text, "cell {cell} ");
            push_hex(&mut text, digest);
            text.push('\n');
        }
        let signature = key.sign(text.as_bytes())?;
        text.push_str("signature ");
        push_hex(&mut text, &signature);
        text.push('\n');
        // Read back, so that what is written is what will be read.
        Self::parse(text.as_bytes())
    }

    /// Reads a manifest. Its signature is not checked here: see [`SealKeyring::check`](super::SealKeyring::check).
    ///
    /// # Errors
    /// [`SealError::MalformedManifest`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        Self::read(bytes).map_err(|_| SealError::MalformedManifest)
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_FILE {
            return Err(Malformed);
        }
        let mut lines = Lines::of(bytes)?;
        lines.exactly("nova-cells manifest 1")?;
        let key = KeyId::parse(lines.value("key")?)?;
        let serial = number(lines.value("serial")?)?;
        let created = date(lines.value("created")?)?;
        let expires = date(lines.value("expires")?)?;
        let salt = *hex(lines.value("salt")?)?;
        let mut cells = BTreeMap::new();
        while let Some(line) = lines.optional("cell")? {
            let (cell, digest) = line.split_once(' ').ok_or(Malformed)?;
            let id: CellId = cell.parse().map_err(|_| Malformed)?;
            // One order and one spelling, so that one set has one text.
            let in_order = cells.last_key_value().is_none_or(|(last, _)| *last < id);
            if !in_order || id.to_string() != cell {
                return Err(Malformed);
            }
            cells.insert(id, *hex(digest)?);
        }
        let signed = lines.so_far().len();
        let signature = *hex(lines.value("signature")?)?;
        lines.end()?;
        Ok(Self {
            key,
            serial,
            created,
            expires,
            salt,
            cells,
            text: std::str::from_utf8(bytes)
                .map_err(|_| Malformed)?
                .to_owned(),
            signed,
            signature,
        })
    }

    /// Reads a manifest's file.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn load(path: &Path) -> Result<Self, SealError> {
        let bytes = files::read(path, MAX_FILE).map_err(SealError::file(path))?;
        Self::parse(&bytes)
    }

    /// Writes the manifest, in place of what is there: after a crash one of the two is whole.
    ///
    /// # Errors
    /// [`SealError::File`].
    pub fn write(&self, path: &Path) -> Result<(), SealError> {
        files::replace(path, self.text.as_bytes(), Readers::All).map_err(SealError::file(path))
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> &str {
        &self.text
    }

    /// Which key it says it was signed with.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Its number: a service never goes back to a lower one.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The number for the one after it.
    #[must_use]
    pub fn next_serial(&self) -> u64 {
        self.serial.saturating_add(1)
    }

    /// When it was signed.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// From when on it is refused.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// The cells it lists.
    pub fn cells(&self) -> impl Iterator<Item = CellId> {
        self.cells.keys().copied()
    }

    /// Whether it lists this cell.
    #[must_use]
    pub fn has(&self, cell: CellId) -> bool {
        self.cells.contains_key(&cell)
    }

    /// Whether the mapping is the one that was sealed; none where the cell is not listed.
    pub(super) fn matches(&self, mapping: &CellMapping, key: &DigestKey) -> Option<bool> {
        let sealed = self.cells.get(&mapping.id())?;
        let digest = key.digest(&self.salt, mapping);
        let differing = sealed
            .iter()
            .zip(&digest)
            .fold(0, |bits, (a, b)| bits | (a ^ b));
        Some(differing == 0)
    }

    pub(super) fn signed(&self) -> &[u8] {
        &self.text.as_bytes()[..self.signed]
    }

    pub(super) fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Tells two manifests with one serial apart.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, self.text.as_bytes()).as_ref());
        bytes
    }
}

//! Keys: the operator's, which signs, and the one that services trust.
//!
//! `PREFIX.key` (mode 600):            `PREFIX.pub` (mode 640; several may follow each other in one file):
//!
//! ```text
//! nova-cells signing key 1            nova-cells trusted key 1
//! created 1763769600                  created 1763769600
//! seed <64 hex digits>                public <64 hex digits>
//! digest-key <64 hex digits>          digest-key <64 hex digits>
//!                                     not-after 1795305600        (only if there)
//! ```
//!
//! A key's id is the beginning of the SHA-256 of its public half, so nobody can give a key another's id.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use ring::{digest, hmac};
use zeroize::Zeroizing;

use crate::files::{self, Readers};
use crate::location::Canonical;
use crate::mapping::CellMapping;

use crate::lines::{Lines, Malformed, date, hex, push_hex, seconds};

pub(super) const MAX_FILE: usize = 1 << 20;

/// Something about keys, manifests or their files went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A file could not be read or written.
    #[error("{path}: cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key file that is not one.
    #[error("not a key file of this kind")]
    MalformedKey,
    /// A manifest that is not one.
    #[error("not a manifest")]
    MalformedManifest,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandom,
    /// The key's two halves do not belong together, or it is no key.
    #[error("the signing key cannot be used")]
    BadKey,
    /// Two mappings of one cell.
    #[error("cell {0} is there twice")]
    Twice(crate::id::CellId),
    /// An expiry that is not after the date of signing.
    #[error("the seals would expire before they begin")]
    Expiry,
}

impl SealError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Names a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 16]);

impl KeyId {
    fn of(public: &[u8; 32]) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&digest::digest(&digest::SHA256, public).as_ref()[..16]);
        Self(id)
    }

    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        hex(text).map(|bytes| Self(*bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Makes the digests of one key.
#[derive(Clone)]
pub(super) struct DigestKey(Zeroizing<[u8; 32]>);

impl DigestKey {
    /// What the manifest says of this mapping.
    pub(super) fn digest(&self, salt: &[u8; 16], mapping: &CellMapping) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.0));
        context.update(b"nova-cells mapping digest 1");
        context.update(salt);
        mapping.canonical(&mut Canonical::to(&mut |part| context.update(part)));
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        bytes
    }
}

/// The operator's key: signs manifests. Wiped when dropped; `ring`'s own copy lives for the moment of signing.
pub struct SealingKey {
    created: SystemTime,
    seed: Zeroizing<[u8; 32]>,
    public: [u8; 32],
    digest_key: DigestKey,
}

impl SealingKey {
    /// A new key.
    ///
    /// # Errors
    /// [`SealError::NoRandom`].
    pub fn generate(created: SystemTime) -> Result<Self, SealError> {
        let random = SystemRandom::new();
        let (mut seed, mut digest_key) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        random
            .fill(&mut *seed)
            .and_then(|()| random.fill(&mut *digest_key))
            .map_err(|_| SealError::NoRandom)?;
        Self::of(created, seed, digest_key)
    }

    fn of(
        created: SystemTime,
        seed: Zeroizing<[u8; 32]>,
        digest_key: Zeroizing<[u8; 32]>,
    ) -> Result<Self, SealError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| SealError::BadKey)?;
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(Self {
            created,
            seed,
            public,
            digest_key: DigestKey(digest_key),
        })
    }

    /// Writes `PREFIX.key` and `PREFIX.pub`; existing files are never written over.
    ///
    /// # Errors
    /// [`SealError::File`]; where the second file fails, the first is there.
    pub fn write(&self, prefix: &Path) -> Result<(), SealError> {
        let private = files::with_suffix(prefix, ".key");
        let public = files::with_suffix(prefix, ".pub");
        files::create_new(&private, self.to_text().as_bytes(), Readers::Owner)
            .map_err(SealError::file(&private))?;
        let trusted = self.trusted().to_text();
        files::create_new(&public, trusted.as_bytes(), Readers::Group)
            .map_err(SealError::file(&public))
    }

    /// Reads `PREFIX.key`.
    ///
    /// # Errors
    /// [`SealError`], also where others than its owner may read the file.
    pub fn load(path: &Path) -> Result<Self, SealError> {
        let bytes = files::read_private(path, MAX_FILE).map_err(SealError::file(path))?;
        Self::parse(&bytes)
    }

    /// Reads the text of a signing key.
    ///
    /// # Errors
    /// [`SealError::MalformedKey`], [`SealError::BadKey`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        let read = || -> Result<_, Malformed> {
            let mut lines = Lines::of(bytes)?;
            lines.exactly("nova-cells signing key 1")?;
            let created = date(lines.value("created")?)?;
            let seed = hex(lines.value("seed")?)?;
            let digest_key = hex(lines.value("digest-key")?)?;
            lines.end().map(|()| (created, seed, digest_key))
        };
        let (created, seed, digest_key) = read().map_err(|_| SealError::MalformedKey)?;
        Self::of(created, seed, digest_key)
    }

    fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(512));
        text.push_str("nova-cells signing key 1\ncreated ");
        text.push_str(&seconds(self.created).to_string());
        text.push_str("\nseed ");
        push_hex(&mut text, &*self.seed);
        text.push_str("\ndigest-key ");
        push_hex(&mut text, &*self.digest_key.0);
        text.push('\n');
        text
    }

    /// The key's name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.public)
    }

    /// What services need of it.
    #[must_use]
    pub fn trusted(&self) -> TrustedKey {
        TrustedKey {
            created: self.created,
            public: self.public,
            digest_key: self.digest_key.clone(),
            not_after: None,
        }
    }

    pub(super) fn digest_key(&self) -> &DigestKey {
        &self.digest_key
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 64], SealError> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(&*self.seed, &self.public)
            .map_err(|_| SealError::BadKey)?;
        let mut signature = [0; 64];
        signature.copy_from_slice(pair.sign(message).as_ref());
        Ok(signature)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}, ***)", self.id())
    }
}

/// A key whose manifests are believed.
#[derive(Clone)]
pub struct TrustedKey {
    created: SystemTime,
    public: [u8; 32],
    digest_key: DigestKey,
    not_after: Option<SystemTime>,
}

impl TrustedKey {
    /// The same key, trusted until this date and not longer: for the old one of two while keys are exchanged.
    #[must_use]
    pub fn until(mut self, not_after: SystemTime) -> Self {
        self.not_after = Some(not_after);
        self
    }

    /// The key's name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.public)
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// Until when it is trusted; for ever if that is not said.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.not_after
    }

    /// The text of `PREFIX.pub`.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(512));
        text.push_str("nova-cells trusted key 1\ncreated ");
        text.push_str(&seconds(self.created).to_string());
        text.push_str("\npublic ");
        push_hex(&mut text, &self.public);
        text.push_str("\ndigest-key ");
        push_hex(&mut text, &*self.digest_key.0);
        text.push('\n');
        if let Some(date) = self.not_after {
            text.push_str("not-after ");
            text.push_str(&seconds(date).to_string());
            text.push('\n');
        }
        text
    }

    /// Reads one key from where its heading stands.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, Malformed> {
        lines.exactly("nova-cells trusted key 1")?;
        Ok(Self {
            created: date(lines.value("created")?)?,
            public: *hex(lines.value("public")?)?,
            digest_key: DigestKey(hex(lines.value("digest-key")?)?),
            not_after: lines.optional("not-after")?.map(date).transpose()?,
        })
    }

    pub(super) fn digest_key(&self) -> &DigestKey {
        &self.digest_key
    }

    pub(super) fn is_trusted_at(&self, now: SystemTime) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKey({}, ***)", self.id())
    }
}

//! Seals: an operator's signature over the set of mappings, so that who can write to Nova's database cannot move a cell.
//!
//! One manifest file lists every cell with a digest of what its mapping says, a serial and an expiry, signed with
//! Ed25519. It travels with the configuration; Nova's database is not touched. Operators hold the signing key
//! ([`SealingKey`], `PREFIX.key`), services the trusted ones ([`SealKeyring`], `PREFIX.pub`).
//!
//! # What a digest gives away
//!
//! A mapping holds passwords, and whoever can check a digest against a mapping can check guesses of a password against
//! it, at any speed. A salt stops tables made in advance and nothing else; a slow hash costs the services more than who
//! guesses (10,000 cells, checked at every reload); leaving passwords out would let them be changed unnoticed. So the
//! digest is *keyed*: HMAC-SHA-256 under a digest key that is made with the signing key and lies in both key files.
//! Whoever has the manifest alone, or the manifest and the database's masked listing, learns nothing. Whoever reads
//! `PREFIX.pub` as well can guess offline: it belongs where nova.conf is, readable by the services and nobody else
//! (mode 640), and it forges nothing. A fresh salt in each manifest keeps anybody without the digest key from seeing
//! which cells stayed the same between two of them.

mod changes;
mod check;
mod key;
mod keyring;
mod manifest;
mod serial;
mod state;

pub use changes::SealChanges;
pub use check::{SealCheck, SealMode, Seals};
pub use key::{KeyId, SealError, SealingKey, TrustedKey};
pub use keyring::SealKeyring;
pub use manifest::SealManifest;
pub use serial::{SerialError, SerialFile};
pub use state::SealState;

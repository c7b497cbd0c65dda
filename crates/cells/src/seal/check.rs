//! Seals in force: the manifest and the trusted keys, read again at each load of the mappings.
//!
//! A manifest that is refused does not take the place of the one in force: that one counts on until it expires or its
//! key is not trusted any more. So who can write the manifest's file can take nothing down before then, and can never
//! bring anything back.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::id::CellId;
use crate::mapping::CellMapping;

use super::key::SealError;
use super::keyring::SealKeyring;
use super::manifest::SealManifest;
use super::serial::SerialFile;
use super::state::SealState;

/// What seals are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SealMode {
    /// States are told, and every mapping is used.
    Report,
    /// Only validly sealed mappings are used; cells that are sealed and gone are accounted for as rejected.
    #[default]
    Require,
}

/// Where the manifest and the trusted keys are, and what for.
#[derive(Debug)]
pub struct SealCheck {
    manifest: PathBuf,
    trusted: Vec<PathBuf>,
    serial: Option<SerialFile>,
    mode: SealMode,
    /// The manifest that was believed last.
    in_force: Mutex<Option<Arc<SealManifest>>>,
}

impl SealCheck {
    /// Checks against this manifest and these trusted-keys files. Without a serial file ([`remember`](Self::remember))
    /// older manifests are refused only while this value lives.
    #[must_use]
    pub fn new(manifest: impl Into<PathBuf>, trusted: Vec<PathBuf>, mode: SealMode) -> Self {
        Self {
            manifest: manifest.into(),
            trusted,
            serial: None,
            mode,
            in_force: Mutex::new(None),
        }
    }

    /// Keeps the highest serial there.
    #[must_use]
    pub fn remember(mut self, serial: SerialFile) -> Self {
        self.serial = Some(serial);
        self
    }

    /// What the seals are for.
    #[must_use]
    pub fn mode(&self) -> SealMode {
        self.mode
    }

    /// Reads the files, and keeps the serial if everything holds. Blocks for the time of a few small reads and, for a
    /// new manifest, a flush to disk.
    #[must_use]
    pub fn examine(&self, now: SystemTime) -> Seals {
        let keyring = SealKeyring::load(&self.trusted).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "trusted keys");
            SealKeyring::default()
        });
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match self.believe(&keyring, in_force.as_deref(), now) {
            Ok(manifest) => {
                *in_force = Some(Arc::new(manifest));
                None
            }
            Err(state) => Some(state),
        };
        let manifest = in_force
            .clone()
            .filter(|manifest| keyring.check(manifest, now).is_ok());
        Seals {
            mode: self.mode,
            keyring,
            refused,
            manifest,
        }
    }

    fn believe(
        &self,
        keyring: &SealKeyring,
        before: Option<&SealManifest>,
        now: SystemTime,
    ) -> Result<SealManifest, SealState> {
        let manifest = SealManifest::load(&self.manifest).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "seals");
            match error {
                SealError::File { .. } => SealState::NotSealed,
                _ => SealState::Invalid,
            }
        })?;
        keyring.check(&manifest, now)?;
        if before.is_some_and(|before| before.serial() > manifest.serial()) {
            return Err(SealState::RolledBack);
        }
        if let Some(serial) = &self.serial {
            // What cannot be shown to be new, or cannot be kept as the newest, is as good as old.
            let kept = serial.check(&manifest).and_then(|checked| match checked {
                Ok(()) => serial.accept(&manifest).map(Ok),
                Err(state) => Ok(Err(state)),
            });
            kept.unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "last serial");
                Err(SealState::RolledBack)
            })?;
        }
        Ok(manifest)
    }
}

/// What the seals say at one moment.
#[derive(Debug)]
pub struct Seals {
    mode: SealMode,
    keyring: SealKeyring,
    refused: Option<SealState>,
    manifest: Option<Arc<SealManifest>>,
}

impl Seals {
    /// Why the manifest on disk is not the one in force; none where it is.
    #[must_use]
    pub fn refused(&self) -> Option<SealState> {
        self.refused
    }

    /// The manifest in force.
    #[must_use]
    pub fn manifest(&self) -> Option<&SealManifest> {
        self.manifest.as_deref()
    }

    /// The state of a mapping.
    #[must_use]
    pub fn state_of(&self, mapping: &CellMapping) -> SealState {
        let Some(manifest) = &self.manifest else {
            return self.refused.unwrap_or(SealState::Expired);
        };
        let key = self.keyring.digest_key(manifest.key());
        match key.map(|key| manifest.matches(mapping, key)) {
            None => SealState::UnknownKey,
            Some(None) => SealState::NotSealed,
            Some(Some(true)) => SealState::Valid,
            Some(Some(false)) => SealState::Invalid,
        }
    }

    /// The cells that are sealed and that `present` does not know.
    pub fn missing(&self, present: impl Fn(CellId) -> bool) -> impl Iterator<Item = CellId> {
        let cells = self.manifest.iter().flat_map(|manifest| manifest.cells());
        cells.filter(move |cell| !present(*cell))
    }

    /// Whether a mapping in this state is used.
    #[must_use]
    pub fn lets_pass(&self, state: SealState) -> bool {
        self.mode == SealMode::Report || state == SealState::Valid
    }

    /// What the seals are for.
    #[must_use]
    pub fn mode(&self) -> SealMode {
        self.mode
    }
}

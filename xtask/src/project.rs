//! Where things are, and what cargo says about the workspace's own packages.
//!
//! One `cargo metadata --no-deps` per run; the resolved graph of third-party crates is `layers`' business.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::cmd::Cmd;

/// The workspace that is checked.
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
    metadata: Value,
}

impl Project {
    /// Asks cargo about the workspace that this runner was built in.
    pub(crate) fn open() -> Result<Self> {
        let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = xtask
            .parent()
            .context("the package `xtask` has no parent folder")?
            .to_owned();
        let text = Cmd::cargo(&root, "metadata --no-deps --format-version 1").read()?;
        let metadata: Value =
            serde_json::from_str(&text).context("`cargo metadata` did not print JSON")?;
        let target = metadata["target_directory"]
            .as_str()
            .context("`cargo metadata` names no target directory")?
            .into();
        Ok(Self {
            root,
            target,
            metadata,
        })
    }

    /// A project of which only the folders are known.
    #[cfg(test)]
    pub(crate) fn bare(root: &str, target: &str) -> Self {
        Self {
            root: root.into(),
            target: target.into(),
            metadata: Value::Null,
        }
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The one target directory that everything shares.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The workspace's packages, as `cargo metadata` describes them.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Value> {
        items(&self.metadata["packages"])
    }

    /// A cargo command in the workspace's root.
    pub(crate) fn cargo(&self, words: &str) -> Cmd {
        Cmd::cargo(&self.root, words)
    }

    /// Any other command in the workspace's root.
    pub(crate) fn cmd(&self, program: impl AsRef<std::ffi::OsStr>, words: &str) -> Cmd {
        Cmd::new(&self.root, program, words)
    }
}

/// The elements of a JSON array; of anything else, none.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A JSON string's text; of anything else, the empty one.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

//! Where the peers are: what `cargo xtask interop` tells its tests. Nothing is installed here.

use std::path::{Path, PathBuf};

/// The folder of the peers, as the runner set it up.
#[derive(Debug, Clone)]
pub struct Peers {
    folder: PathBuf,
}

/// The variable through which the runner says where the peers are.
const VARIABLE: &str = "NOVA_INTEROP_PEERS";

impl Peers {
    /// The peers of this run.
    ///
    /// # Panics
    /// Without the runner: a tier that skips itself proves nothing.
    #[must_use]
    pub fn here() -> Self {
        let Some(folder) = std::env::var_os(VARIABLE) else {
            panic!("{VARIABLE} is not set: these tests are run by `cargo xtask interop`")
        };
        Self {
            folder: folder.into(),
        }
    }

    /// A program of Nova's virtual environment.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("nova/bin").join(name)
    }

    /// Where the figures of this run go.
    #[must_use]
    pub fn report(&self, domain: &str) -> PathBuf {
        self.folder.join("report").join(format!("{domain}.json"))
    }

    /// The folder of the Python sources.
    #[must_use]
    pub fn scripts() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/oracle"))
    }
}

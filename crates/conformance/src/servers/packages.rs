//! Finding a server's programs, and installing their Debian package where they are missing and this process is root.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::ServerError;
use super::setup::{is_root, run};

/// Where Debian puts servers, which is not in everybody's PATH.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"];

/// The program's path, after installing its package if need be.
pub(super) fn need(program: &'static str, package: &'static str) -> Result<PathBuf, ServerError> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let missing = ServerError::Missing { program, package };
    if !is_root() {
        return Err(missing);
    }
    install(package)?;
    find(program).ok_or(missing)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(FOLDERS.map(PathBuf::from));
    folders
        .chain(postgres_folders())
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// `/usr/lib/postgresql/15/bin`, the newest first.
fn postgres_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut versions: Vec<PathBuf> = versions.flatten().map(|entry| entry.path()).collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|version| version.join("bin"))
        .collect()
}

/// One installation at a time on this machine, whichever process asks.
fn install(package: &'static str) -> Result<(), ServerError> {
    let lock = env::temp_dir().join("nova-conformance-packages.lock");
    let lock = File::create(lock).map_err(ServerError::io("the installation's lock"))?;
    lock.lock()
        .map_err(ServerError::io("the installation's lock"))?;

    let _no_services = NoServices::set()?;
    let install = || {
        let mut command = Command::new("apt-get");
        command
            .args(["install", "--yes", "--no-install-recommends", package])
            .env("DEBIAN_FRONTEND", "noninteractive");
        run("apt-get install", &mut command)
    };
    // The lists may be old or absent; they are brought up to date once, and only then.
    let installed = install().or_else(|_| {
        run("apt-get update", Command::new("apt-get").arg("update"))?;
        install()
    });
    installed.map(drop)
}

/// Keeps a package from starting its service while it is installed: only private servers are wanted.
struct NoServices(bool);

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn set() -> Result<Self, ServerError> {
        if Path::new(POLICY).exists() {
            return Ok(Self(false));
        }
        use std::os::unix::fs::PermissionsExt;
        let failed = "services cannot be kept from starting";
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").map_err(ServerError::io(failed))?;
        let made = Self(true);
        std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))
            .map_err(ServerError::io(failed))?;
        Ok(made)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.0 {
            // Left behind it would only keep later packages from starting their services.
            let _gone = std::fs::remove_file(POLICY);
        }
    }
}

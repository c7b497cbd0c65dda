//! A virtual environment with a real Keystone of a pinned version, and a bootstrapped cloud to copy from.
//!
//! Made once per target folder, under a lock that other test processes wait for. Whoever cannot have it fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = include_str!("keystone/requirements.txt");

/// The password of bootstrap's administrator.
pub(crate) const PASSWORD: &str = "canary-password-of-the-administrator";

/// Where Python and the bootstrapped cloud are.
pub(crate) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Waits for the environment, or makes it.
    pub(crate) fn ready() -> Self {
        // Cargo's folder for what tests leave behind, `target/tmp`; its neighbour is shared by all tests.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let peers = target.parent().expect("a target folder").join("peers");
        fs::create_dir_all(&peers).expect("a folder for peers");
        let lock = File::create(peers.join("keystone-30.0.0.lock")).expect("a lock file");
        lock.lock().expect("the lock");
        let folder = peers.join("keystone-30.0.0");
        let this = Self { folder };
        this.once("venv", Self::install);
        this.once("cloud", Self::bootstrap);
        this
    }

    /// Makes a part unless it is there and was made of the same requirements; a half-made one is made anew.
    fn once(&self, part: &str, make: impl FnOnce(&Self, &Path)) {
        let folder = self.folder.join(part);
        let marker = folder.join("made-of");
        if fs::read_to_string(&marker).ok().as_deref() == Some(REQUIREMENTS) {
            return;
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("to remove what was made before");
        }
        fs::create_dir_all(&folder).expect("to make a folder");
        make(self, &folder);
        fs::write(&marker, REQUIREMENTS).expect("to write the marker");
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("venv/bin/python")
    }

    /// Copies the bootstrapped cloud to an empty folder.
    pub(crate) fn copy_cloud(&self, to: &Path) {
        copy(&self.folder.join("cloud"), to);
    }

    fn install(&self, venv: &Path) {
        let make = || {
            let mut python = Command::new("python3");
            python.args(["-m", "venv"]).arg(venv);
            python
        };
        if !make().output().is_ok_and(|made| made.status.success()) {
            // Debian keeps it in a package of its own.
            run(Command::new("apt-get").arg("update"));
            run(Command::new("apt-get").args(["install", "--yes", "python3-venv"]));
            run(&mut make());
        }
        let list = venv.join("requirements.txt");
        fs::write(&list, REQUIREMENTS).expect("to write the requirements");
        let mut pip = Command::new(venv.join("bin/pip"));
        run(pip
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-compile",
                "--requirement",
            ])
            .arg(&list));
    }

    fn bootstrap(&self, cloud: &Path) {
        configure(cloud, &Settings::default());
        let user = said(Command::new("id").arg("-un"));
        let group = said(Command::new("id").arg("-gn"));
        let keys = ["--keystone-user", &user, "--keystone-group", &group];
        let url = "http://127.0.0.1:5000/v3";
        self.manage(cloud, &["db_sync"]);
        self.manage(cloud, &[&["fernet_setup"], &keys[..]].concat());
        self.manage(cloud, &[&["credential_setup"], &keys[..]].concat());
        // Both keys are written to the working folder; Keystone takes every file of a key folder for a key.
        let (public, private) = (cloud.join("jws"), cloud.join("jws-private"));
        fs::create_dir_all(&public).expect("a folder for keys");
        fs::create_dir_all(&private).expect("a folder for keys");
        let mut pair = self.manager(cloud);
        run(pair
            .current_dir(&private)
            .arg("create_jws_keypair")
            .args(keys));
        fs::rename(private.join("public.pem"), public.join("public.pem")).expect("a key");
        self.manage(
            cloud,
            &[
                "bootstrap",
                "--bootstrap-password",
                PASSWORD,
                "--bootstrap-public-url",
                url,
                "--bootstrap-internal-url",
                url,
                "--bootstrap-admin-url",
                url,
                "--bootstrap-region-id",
                "RegionOne",
            ],
        );
    }

    fn manage(&self, cloud: &Path, args: &[&str]) {
        run(self.manager(cloud).args(args));
    }

    fn manager(&self, cloud: &Path) -> Command {
        let mut manage = Command::new(self.folder.join("venv/bin/keystone-manage"));
        manage
            .env("PYTHONWARNINGS", "ignore")
            .arg("--config-file")
            .arg(cloud.join("keystone.conf"));
        manage
    }
}

/// What differs between the Keystones of two tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// A token's life in seconds.
    pub(crate) expiration: u32,
    /// `fernet` or `jws`.
    pub(crate) provider: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            expiration: 3600,
            provider: "fernet",
        }
    }
}

/// Writes the configuration of a cloud in `folder`.
pub(crate) fn configure(folder: &Path, settings: &Settings) {
    let Settings {
        expiration,
        provider,
    } = settings;
    let at = folder.display();
    let text = format!(
        "[DEFAULT]\nlog_file = {at}/keystone.log\n\
         [database]\nconnection = sqlite:///{at}/keystone.sqlite\n\
         [token]\nexpiration = {expiration}\nprovider = {provider}\n\
         [fernet_tokens]\nkey_repository = {at}/fernet\n\
         [jwt_tokens]\njws_public_key_repository = {at}/jws\njws_private_key_repository = {at}/jws-private\n\
         [credential]\nkey_repository = {at}/credential\n"
    );
    fs::write(folder.join("keystone.conf"), text).expect("to write keystone.conf");
}

fn run(command: &mut Command) {
    let done = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        done.status.success(),
        "{command:?}: {}\n{}{}",
        done.status,
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
}

fn said(command: &mut Command) -> String {
    let done = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("to make a folder");
    for entry in fs::read_dir(from).expect("to list a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), &target).expect("to copy a file")),
        }
    }
}

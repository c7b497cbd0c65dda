//! A disk that can be filled: a file system in memory of a few megabytes, seen by one server alone and gone with it.
//!
//! It is mounted in a namespace of the server's own (util-linux), so nothing has to be unmounted, whatever ends the server.
//! After a restart it is empty: what is on it should not be needed by then.

use std::path::Path;
use std::process::Command;

use super::error::ServerError;
use super::setup::{Ids, run};

/// Mounts it and becomes the server. Where this process is not root, it is root in that namespace alone, and the server is
/// who it would have been.
const MOUNT: &str = r#"
at=$1; options=$2; shift 2
mount -t tmpfs -o "$options" small "$at" && exec "$@"
"#;

/// The words before a server's command that give it a disk of so many megabytes, at a folder that this makes. Where the
/// system does not let this process mount one, that is said before a server is started.
pub(super) fn small_disk(
    at: &Path,
    megabytes: u32,
    ids: Option<Ids>,
) -> Result<Vec<String>, ServerError> {
    let failed = "the small disk's folder";
    std::fs::create_dir(at).map_err(ServerError::io(failed))?;
    Ids::own(ids, at)?;
    let mut options = format!("size={megabytes}m,mode=0700");
    let mut words: Vec<String> = ["unshare", "--mount"].map(String::from).into();
    let mut becoming = Vec::new();
    match ids {
        Some(ids) => options.push_str(&format!(",uid={},gid={}", ids.user, ids.group)),
        None => {
            use std::os::unix::fs::MetadataExt;
            let own = std::fs::metadata("/proc/self").map_err(ServerError::io(failed))?;
            words.extend(["--user", "--map-root-user"].map(String::from));
            becoming = vec![
                "unshare".to_owned(),
                "--user".to_owned(),
                format!("--map-user={}", own.uid()),
                format!("--map-group={}", own.gid()),
            ];
        }
    }
    words.extend(["sh", "-c", MOUNT, "disk"].map(String::from));
    words.extend([at.display().to_string(), options]);
    words.extend(becoming);
    let mut nothing = Command::new("unshare");
    nothing.args(&words[1..]).arg("true");
    match run("unshare", &mut nothing) {
        Ok(_) => Ok(words),
        Err(why) => Err(ServerError::NoDisk {
            why: why.to_string(),
        }),
    }
}

//! The list of targets. A target's name is also the name of its corpus folder and of its binary under `engine/`.

use crate::{
    audit_chain, catalog, cell_files, cursor, headers, locations, nova_conf, policy, rpc_envelope,
    tokens, urls, wire_context,
};

/// One parser, or a few that read the same kind of text.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also of its corpus folder.
    pub name: &'static str,
    /// Puts bytes through it; panics where a promise is broken.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:literal => $run:path),* $(,)?) => {
        /// Every target, by name.
        pub const TARGETS: &[Target] = &[$(Target { name: $name, run: $run }),*];
    };
}

targets! {
    "allow_list" => cell_files::allow_list,
    "audit_chain" => audit_chain::run,
    "catalog" => catalog::run,
    "cursor" => cursor::run,
    "database_url" => locations::database_url,
    "endpoint_url" => urls::run,
    "headers" => headers::run,
    "invalidation" => cell_files::invalidation,
    "jws" => tokens::jws,
    "last_good" => cell_files::last_good,
    "nova_conf" => nova_conf::run,
    "policy" => policy::run,
    "policy_yaml" => policy::yaml,
    "rpc_envelope" => rpc_envelope::run,
    "seal_files" => cell_files::seal_files,
    "serial_file" => cell_files::serial_file,
    "template" => locations::template,
    "token_document" => tokens::document,
    "transport_url" => locations::transport_url,
    "wire_context" => wire_context::run,
}

/// Runs the target of this name.
///
/// # Panics
/// Where there is no such target, or it finds something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let Some(target) = target else {
        panic!("there is no fuzz target `{name}`");
    };
    (target.run)(data);
}

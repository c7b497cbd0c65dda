//! What must hold for every parser of the workspace, whatever bytes it is given: the bodies of the fuzz targets.
//!
//! Each body takes any bytes, puts them through one parser's public door, and asserts what the parser promises: what was
//! accepted survives being written and read again, one content has one form, nothing secret comes back in an error, output
//! is bounded by input. A panic is a finding. Who makes the bytes is another's matter: libFuzzer in `engine/` (`cargo xtask
//! fuzz`), or the test in `tests/`, which replays the corpus with any toolchain.

mod target;
mod text;

mod audit_chain;
mod catalog;
mod cell_files;
mod cursor;
mod headers;
mod locations;
mod nova_conf;
mod policy;
mod rpc_envelope;
mod tokens;
mod urls;
mod wire_context;

mod mutate;

pub use mutate::Mutator;
pub use target::{TARGETS, Target, run};

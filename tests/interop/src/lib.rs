//! The real Nova as an oracle: the same generated cases are put to Nova's own code and to this workspace's crates.
//!
//! Contents page. The tests are behind the feature `interop`, because they need Nova from PyPI; `cargo xtask interop`
//! installs it and runs them, and fails where one of them did not run. A case on which the two sides differ must be
//! explained by an entry of `differences.toml`; an entry that no case needs any more is a failure, too.
//!
//! What Nova does is never written down here: it is asked.

mod generate;

mod cloud;
mod differences;
mod ledger;
mod oracle;
mod peers;

pub use cloud::NovaCloud;
pub use conformance::Rng;
pub use differences::{Difference, Differences};
pub use generate::{
    Draw, RULES, asker, catalog, database_url, endpoint_query, identity_headers, policy_case,
    template, transport_url, wire_context,
};
pub use ledger::{Ledger, variant, without_numbers};
pub use oracle::{Answer, Oracle};
pub use peers::Peers;

//! How the black-box tests run the built `cellctl`: as a user does, in a process of its own, with an environment of its
//! own. It knows the command line and nothing of the crates behind it.

mod cellctl;

pub use cellctl::{Cellctl, Ended, Running};

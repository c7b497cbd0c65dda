//! libFuzzer around the bodies of `nova-fuzz`: what every binary in `fuzz_targets/` does with an input.
//!
//! Contents page. It knows no parser and makes no input.

mod bounded;

pub use bounded::run;

//! cellctl.

fn main() {}

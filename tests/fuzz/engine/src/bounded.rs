//! Runs a target on one input, and holds it to a bound on memory.
//!
//! The bounds are generous: a reader that needs a thousand times its input is odd, not broken; one that needs a gigabyte
//! for a kilobyte is what they are for.

use std::alloc::System;

use cap::Cap;

/// An allocation that would bring the process above this fails, and ends it.
const CEILING: usize = 1 << 30;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, CEILING);

/// Bytes that a target may allocate in all for one input, freed or not.
fn bound(input: usize) -> usize {
    (4 << 20) + 16_384 * input
}

/// Runs a target.
pub fn run(target: &str, data: &[u8]) {
    let before = MEMORY.total_allocated();
    nova_fuzz::run(target, data);
    let used = MEMORY.total_allocated() - before;
    assert!(
        used <= bound(data.len()),
        "{used} bytes of memory for {} bytes of input",
        data.len()
    );
}

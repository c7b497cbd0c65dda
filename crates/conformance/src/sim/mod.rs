//! A simulator: fake cells with a program each, on time that passes only when everybody waits.
//!
//! A [`Scenario`] says what each cell does, what the caller asks for and when it goes away; [`Scenario::play`] runs it on a
//! runtime of its own and gives a [`Trace`] of what happened when. The same scenario gives the same trace; a seed gives the
//! same scenario. [`Trace::check`] holds the promises of a scatter against it. A [`Crowd`] is many callers of the same cells,
//! a [`Merging`] is one reader of their rows as one ordered stream.
//!
//! ```
//! use std::time::Duration;
//! use nova_conformance::sim::{Program, Scenario};
//!
//! let trace = Scenario::of(4)
//!     .cell(3, Program::new().rows(2, Duration::from_millis(5)).hang())
//!     .budget(Duration::from_secs(2))
//!     .play();
//! trace.check().unwrap();
//! assert_eq!(trace.outcomes(), ["answered", "answered", "answered", "timed_out(running)"]);
//! ```

mod check;
mod crowd;
mod crowd_check;
mod merging;
mod merging_check;
mod program;
mod random;
mod scenario;
mod trace;

pub use check::Broken;
pub use crowd::{Caller, Crowd, CrowdTrace};
pub use merging::{Merging, MergingTrace};
pub use program::{Program, Step};
pub use random::Seeded;
pub use scenario::Scenario;
pub use trace::{Event, Trace, What};

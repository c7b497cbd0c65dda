//! The time that a thread has had a processor for: fairer than the clock on the wall where a machine is shared, and the same
//! for work that stays on one thread.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Seconds, to the resolution of the system's clock. (`schedstat` of Linux moves with the scheduler's ticks: a round of ten
/// milliseconds measured by it is off by up to 40 %.)
pub(crate) fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos).as_secs_f64()
}

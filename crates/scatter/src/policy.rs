//! The policy of a scatter: how long, how many at once.

use std::time::{Duration, Instant};

use context::{Deadline, RequestContext};

/// How a scatter runs. All fields are public: set what differs from the default.
#[derive(Debug, Clone)]
pub struct ScatterPolicy {
    /// Wall-clock budget of the whole call where the caller names none: 60 s, Nova's `CELL_TIMEOUT`.
    pub timeout: Duration,
    /// The longest budget a caller can have, whatever it asks for: 30 min, Nova's `long_rpc_timeout`. There is no *for ever*.
    pub max_timeout: Duration,
    /// The longest one cell may take from when its work begins, so that the rest of the budget is left for what comes
    /// after it; the whole budget by default.
    pub cell_timeout: Duration,
    /// How many cells are asked at the same time; all by default.
    pub in_flight: usize,
}

impl Default for ScatterPolicy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            max_timeout: Duration::from_secs(30 * 60),
            cell_timeout: Duration::MAX,
            in_flight: usize::MAX,
        }
    }
}

impl ScatterPolicy {
    /// The end of the call: the policy's budget from now, or the request's own deadline where that is earlier.
    pub(crate) fn deadline(&self, request: &RequestContext, now: Instant) -> Deadline {
        let own = Deadline::after_at(now, self.timeout.min(self.max_timeout));
        request.deadline().map_or(own, |given| own.earliest(given))
    }

    /// The longest one cell may take, where that is less than the whole call.
    pub(crate) fn share(&self, deadline: Deadline, now: Instant) -> Option<Duration> {
        (self.cell_timeout < deadline.remaining_at(now)).then_some(self.cell_timeout)
    }
}

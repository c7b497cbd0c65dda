//! How long opened legs live, how many there may be, and how soon a failure is tried again.

use std::time::Duration;

/// The limits of the cache of opened cells. Change what differs: `CachePolicy { idle: .., ..CachePolicy::default() }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePolicy {
    /// Age at which the next user opens the cell anew while others go on with what is there. A renewal that fails keeps
    /// the old legs until `hard_ttl`.
    pub soft_ttl: Duration,
    /// Age at which nobody is given the legs any more, whatever the new opening says.
    pub hard_ttl: Duration,
    /// Time without use after which the legs are closed.
    pub idle: Duration,
    /// Most cells open at once; beyond it the longest unused are closed.
    pub capacity: usize,
    /// How long holders of replaced legs may go on before the connector is told to close them all the same.
    pub drain: Duration,
    /// Wait after a first failed opening; it doubles with each further one.
    pub backoff: Duration,
    /// Longest wait between failed openings.
    pub backoff_limit: Duration,
    /// How often the mappings are due to be loaded again when nothing else asks for it.
    pub reload_every: Duration,
    /// Spread of every time above, in percent: with 10, each is taken between 90 % and 100 % of what is written, by
    /// chance, so that many cells opened together are not renewed together.
    pub jitter_percent: u8,
    /// How many events are kept for operators.
    pub events: usize,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            soft_ttl: Duration::from_secs(30 * 60),
            hard_ttl: Duration::from_secs(2 * 3600),
            idle: Duration::from_secs(10 * 60),
            capacity: 4096,
            drain: Duration::from_secs(60),
            backoff: Duration::from_millis(100),
            backoff_limit: Duration::from_secs(10),
            reload_every: Duration::from_secs(60),
            jitter_percent: 10,
            events: 1024,
        }
    }
}

//! Verdicts on tokens, by the tokens' SHA-256: the good ones apart from the bad, so that a flood of made-up tokens drives
//! out nothing but its own kind. Sharded, so that threads seldom meet.
//!
//! Holds no token, asks nobody and has no clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use context::{TokenFingerprint, VerifiedToken};

use crate::access_rules::AccessRules;
use crate::table::{Bounds, Table};

const SHARDS: usize = 16;

/// What Keystone said of a token.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    Good(Known),
    Bad,
}

/// A good token.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) verified: Arc<VerifiedToken>,
    /// What it is good for, if not for everything.
    pub(crate) access_rules: Option<Arc<AccessRules>>,
}

/// Whether a token that has ended may still count, because a service vouches for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    Refused,
    Allowed,
}

/// Both clocks, read once: ages are counted on one, tokens end on the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) steady: Instant,
    pub(crate) wall: SystemTime,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheBounds {
    pub(crate) good: Bounds,
    pub(crate) bad: usize,
    pub(crate) good_ttl: Duration,
    pub(crate) bad_ttl: Duration,
}

pub(crate) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    bounds: CacheBounds,
}

struct Shard {
    good: Table<TokenFingerprint, Known>,
    bad: Table<TokenFingerprint, Ended>,
}

impl Cache {
    pub(crate) fn new(bounds: CacheBounds) -> Self {
        let good = Bounds {
            entries: bounds.good.entries.div_ceil(SHARDS),
            weight: bounds.good.weight.div_ceil(SHARDS),
        };
        let bad = Bounds {
            entries: bounds.bad.div_ceil(SHARDS),
            weight: usize::MAX,
        };
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    good: Table::new(good),
                    bad: Table::new(bad),
                })
            }),
            bounds,
        }
    }

    fn shard(&self, key: &TokenFingerprint) -> MutexGuard<'_, Shard> {
        // Any byte of a hash spreads as well as any other.
        let shard = &self.shards[usize::from(key.as_bytes()[31]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The verdict that is good for this question now. A token's end is looked at on the wall clock, too, which may have
    /// been set since the verdict came.
    pub(crate) fn get(&self, key: &TokenFingerprint, ended: Ended, now: Now) -> Option<Verdict> {
        let mut shard = self.shard(key);
        if let Some(good) = shard.good.get(key, now.steady) {
            return (good.verified.expires_at > now.wall).then(|| Verdict::Good(good.clone()));
        }
        match (shard.bad.get(key, now.steady)?, ended) {
            // Refused even though it might have ended: refused all the more where it must not have.
            (Ended::Allowed, _) | (Ended::Refused, Ended::Refused) => Some(Verdict::Bad),
            (Ended::Refused, Ended::Allowed) => None,
        }
    }

    /// Keeps a verdict: a good one no longer than its token lasts, so not at all if that has ended.
    pub(crate) fn put(
        &self,
        key: TokenFingerprint,
        ended: Ended,
        verdict: &Verdict,
        weight: usize,
        now: Now,
    ) {
        let mut shard = self.shard(&key);
        match verdict {
            Verdict::Good(known) => {
                shard.bad.remove(&key);
                let left = known.verified.expires_at.duration_since(now.wall);
                let ttl = self.bounds.good_ttl.min(left.unwrap_or_default());
                match ttl.is_zero() {
                    true => shard.good.remove(&key),
                    false => {
                        let until = now.steady + ttl;
                        shard.good.insert(key, known.clone(), until, weight);
                    }
                }
            }
            Verdict::Bad => {
                shard.good.remove(&key);
                let until = now.steady + self.bounds.bad_ttl;
                shard.bad.insert(key, ended, until, 1);
            }
        }
    }

    /// Forgets what was said of a token, good or bad.
    pub(crate) fn remove(&self, key: &TokenFingerprint) {
        let mut shard = self.shard(key);
        shard.good.remove(key);
        shard.bad.remove(key);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.good.clear();
            shard.bad.clear();
        }
    }

    /// How many verdicts are kept: good, bad.
    pub(crate) fn len(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(good, bad), shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            (good + shard.good.len(), bad + shard.bad.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use context::{Identity, Roles, ServiceCatalog};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cache(entries: usize) -> Cache {
        Cache::new(CacheBounds {
            good: Bounds {
                entries,
                weight: 1 << 20,
            },
            bad: entries,
            good_ttl: 60 * SECOND,
            bad_ttl: 10 * SECOND,
        })
    }

    fn now() -> Now {
        Now {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    fn later(now: Now, by: Duration) -> Now {
        Now {
            steady: now.steady + by,
            wall: now.wall + by,
        }
    }

    fn good(now: Now, life: Duration) -> Verdict {
        Verdict::Good(Known {
            verified: Arc::new(VerifiedToken {
                identity: Identity::default(),
                roles: Roles::default(),
                catalog: ServiceCatalog::default(),
                expires_at: now.wall + life,
            }),
            access_rules: None,
        })
    }

    /// What the cache says: `g`, `b` or `-`.
    fn say(cache: &Cache, key: TokenFingerprint, ended: Ended, now: Now) -> char {
        match cache.get(&key, ended, now) {
            Some(Verdict::Good(_)) => 'g',
            Some(Verdict::Bad) => 'b',
            None => '-',
        }
    }

    #[test]
    fn a_good_verdict_lasts_for_its_ttl_and_never_longer_than_its_token() {
        let (cache, now, key) = (cache(64), now(), TokenFingerprint::of("a"));
        cache.put(key, Ended::Refused, &good(now, 3600 * SECOND), 1, now);
        assert_eq!(
            say(&cache, key, Ended::Refused, later(now, 59 * SECOND)),
            'g'
        );
        assert_eq!(
            say(&cache, key, Ended::Refused, later(now, 60 * SECOND)),
            '-'
        );
        cache.put(key, Ended::Refused, &good(now, 5 * SECOND), 1, now);
        assert_eq!(
            say(&cache, key, Ended::Refused, later(now, 4 * SECOND)),
            'g'
        );
        assert_eq!(
            say(&cache, key, Ended::Refused, later(now, 5 * SECOND)),
            '-'
        );
    }

    #[test]
    fn a_wall_clock_that_is_set_forward_ends_tokens_at_once() {
        let (cache, now, key) = (cache(64), now(), TokenFingerprint::of("a"));
        cache.put(key, Ended::Refused, &good(now, 30 * SECOND), 1, now);
        let jumped = Now {
            wall: now.wall + 31 * SECOND,
            ..now
        };
        assert_eq!(say(&cache, key, Ended::Refused, jumped), '-');
    }

    #[test]
    fn a_token_that_has_ended_is_never_kept_as_good() {
        let (cache, now, key) = (cache(64), now(), TokenFingerprint::of("a"));
        let ended = good(
            Now {
                wall: now.wall - 9 * SECOND,
                ..now
            },
            SECOND,
        );
        cache.put(key, Ended::Allowed, &ended, 1, now);
        assert_eq!(cache.len(), (0, 0));
    }

    #[test]
    fn a_refusal_answers_only_the_questions_it_covers() {
        let (cache, now, key) = (cache(64), now(), TokenFingerprint::of("a"));
        cache.put(key, Ended::Refused, &Verdict::Bad, 1, now);
        assert_eq!(say(&cache, key, Ended::Refused, now), 'b');
        assert_eq!(say(&cache, key, Ended::Allowed, now), '-');
        cache.put(key, Ended::Allowed, &Verdict::Bad, 1, now);
        assert_eq!(say(&cache, key, Ended::Refused, now), 'b');
        assert_eq!(say(&cache, key, Ended::Allowed, now), 'b');
        assert_eq!(
            say(&cache, key, Ended::Allowed, later(now, 10 * SECOND)),
            '-'
        );
    }

    #[test]
    fn a_flood_of_made_up_tokens_drives_out_only_its_own_kind() {
        let (cache, now) = (cache(64), now());
        let mine: Vec<_> = (0..16)
            .map(|n| TokenFingerprint::of(&format!("mine {n}")))
            .collect();
        for key in &mine {
            cache.put(*key, Ended::Refused, &good(now, 3600 * SECOND), 1, now);
        }
        let held = cache.len().0;
        for n in 0..10_000 {
            let key = TokenFingerprint::of(&format!("flood {n}"));
            cache.put(key, Ended::Refused, &Verdict::Bad, 1, now);
        }
        assert_eq!(cache.len(), (held, 64));
        assert!(held >= 8, "{held}");
    }
}

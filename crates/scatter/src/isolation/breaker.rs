//! The breakers of all cells: a pure state machine. A breaker opens only when a probe has confirmed what the works said,
//! and never for more cells than the cap allows.

use std::time::Instant;

use cells::CellId;

use super::policy::{BreakerPolicy, Effect};
use crate::hash::CellMap;

pub(super) struct Breakers {
    policy: BreakerPolicy,
    cells: CellMap<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Asked as usual; bad ends in a row.
    Closed { bad: u32 },
    /// Still asked; the next probe decides.
    Suspect,
    /// Left alone; probed from this instant on.
    Open { probe_at: Instant },
    /// Asked a little: works under way, good ones so far.
    HalfOpen { under_way: u32, good: u32 },
}

/// What a cell's breaker says to one work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// It passes, and its end decides.
    Trial,
    FailFast,
}

/// How a work's end speaks for its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Good,
    Bad,
    /// Nothing follows from it.
    None,
}

impl Breakers {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            cells: CellMap::default(),
        }
    }

    pub(super) fn ask(&mut self, cell: CellId, effect: Effect) -> Verdict {
        let state = self.cells.entry(cell).or_insert(State::Closed { bad: 0 });
        match state {
            State::Closed { .. } | State::Suspect => Verdict::Pass,
            State::HalfOpen { under_way, .. } if *under_way < self.policy.trials.max(1) => {
                *under_way += 1;
                Verdict::Trial
            }
            // A caller who wants to change something finds out by itself.
            State::Open { .. } | State::HalfOpen { .. } => match effect {
                Effect::Read => Verdict::FailFast,
                Effect::Idempotent | Effect::Mutating => Verdict::Pass,
            },
        }
    }

    /// A work that passed has ended.
    pub(super) fn ended(&mut self, cell: CellId, verdict: Verdict, sign: Sign, now: Instant) {
        let Some(state) = self.cells.get_mut(&cell) else {
            return;
        };
        *state = match (*state, verdict, sign) {
            (State::Closed { .. }, _, Sign::Good) => State::Closed { bad: 0 },
            (State::Closed { bad }, _, Sign::Bad) if bad + 1 >= self.policy.suspect_after => {
                State::Suspect
            }
            (State::Closed { bad }, _, Sign::Bad) => State::Closed { bad: bad + 1 },
            (State::Suspect, _, Sign::Good) => State::Closed { bad: 0 },
            (State::HalfOpen { good, .. }, Verdict::Trial, Sign::Good)
                if good + 1 >= self.policy.close_after =>
            {
                State::Closed { bad: 0 }
            }
            (State::HalfOpen { under_way, good }, Verdict::Trial, sign) => match sign {
                Sign::Good => State::HalfOpen {
                    under_way: under_way.saturating_sub(1),
                    good: good + 1,
                },
                Sign::None => State::HalfOpen {
                    under_way: under_way.saturating_sub(1),
                    good,
                },
                Sign::Bad => State::Open {
                    probe_at: now + self.policy.open_for,
                },
            },
            (unchanged, _, _) => unchanged,
        };
    }

    /// Cells that should be probed now.
    pub(super) fn due(&self, now: Instant) -> Vec<CellId> {
        let due = |state: &State| match state {
            State::Suspect => true,
            State::Open { probe_at } => *probe_at <= now,
            State::Closed { .. } | State::HalfOpen { .. } => false,
        };
        let mut cells: Vec<CellId> = self
            .cells
            .iter()
            .filter(|(_, state)| due(state))
            .map(|(cell, _)| *cell)
            .collect();
        cells.sort_unstable();
        cells
    }

    /// A probe has come back.
    pub(super) fn probed(&mut self, cell: CellId, good: bool, now: Instant) {
        let room = self.ejected() < self.cap();
        let Some(state) = self.cells.get_mut(&cell) else {
            return;
        };
        let open = State::Open {
            probe_at: now + self.policy.open_for,
        };
        *state = match (*state, good) {
            (State::Suspect, true) => State::Closed { bad: 0 },
            (State::Suspect, false) if room => open,
            (State::Open { .. }, true) => State::HalfOpen {
                under_way: 0,
                good: 0,
            },
            (State::Open { .. }, false) => open,
            (unchanged, _) => unchanged,
        };
    }

    /// Cells that are left alone, wholly or nearly.
    pub(super) fn ejected(&self) -> usize {
        let ejected = |state: &&State| matches!(state, State::Open { .. } | State::HalfOpen { .. });
        self.cells.values().filter(ejected).count()
    }

    fn cap(&self) -> usize {
        self.cells.len() * self.policy.max_ejected_percent / 100
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn cell(n: usize) -> CellId {
        CellId::new(Uuid::from_u128(n as u128 + 1))
    }

    fn breakers(cells: usize) -> Breakers {
        let mut breakers = Breakers::new(BreakerPolicy {
            suspect_after: 2,
            close_after: 2,
            ..BreakerPolicy::default()
        });
        (0..cells).for_each(|n| {
            breakers.ask(cell(n), Effect::Read);
        });
        breakers
    }

    fn fail(breakers: &mut Breakers, n: usize, times: usize, now: Instant) {
        for _ in 0..times {
            let verdict = breakers.ask(cell(n), Effect::Read);
            breakers.ended(cell(n), verdict, Sign::Bad, now);
        }
    }

    #[test]
    fn bad_works_alone_open_nothing_until_a_probe_confirms_them() {
        let (mut breakers, now) = (breakers(4), Instant::now());
        fail(&mut breakers, 0, 50, now);
        assert_eq!(breakers.ask(cell(0), Effect::Read), Verdict::Pass);
        assert_eq!(breakers.due(now), [cell(0)]);
        breakers.probed(cell(0), true, now);
        assert!(breakers.due(now).is_empty());
        fail(&mut breakers, 0, 2, now);
        breakers.probed(cell(0), false, now);
        assert_eq!(breakers.ask(cell(0), Effect::Read), Verdict::FailFast);
        assert_eq!(breakers.ask(cell(0), Effect::Mutating), Verdict::Pass);
    }

    #[test]
    fn an_open_breaker_closes_over_a_probe_and_a_few_trials() {
        let (mut breakers, now) = (breakers(4), Instant::now());
        fail(&mut breakers, 0, 2, now);
        breakers.probed(cell(0), false, now);
        assert!(breakers.due(now).is_empty());
        let later = now + Duration::from_secs(6);
        assert_eq!(breakers.due(later), [cell(0)]);
        breakers.probed(cell(0), true, later);
        for _ in 0..2 {
            assert_eq!(breakers.ask(cell(0), Effect::Read), Verdict::Trial);
            assert_eq!(breakers.ask(cell(0), Effect::Read), Verdict::FailFast);
            breakers.ended(cell(0), Verdict::Trial, Sign::Good, later);
        }
        assert_eq!(breakers.ask(cell(0), Effect::Read), Verdict::Pass);
        assert_eq!(breakers.ejected(), 0);
    }

    #[test]
    fn when_everything_fails_half_of_the_cells_are_asked_all_the_same() {
        let (mut breakers, now) = (breakers(10), Instant::now());
        for n in 0..10 {
            fail(&mut breakers, n, 2, now);
            breakers.probed(cell(n), false, now);
        }
        assert_eq!(breakers.ejected(), 5);
    }

    proptest! {
        /// Safety: never more ejected than the cap; liveness: from wherever, good probes and works close every breaker.
        #[test]
        fn the_cap_holds_and_every_breaker_can_close(
            events in proptest::collection::vec((0_usize..4, 0_usize..5, 0_u64..4), 0..200)
        ) {
            let mut breakers = breakers(4);
            let mut now = Instant::now();
            let mut trials: Vec<CellId> = Vec::new();
            for (n, what, seconds) in events {
                now += Duration::from_secs(seconds);
                match what {
                    0 => breakers.probed(cell(n), false, now),
                    1 => breakers.probed(cell(n), true, now),
                    _ => match breakers.ask(cell(n), Effect::Read) {
                        Verdict::Trial if what == 2 => trials.push(cell(n)),
                        Verdict::FailFast => {}
                        verdict => {
                            let sign = if what == 3 { Sign::Bad } else { Sign::Good };
                            breakers.ended(cell(n), verdict, sign, now);
                        }
                    },
                }
                prop_assert!(breakers.ejected() <= 2);
            }
            for cell in trials {
                breakers.ended(cell, Verdict::Trial, Sign::None, now);
            }
            for _ in 0..10 {
                now += Duration::from_secs(10);
                for cell in breakers.due(now) {
                    breakers.probed(cell, true, now);
                }
                for n in 0..4 {
                    let verdict = breakers.ask(cell(n), Effect::Read);
                    if verdict != Verdict::FailFast {
                        breakers.ended(cell(n), verdict, Sign::Good, now);
                    }
                }
            }
            prop_assert_eq!(breakers.ejected(), 0);
            prop_assert!(breakers.due(now).is_empty());
        }
    }
}

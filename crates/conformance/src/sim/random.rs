//! Scenarios from seeds.

use std::time::Duration;

use cells::ErrorClass;

use super::program::Program;
use super::scenario::Scenario;

/// A source of numbers that is the same everywhere: SplitMix64. Not for secrets.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one; 0 where it is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next_u64() % end).unwrap_or_default()
    }

    /// True this often of a hundred times.
    pub fn percent(&mut self, often: usize) -> bool {
        self.below(100) < often
    }

    /// A time below this many milliseconds.
    pub fn millis(&mut self, end: usize) -> Duration {
        Duration::from_millis(self.below(end) as u64)
    }
}

impl Scenario {
    /// The scenario of a seed: up to a dozen cells, some slow, failing, panicking, hung or rejected; sometimes a limit, a
    /// share per cell, a caller who goes away.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut dice = Seeded::new(seed);
        let cells = dice.below(13);
        let mut scenario = Self::of(cells).budget(Duration::ZERO + dice.millis(400));
        scenario.seed = Some(seed);
        for cell in 0..cells {
            scenario.programs[cell] = program(&mut dice);
        }
        if dice.percent(20) && cells > 0 {
            let cell = dice.below(cells);
            scenario = scenario.reject(cell);
        }
        if dice.percent(40) {
            scenario.in_flight = Some(dice.below(cells + 2));
        }
        if dice.percent(30) {
            scenario.cell_timeout = Some(Duration::from_millis(1) + dice.millis(300));
        }
        if dice.percent(10) {
            scenario.gone_after = Some(dice.millis(400));
        }
        scenario
    }
}

pub(super) fn program(dice: &mut Seeded) -> Program {
    let mut program = Program::new();
    if dice.percent(40) {
        program = program.connect(dice.millis(50));
    }
    if dice.percent(80) {
        let rows = dice.below(6);
        program = program.rows(rows, dice.millis(60));
    }
    match dice.below(100) {
        0..15 => program.hang(),
        15..30 => program.fail(ErrorClass::Statement),
        30..40 => program.panic(),
        _ => program,
    }
}

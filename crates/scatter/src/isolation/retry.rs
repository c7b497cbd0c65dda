//! Retry tokens: works earn them, retries spend them, per cell and for the whole process. Pure.

use cells::CellId;

use super::policy::RetryPolicy;
use crate::hash::CellMap;

/// Hundredths of a token.
const TOKEN: u32 = 100;

pub(super) struct RetryBudget {
    policy: RetryPolicy,
    process: u32,
    cells: CellMap<u32>,
}

impl RetryBudget {
    /// Both buckets are full at first.
    pub(super) fn new(policy: RetryPolicy) -> Self {
        Self {
            process: policy.per_process.saturating_mul(TOKEN),
            policy,
            cells: CellMap::default(),
        }
    }

    pub(super) fn attempts(&self) -> u32 {
        self.policy.attempts.max(1)
    }

    /// A work has begun for the first time.
    pub(super) fn earn(&mut self, cell: CellId) {
        let earned = self.policy.earned_percent;
        let (most, most_of_cell) = self.most();
        let tokens = self.cells.entry(cell).or_insert(most_of_cell);
        *tokens = (*tokens + earned).min(most_of_cell);
        self.process = (self.process + earned).min(most);
    }

    /// Takes a token of the cell and one of the process, or none.
    pub(super) fn spend(&mut self, cell: CellId) -> bool {
        let (_, most_of_cell) = self.most();
        let tokens = self.cells.entry(cell).or_insert(most_of_cell);
        let affordable = *tokens >= TOKEN && self.process >= TOKEN;
        if affordable {
            *tokens -= TOKEN;
            self.process -= TOKEN;
        }
        affordable
    }

    fn most(&self) -> (u32, u32) {
        let most = self.policy.per_process.saturating_mul(TOKEN);
        (most, self.policy.per_cell.saturating_mul(TOKEN))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    proptest! {
        /// However works and retries come, retries are at most the savings and a tenth of the works.
        #[test]
        fn retries_stay_a_small_part_of_the_load(
            works in proptest::collection::vec((0_u128..5, any::<bool>()), 0..2_000)
        ) {
            let mut budget = RetryBudget::new(RetryPolicy::default());
            let (mut begun, mut retried) = ([0_usize; 5], [0_usize; 5]);
            for (n, fails) in works {
                let cell = CellId::new(Uuid::from_u128(n + 1));
                let n = usize::try_from(n).unwrap();
                budget.earn(cell);
                begun[n] += 1;
                retried[n] += usize::from(fails && budget.spend(cell));
            }
            for n in 0..5 {
                prop_assert!(retried[n] <= 10 + begun[n] / 10);
            }
            prop_assert!(retried.iter().sum::<usize>() <= 100 + begun.iter().sum::<usize>() / 10);
        }
    }
}

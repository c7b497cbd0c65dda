//! Which of many lanes comes first: a tree of matches that keeps the losers, replayed along one path when the winner changes.
//!
//! Whoever lost a match meets the next comer there, so one row costs one comparison for each level and no more.

/// A tree over lanes; the lanes themselves are the caller's, who says which of two precedes.
pub(super) struct Tournament {
    /// The loser of each match; match 1 is the final, and lane `n` enters at match `(lanes + n) / 2`.
    losers: Box<[usize]>,
    winner: usize,
}

impl Tournament {
    /// Plays every match.
    pub(super) fn new(lanes: usize, precedes: impl Fn(usize, usize) -> bool) -> Self {
        // Nodes from `lanes` on are the lanes themselves, those before them the matches' winners.
        let mut winners: Vec<usize> = (0..2 * lanes)
            .map(|node| node.saturating_sub(lanes))
            .collect();
        let mut losers: Box<[usize]> = (0..lanes).collect();
        for node in (1..lanes).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let right_wins = precedes(right, left);
            (winners[node], losers[node]) = match right_wins {
                true => (right, left),
                false => (left, right),
            };
        }
        Self {
            losers,
            winner: winners.get(1).copied().unwrap_or(0),
        }
    }

    /// The lane that precedes all others; none where there are no lanes.
    #[inline]
    pub(super) fn winner(&self) -> Option<usize> {
        (!self.losers.is_empty()).then_some(self.winner)
    }

    /// Plays the matches of the winner again, which has changed; no other lane has.
    #[inline]
    pub(super) fn replay(&mut self, precedes: impl Fn(usize, usize) -> bool) {
        let mut winner = self.winner;
        let mut node = (self.losers.len() + winner) / 2;
        while node >= 1 {
            let waiting = self.losers[node];
            if precedes(waiting, winner) {
                self.losers[node] = winner;
                winner = waiting;
            }
            node /= 2;
        }
        self.winner = winner;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_winner_is_always_the_least_lane_and_the_first_of_equals(
            mut lanes in proptest::collection::vec(0_u8..6, 0..12),
            changes in proptest::collection::vec(0_u8..6, 0..40),
        ) {
            let before = |lanes: &[u8], a: usize, b: usize| (lanes[a], a) < (lanes[b], b);
            let mut tree = Tournament::new(lanes.len(), |a, b| before(&lanes, a, b));
            let least = |lanes: &[u8]| (0..lanes.len()).min_by_key(|at| (lanes[*at], *at));
            prop_assert_eq!(tree.winner(), least(&lanes));
            for change in changes {
                let Some(winner) = tree.winner() else { break };
                lanes[winner] = change;
                tree.replay(|a, b| before(&lanes, a, b));
                prop_assert_eq!(tree.winner(), least(&lanes));
            }
        }
    }
}

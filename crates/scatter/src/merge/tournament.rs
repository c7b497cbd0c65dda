//! Which of many lanes comes first: a tree of matches, replayed along one path when one lane changes.

/// A tree over lanes; the lanes themselves are the caller's, who says which of two precedes.
pub(super) struct Tournament {
    /// Node 1 is the winner of all; node `lanes + n` is lane `n`.
    nodes: Box<[usize]>,
    lanes: usize,
}

impl Tournament {
    /// Plays every match.
    pub(super) fn new(lanes: usize, precedes: impl Fn(usize, usize) -> bool) -> Self {
        let mut tournament = Self {
            nodes: (0..2 * lanes)
                .map(|node| node.saturating_sub(lanes))
                .collect(),
            lanes,
        };
        for node in (1..lanes).rev() {
            tournament.play(node, &precedes);
        }
        tournament
    }

    /// The lane that precedes all others; none where there are no lanes.
    pub(super) fn winner(&self) -> Option<usize> {
        self.nodes.get(1).copied()
    }

    /// Plays the matches of a lane that has changed.
    pub(super) fn replay(&mut self, lane: usize, precedes: impl Fn(usize, usize) -> bool) {
        let mut node = (self.lanes + lane) / 2;
        while node >= 1 {
            self.play(node, &precedes);
            node /= 2;
        }
    }

    fn play(&mut self, node: usize, precedes: &impl Fn(usize, usize) -> bool) {
        let (left, right) = (self.nodes[2 * node], self.nodes[2 * node + 1]);
        self.nodes[node] = if precedes(right, left) { right } else { left };
    }
}

//! One cell's jobs in the pool: those that have a worker or may take one, and those beyond the cell's limit. It decides
//! nothing; whoever has the pool's lock does.

use std::collections::VecDeque;
use std::sync::Arc;

use super::portion::{Mark, Marks, Ticket};

pub(crate) struct Lane<B> {
    /// Jobs that have a worker or may take one; of those that ended, some.
    pub(crate) held: Vec<(Arc<Marks>, usize)>,
    /// What the cell has beyond its limit: batch, and number in it.
    pub(crate) waiting: VecDeque<(Ticket, B, usize)>,
}

impl<B> Lane<B> {
    pub(crate) fn new() -> Self {
        Self {
            held: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Forgets jobs that have ended.
    pub(crate) fn count(&mut self) {
        self.held
            .retain(|(marks, at)| marks.mark(*at) != Mark::Gone);
    }

    pub(crate) fn stuck(&self) -> usize {
        let stuck = |held: &&(Arc<Marks>, usize)| {
            matches!(held.0.mark(held.1), Mark::Stuck | Mark::Replaced)
        };
        self.held.iter().filter(stuck).count()
    }

    pub(crate) fn find(&self, ticket: Ticket) -> Option<(Arc<Marks>, usize)> {
        let same = |held: &&(Arc<Marks>, usize)| held.0.ticket(held.1) == ticket;
        self.held.iter().find(same).cloned()
    }
}

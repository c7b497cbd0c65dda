//! One cell's batches on their way to the reader: a bounded queue, and what is known of the rows still to come.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Sorted rows with their keys.
pub(super) type Batch<K, R> = Vec<(K, R)>;

pub(super) struct Queue<K, R>(Mutex<State<K, R>>);

struct State<K, R> {
    batches: VecDeque<(Batch<K, R>, usize)>,
    /// What was sent and not given out yet, including what the reader has in hand.
    rows: usize,
    bytes: usize,
    /// The sender has promised that nothing comes before this key.
    floor: Option<K>,
    /// The rows were not in order.
    broken: bool,
    /// The reader waits for this queue.
    awaited: bool,
    /// The sender waits for room.
    sender: Option<Waker>,
}

/// What the reader finds.
pub(super) enum Found<K, R> {
    Batch(Batch<K, R>, usize),
    /// No rows, and a new promise.
    Floor(K),
    /// Nothing; the reader is woken when that changes.
    Nothing,
}

impl<K, R> Queue<K, R> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            batches: VecDeque::new(),
            rows: 0,
            bytes: 0,
            floor: None,
            broken: false,
            awaited: false,
            sender: None,
        }))
    }

    /// Ready when there is room for one more batch.
    pub(super) fn poll_room(&self, rows: usize, bytes: usize, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        // An empty queue takes any batch, or one larger than the bound would never pass.
        if state.rows == 0 || state.rows < rows && state.bytes < bytes {
            state.sender = None;
            return Poll::Ready(());
        }
        state.sender = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Puts a batch in. True where the reader waits for it.
    pub(super) fn send(&self, batch: Batch<K, R>, bytes: usize) -> bool {
        let mut state = self.state();
        state.rows += batch.len();
        state.bytes += bytes;
        state.batches.push_back((batch, bytes));
        std::mem::take(&mut state.awaited)
    }

    /// Promises that nothing comes before the key. True where the reader waits.
    pub(super) fn promise(&self, floor: K) -> bool {
        let mut state = self.state();
        state.floor = Some(floor);
        std::mem::take(&mut state.awaited)
    }

    pub(super) fn take(&self) -> Found<K, R> {
        let mut state = self.state();
        if let Some((batch, bytes)) = state.batches.pop_front() {
            return Found::Batch(batch, bytes);
        }
        match state.floor.take() {
            Some(floor) => Found::Floor(floor),
            None => {
                state.awaited = true;
                Found::Nothing
            }
        }
    }

    /// The rows are not in order: nothing that comes after is taken. A work that hides it has failed all the same.
    pub(super) fn break_off(&self) {
        self.state().broken = true;
    }

    pub(super) fn is_whole(&self) -> bool {
        !self.state().broken
    }

    /// The reader has given out what it took.
    pub(super) fn free(&self, rows: usize, bytes: usize) {
        let sender = {
            let mut state = self.state();
            state.rows -= rows;
            state.bytes -= bytes;
            state.sender.take()
        };
        if let Some(sender) = sender {
            sender.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K, R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

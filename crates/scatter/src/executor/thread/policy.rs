//! The sizes of a thread pool, and what can be seen of it.

/// The sizes of a thread pool. All fields are public: set what differs from the default.
#[derive(Debug, Clone)]
pub struct ThreadPolicy {
    /// Threads that run work: 64. Nova's `cell_worker_thread_pool_size` is 5.
    pub workers: usize,
    /// Jobs that may wait for a worker, over all cells: 4096.
    pub queue: usize,
    /// Workers one cell may hold at the same time: 8.
    pub per_cell: usize,
    /// Jobs that may wait for one cell's workers: 256.
    pub per_cell_queue: usize,
    /// Stuck threads that are replaced; beyond it the pool shrinks instead of growing without end: 256.
    pub max_abandoned: usize,
}

impl Default for ThreadPolicy {
    fn default() -> Self {
        Self {
            workers: 64,
            queue: 4096,
            per_cell: 8,
            per_cell_queue: 256,
            max_abandoned: 256,
        }
    }
}

/// A pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Threads that count against [`ThreadPolicy::workers`]: idle, at work, or stuck without having been replaced.
    pub workers: usize,
    /// Of those, the ones that have nothing to do.
    pub idle: usize,
    /// Jobs that wait for a worker.
    pub waiting: usize,
    /// Workers that are at work which somebody waits for.
    pub running: usize,
    /// Threads stuck in work nobody waits for, replaced or not.
    pub abandoned: usize,
}

//! How far cells run ahead of the reader, and what a missing cell means.

/// How a merge runs. All fields are public: set what differs from the default.
#[derive(Debug, Clone)]
pub struct MergePolicy {
    /// Rows that one cell may have sent and that were not given out: 1000, Nova's largest page. A page no longer than this
    /// never keeps a cell waiting.
    pub look_ahead_rows: usize,
    /// Bytes of them, as the sender counts: 8 MiB.
    pub look_ahead_bytes: usize,
    /// What a cell that gives no answer, or not all of it, means for the rows of the others.
    pub missing: MissingCells,
}

impl Default for MergePolicy {
    fn default() -> Self {
        Self {
            look_ahead_rows: 1000,
            look_ahead_bytes: 8 << 20,
            missing: MissingCells::Fail,
        }
    }
}

/// What a cell without an answer means for an ordered stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingCells {
    /// The stream ends with an error that names it.
    Fail,
    /// The stream goes on with the others' rows, and the report names it. What it had sent before stays in the stream.
    Skip,
}

/// What one cell gave to an ordered stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellRows {
    /// Rows that were given out.
    pub rows: usize,
    /// Whether those were all it has; false where the reader had enough before.
    pub complete: bool,
}

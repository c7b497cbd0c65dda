//! cells.

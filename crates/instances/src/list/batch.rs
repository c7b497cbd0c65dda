//! How many rows a cell is asked for at a time.

/// How many rows each cell is asked for at a time. Cells that run dry before the page is full are asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BatchStrategy {
    /// A cell's fair share and a tenth, at least 100 and never more than the page; whoever runs dry is then asked for all
    /// that the page still lacks. Servers spread evenly take one round, all in one cell two.
    #[default]
    Adaptive,
    /// Nova's `[api]instance_list_cells_batch_strategy = distributed`, to the number.
    Distributed,
    /// Nova's `fixed`, with its `instance_list_cells_batch_fixed_size` (100 by default and at least).
    Fixed(u32),
}

impl BatchStrategy {
    /// Rows to ask each of `cells` cells for, to fill a page of `limit`; without a limit, Nova's `[api]max_limit` of 1000.
    /// For [`Distributed`](Self::Distributed) and [`Fixed`](Self::Fixed) this is Nova's
    /// `get_instance_list_cells_batch_size` (nova-facts 4.2), which may exceed the limit.
    #[must_use]
    pub fn size(self, limit: Option<u32>, cells: usize) -> u32 {
        let limit = limit.filter(|limit| *limit > 0).unwrap_or(1_000);
        if cells <= 1 {
            return limit;
        }
        let batch = match self {
            Self::Fixed(size) => size,
            Self::Distributed | Self::Adaptive => share(limit, cells),
        };
        let size = batch.min(limit).max(100);
        match self {
            Self::Adaptive => size.min(limit),
            Self::Distributed | Self::Fixed(_) => size,
        }
    }

    /// Rows to ask a cell for that ran dry, where the page still lacks `left`.
    pub(crate) fn refill(self, first: u32, left: u32) -> u32 {
        match self {
            Self::Adaptive => left,
            Self::Distributed | Self::Fixed(_) => first.min(left),
        }
    }
}

/// Python's `int(limit / cells * 1.10)`, with its own rounding.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the result is at most 1.1 times a page's limit, and never negative"
)]
fn share(limit: u32, cells: usize) -> u32 {
    (f64::from(limit) / cells as f64 * 1.10) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn novas_batch_sizes_to_the_number() {
        let table = [
            (Some(1000), 2, 550),
            (Some(1000), 4, 275),
            (None, 3, 366),
            (Some(0), 3, 366),
            (Some(50), 2, 100),
            (Some(50), 1, 50),
            (Some(1000), 1, 1000),
            (Some(1000), 0, 1000),
            (Some(1000), 70, 100),
            (Some(2000), 11, 200),
        ];
        for (limit, cells, expected) in table {
            let size = BatchStrategy::Distributed.size(limit, cells);
            assert_eq!(size, expected, "{limit:?} {cells}");
        }
        for (size, limit, cells, expected) in [
            (100, Some(1000), 2, 100),
            (200, Some(1000), 2, 200),
            (200, Some(150), 2, 150),
            (200, Some(50), 2, 100),
            (200, Some(50), 1, 50),
            (10, None, 5, 100),
        ] {
            assert_eq!(BatchStrategy::Fixed(size).size(limit, cells), expected);
        }
    }

    #[test]
    fn the_adaptive_size_never_exceeds_the_page() {
        assert_eq!(BatchStrategy::Adaptive.size(Some(50), 2), 50);
        assert_eq!(BatchStrategy::Adaptive.size(Some(1000), 4), 275);
        assert_eq!(BatchStrategy::Adaptive.refill(275, 600), 600);
        assert_eq!(BatchStrategy::Distributed.refill(275, 600), 275);
    }
}

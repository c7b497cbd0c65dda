//! How many rows a cell is asked for at a time.

/// How many rows each cell is asked for at a time. Cells that run dry before the page is full are asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BatchStrategy {
    /// A cell's fair share and a tenth, at least 100 and never more than the page. What cells gave says how the rest will be
    /// spread: whoever runs dry is asked for its part of what the page still lacks and somewhat more, and so is at once
    /// whoever would run dry next. Servers spread evenly take one round, all in one cell two. A page after others begins
    /// with the parts that its cells had in those.
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

    /// Rows to ask a cell for first, whose part in the pages before was this.
    pub(crate) fn first(self, limit: u32, cells: usize, part: Option<Part>) -> u32 {
        let size = self.size(Some(limit), cells);
        match (self, part) {
            (Self::Adaptive, Some(part)) => part.of_next(limit).min(limit),
            _ => size,
        }
    }

    /// Rows to ask a cell for that ran dry, where the page still lacks `left`.
    pub(crate) fn refill(self, limit: u32, cells: usize, left: u32, part: Part) -> u32 {
        match self {
            Self::Adaptive => part.of_next(left).min(limit),
            Self::Distributed | Self::Fixed(_) => self.size(Some(limit), cells).min(left),
        }
    }

    /// Rows to ask a cell for that has this many at hand, while others are asked that ran dry; none where it has enough.
    pub(crate) fn along(self, at_hand: u32, left: u32, part: Part) -> Option<u32> {
        let enough = self != Self::Adaptive || at_hand >= part.expected(left);
        let lacks = left.saturating_sub(at_hand);
        (!enough && lacks > 0).then(|| part.of_next(left).min(coarse(lacks)))
    }
}

/// How many of some rows were one cell's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) taken: u32,
    pub(crate) of: u32,
}

/// Rows that are worth a statement.
const FEW: u32 = 50;

impl Part {
    /// How many of the next rows are the cell's at the most, if they are spread as these were: the mean, and twice by how
    /// much chance departs from it. A row too many costs less than a further round, though not nothing.
    fn expected(self, next: u32) -> u32 {
        let rows = u64::from(next) * u64::from(self.taken);
        let mean = rows.div_ceil(u64::from(self.of.max(1)));
        u32::try_from(mean + 2 * mean.isqrt() + 8).unwrap_or(u32::MAX)
    }

    /// The same, in a batch that is worth its statement.
    fn of_next(self, next: u32) -> u32 {
        coarse(self.expected(next).max(FEW).min(next))
    }
}

/// A sixteenth more at the most: a number of rows is part of a statement's text, and connections keep the plans of a few
/// texts only.
fn coarse(rows: u32) -> u32 {
    let step = (rows / 16).checked_ilog2().map_or(1, |power| 1 << power);
    rows.next_multiple_of(step)
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
    }

    #[test]
    fn statements_of_few_texts_serve_every_number_of_rows() {
        let texts: std::collections::BTreeSet<u32> = (1..=1000).map(coarse).collect();
        assert!(texts.len() < 130, "{texts:?}");
        for rows in 1..=1000 {
            assert!(coarse(rows) >= rows && coarse(rows) <= rows + rows.div_ceil(16));
        }
    }

    #[test]
    fn cells_are_asked_for_what_they_gave_so_far_lets_expect() {
        let part = |taken, of| Part { taken, of };
        let adaptive = BatchStrategy::Adaptive;
        let refill = |left, part| adaptive.refill(1000, 4, left, part);
        assert_eq!(refill(600, part(275, 275)), 608, "all of it");
        assert_eq!(refill(995, part(275, 275)), 1000);
        assert_eq!(refill(600, part(100, 400)), 184, "150, and 24, and 8");
        assert_eq!(refill(600, part(0, 400)), 50);
        assert_eq!(refill(60, part(100, 400)), 50);
        assert_eq!(refill(30, part(100, 400)), 30);
        assert_eq!(adaptive.along(10, 600, part(100, 400)), Some(184));
        assert_eq!(adaptive.along(182, 600, part(100, 400)), None);
        assert_eq!(adaptive.along(90, 100, part(400, 400)), Some(10));
        assert_eq!(adaptive.along(8, 600, part(0, 0)), None);
        assert_eq!(adaptive.first(1000, 4, None), 275);
        assert_eq!(adaptive.first(1000, 4, Some(part(320, 1000))), 368);
        assert_eq!(adaptive.first(1000, 4, Some(part(1000, 1000))), 1000);
        assert_eq!(adaptive.first(50, 4, Some(part(1, 50))), 50);
        for nova in [BatchStrategy::Distributed, BatchStrategy::Fixed(275)] {
            assert_eq!(nova.refill(1000, 4, 600, part(0, 400)), 275);
            assert_eq!(nova.along(0, 600, part(400, 400)), None);
            assert_eq!(nova.first(1000, 4, Some(part(1, 1000))), 275);
        }
    }
}

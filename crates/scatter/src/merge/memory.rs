//! Merging what is there already: sorted rows of many cells, in memory, as an iterator.

use std::cmp::Ordering;
use std::iter::FusedIterator;

use super::tournament::Tournament;

/// Merges sorted lanes by a comparison; ties are broken by the order of the lanes, so that the order is total. Lanes that
/// are not sorted give an order that is not either.
pub fn merge_sorted<I, F>(lanes: impl IntoIterator<Item = I>, compare: F) -> MergeSorted<I, F>
where
    I: Iterator,
    F: Fn(&I::Item, &I::Item) -> Ordering,
{
    let mut lanes: Vec<I> = lanes.into_iter().collect();
    let heads: Vec<Option<I::Item>> = lanes.iter_mut().map(Iterator::next).collect();
    let first = |a, b| precedes(&heads, &compare, a, b);
    MergeSorted {
        tournament: Tournament::new(lanes.len(), first),
        lanes,
        heads,
        compare,
    }
}

/// The rows of [`merge_sorted`].
pub struct MergeSorted<I: Iterator, F> {
    lanes: Vec<I>,
    heads: Vec<Option<I::Item>>,
    tournament: Tournament,
    compare: F,
}

impl<I, F> Iterator for MergeSorted<I, F>
where
    I: Iterator,
    F: Fn(&I::Item, &I::Item) -> Ordering,
{
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let lane = self.tournament.winner()?;
        let next = self.lanes[lane].next();
        let row = std::mem::replace(&mut self.heads[lane], next)?;
        let (heads, compare) = (&self.heads, &self.compare);
        self.tournament
            .replay(|a, b| precedes(heads, compare, a, b));
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let heads = self.heads.iter().flatten().count();
        let (least, most) = self.lanes.iter().fold((heads, Some(heads)), |sum, lane| {
            let (least, most) = lane.size_hint();
            let most = sum.1.zip(most).and_then(|(a, b)| a.checked_add(b));
            (sum.0.saturating_add(least), most)
        });
        (least, most)
    }
}

impl<I: Iterator, F> FusedIterator for MergeSorted<I, F> where F: Fn(&I::Item, &I::Item) -> Ordering {}

/// Whether lane `a` comes before lane `b`; an ended lane comes last.
#[inline]
fn precedes<R>(
    heads: &[Option<R>],
    compare: &impl Fn(&R, &R) -> Ordering,
    a: usize,
    b: usize,
) -> bool {
    match (&heads[a], &heads[b]) {
        (Some(one), Some(other)) => compare(one, other).then(a.cmp(&b)).is_lt(),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_stable_sort_of_all_lanes(
            mut lanes in proptest::collection::vec(proptest::collection::vec(0_u8..8, 0..20), 0..9)
        ) {
            lanes.iter_mut().for_each(|lane| lane.sort_unstable());
            let numbered = lanes.iter().enumerate();
            let tagged: Vec<Vec<(u8, usize, usize)>> = numbered
                .map(|(n, lane)| lane.iter().enumerate().map(|(at, key)| (*key, n, at)).collect())
                .collect();
            let mut expected: Vec<_> = tagged.iter().flatten().copied().collect();
            expected.sort_by_key(|row| row.0);
            let merged: Vec<_> =
                merge_sorted(tagged.into_iter().map(Vec::into_iter), |a, b| a.0.cmp(&b.0)).collect();
            prop_assert_eq!(merged, expected);
        }
    }
}

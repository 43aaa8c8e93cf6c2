//! Some places of a list are for items that few have acted on: what nobody is shown, nobody can turn to.
//!
//! One place in [`Explore::every`] is drawn for: each new item gets it with a probability of
//! `1 / (m + gap * (score of what is there - score of the new one))`, where `m` is how many are drawn from, and what is there
//! keeps it with the rest. So a new item that is nearly as good comes often and one that is not comes seldom: inverse-gap
//! weighting (Abe and Long, 1999; Foster and Rakhlin, Beyond UCB, 2020). How likely each was is told, so that who keeps the
//! answers can weigh what came of them by it.

pub mod new_items;

/// What a model says of new items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Explore {
    /// One place in so many is drawn for; 0: none is.
    pub every: usize,
    /// An item is new until so many have acted on it in the longest popularity window.
    pub below: u32,
    /// How much less often an item comes the further its score is behind; positive.
    pub gap: f64,
}

impl Explore {
    /// What holds where a model says nothing: lists without new items but for those that are good enough.
    pub const NONE: Self = Self { every: 0, below: 20, gap: 50.0 };
}

/// A new item that may be put somewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewItem {
    /// Its row.
    pub row: u32,
    /// Its linear score.
    pub score: f64,
}

/// What a place was drawn for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Who got it.
    pub row: u32,
    /// How likely that was, by what is above it.
    pub propensity: f64,
    /// Whether that is a new item, and not the one that would be there anyway.
    pub is_new: bool,
}

/// Draws for places in the first `n` of `ranked`, best first: the list that comes of it, and who got the places. What is in a
/// place does not hang on `n`. `score` is the linear score of a row, `draw` gives a number in [0, 1) for a place.
pub fn explore(
    settings: &Explore,
    ranked: &[u32],
    new: &[NewItem],
    n: usize,
    mut score: impl FnMut(u32) -> f64,
    draw: impl Fn(usize) -> f64,
) -> (Vec<u32>, Vec<Drawn>) {
    let mut rows: Vec<u32> = new.iter().map(|item| item.row).collect();
    rows.sort_unstable();
    let mut waiting = new.to_vec();
    let (mut list, mut drawn) = (Vec::with_capacity(ranked.len() + new.len()), Vec::<Drawn>::new());
    for row in ranked.iter().copied() {
        if rows.binary_search(&row).is_ok() {
            let there = waiting.len();
            waiting.retain(|item| item.row != row);
            // A new item that has come before its turn.
            if waiting.len() == there {
                continue;
            }
        }
        while is_drawn_for(settings, list.len() + 1, n) && !waiting.is_empty() {
            let (winner, propensity) = one(settings, &waiting, score(row), draw(list.len() + 1));
            let Some(winner) = winner else {
                drawn.push(Drawn { row, propensity, is_new: false });
                break;
            };
            let row = waiting.remove(winner).row;
            drawn.push(Drawn { row, propensity, is_new: true });
            list.push(row);
        }
        list.push(row);
    }
    (list, drawn)
}

fn is_drawn_for(settings: &Explore, place: usize, n: usize) -> bool {
    settings.every > 0 && place <= n && place.is_multiple_of(settings.every)
}

/// Who gets a place where `score` is what is there, by its index (none: what is there), and how likely that was.
fn one(settings: &Explore, waiting: &[NewItem], score: f64, draw: f64) -> (Option<usize>, f64) {
    let among = (waiting.len() + 1) as f64;
    let mut below = 0.0;
    for (index, item) in waiting.iter().enumerate() {
        let propensity = 1.0 / (among + settings.gap * f64::max(score - item.score, 0.0));
        if draw < below + propensity {
            return (Some(index), propensity);
        }
        below += propensity;
    }
    (None, 1.0 - below)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SETTINGS: Explore = Explore { every: 3, below: 1, gap: 10.0 };

    fn number(seed: u64, place: usize) -> f64 {
        let mixed = (seed + 1).wrapping_mul(place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The score of a row that is there: the later, the less.
    fn score(row: u32) -> f64 {
        1.0 - f64::from(row) / 100.0
    }

    fn new(rows: &[u32]) -> Vec<NewItem> {
        rows.iter().map(|row| NewItem { row: *row, score: score(*row) }).collect()
    }

    proptest! {
        #[test]
        fn a_longer_list_begins_with_the_shorter_one_and_all_are_there_once(
            seed: u64, every in 0_usize..5, n in 0_usize..40, more in 0_usize..10,
            rows in prop::collection::btree_set(0_u32..60, 0..12),
        ) {
            let settings = Explore { every, ..SETTINGS };
            let ranked: Vec<u32> = (0..40).collect();
            let new = new(&rows.iter().copied().collect::<Vec<_>>());
            let ask = |n| explore(&settings, &ranked, &new, n, score, |place| number(seed, place));
            let ((shorter, first), (longer, drawn)) = (ask(n), ask(n + more));
            prop_assert_eq!(&shorter[..n], &longer[..n]);
            prop_assert_eq!(&first[..], &drawn[..first.len()]);
            let mut sorted = longer.clone();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), longer.len());
            prop_assert!(ranked.iter().all(|row| longer.contains(row)));
            prop_assert!(longer.iter().all(|row| ranked.contains(row) || rows.contains(row)));
            for Drawn { row, propensity, is_new } in &drawn {
                let place = longer.iter().position(|other| other == row).expect("it is there") + 1;
                prop_assert!(place <= n + more && place % every == 0);
                prop_assert!(*propensity > 0.0 && *propensity < 1.0);
                prop_assert_eq!(*is_new, *is_new && rows.contains(row));
            }
            // Who is in no place that was drawn for is in the order of before.
            let others: Vec<u32> =
                longer.iter().copied().filter(|row| !drawn.iter().any(|drawn| drawn.is_new && drawn.row == *row)).collect();
            prop_assert!(others.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn each_comes_as_often_as_is_told() {
        let (ranked, new) = ((0..10).collect::<Vec<u32>>(), new(&[20, 50, 90]));
        let (mut came, mut told) = (BTreeMap::<u32, u32>::new(), BTreeMap::new());
        let draws = 200_000;
        for at in 0..draws {
            let (list, drawn) =
                explore(&SETTINGS, &ranked, &new, 3, score, |_| f64::from(at) / f64::from(draws));
            *came.entry(list[2]).or_default() += 1;
            told.insert(list[2], drawn[0].propensity);
        }
        // One in 4 and the gap times 10: of 0.18, 0.48 and 0.88.
        let expected = [(20, 1.0 / 5.8), (50, 1.0 / 8.8), (90, 1.0 / 12.8)];
        for (row, propensity) in expected {
            assert!((told[&row] - propensity).abs() < 1e-12, "{told:?}");
            assert!((f64::from(came[&row]) / f64::from(draws) - propensity).abs() < 1e-4, "{came:?}");
        }
        let rest: f64 = expected.iter().map(|(_, propensity)| propensity).sum();
        assert!((told[&2] - (1.0 - rest)).abs() < 1e-12);
    }
}

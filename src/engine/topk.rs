//! The best of many scores, in a total order: higher first, what is not finite last, ties by row.

/// The places of the `n` best scores, best first. `rows` breaks ties. `keys` is room to work in.
///
/// One pass that compares most scores with nothing but the worst one kept so far; the list of
/// candidates to keep is cut back to `n` whenever it has grown to twice that.
pub fn select(scores: &[f64], rows: &[u32], n: usize, keys: &mut Vec<u128>) -> Vec<u32> {
    keys.clear();
    if n == 0 {
        return Vec::new();
    }
    let mut threshold: Option<f64> = None;
    for (place, (score, row)) in scores.iter().zip(rows).enumerate() {
        // Written so that an equal or incomparable score is looked at more closely.
        if threshold.is_some_and(|threshold| *score < threshold) {
            continue;
        }
        keys.push(key(*score, *row, place));
        if keys.len() == 2 * n.max(32) {
            keys.select_nth_unstable(n - 1);
            keys.truncate(n);
            threshold = keys.last().map(|key| scores[place_of(*key)]).filter(|worst| worst.is_finite());
        }
    }
    if keys.len() > n {
        keys.select_nth_unstable(n - 1);
        keys.truncate(n);
    }
    keys.sort_unstable();
    keys.iter().map(|key| place_of(*key) as u32).collect()
}

/// A whole number for each scored row, less for a better one: whole numbers are sorted without
/// branches. It ends with the place.
fn key(score: f64, row: u32, place: usize) -> u128 {
    let bits = score.to_bits();
    // The order of the bits of a finite number is that of its size, the other way round below zero.
    let descending = if bits >> 63 == 0 { !bits & (u64::MAX >> 1) } else { bits };
    let rank = if score.is_finite() { descending } else { u64::MAX };
    u128::from(rank) << 64 | u128::from(row) << 32 | place as u128
}

fn place_of(key: u128) -> usize {
    key as u32 as usize
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    /// The order of two scored rows, best first.
    fn order(a: (f64, u32), b: (f64, u32)) -> Ordering {
        match (a.0.is_finite(), b.0.is_finite()) {
            (true, true) => b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)),
            (false, false) => a.1.cmp(&b.1),
            (a_finite, _) => {
                if a_finite {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }

    fn sort_and_truncate(scores: &[f64], rows: &[u32], n: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..scores.len() as u32).collect();
        all.sort_by(|a, b| {
            order((scores[*a as usize], rows[*a as usize]), (scores[*b as usize], rows[*b as usize]))
        });
        all.truncate(n);
        all
    }

    proptest! {
        #[test]
        fn selects_what_sort_and_truncate_does(
            picks in prop::collection::vec(0_usize..12, 0..400),
            n in 0_usize..70,
        ) {
            let values = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-300, 0.25, 0.75];
            let scores: Vec<f64> = picks.iter().map(|pick| values[*pick]).collect();
            let rows: Vec<u32> = (0..scores.len() as u32).rev().collect();
            let best = select(&scores, &rows, n, &mut Vec::new());
            prop_assert_eq!(best, sort_and_truncate(&scores, &rows, n));
        }
    }

    #[test]
    fn what_is_not_finite_sinks_below_every_finite_score() {
        let scores = [f64::NAN, -1e300, f64::INFINITY, 1.0];
        let best = select(&scores, &[0, 1, 2, 3], 4, &mut Vec::new());
        assert_eq!(best, [3, 1, 0, 2]);
    }
}

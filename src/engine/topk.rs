//! The best of many scores, in a total order: higher first, what is not finite last, ties by row.

use std::cmp::Ordering;

/// The order of two scored rows, best first.
pub fn order(a: (f64, u32), b: (f64, u32)) -> Ordering {
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

/// Fills `best` with the places of the `n` best scores, best first. `rows` breaks ties.
///
/// One pass that compares most scores with nothing but the worst one kept so far; the list of
/// candidates to keep is cut back to `n` whenever it has grown to twice that.
pub fn select(scores: &[f64], rows: &[u32], n: usize, best: &mut Vec<u32>) {
    best.clear();
    if n == 0 {
        return;
    }
    let key = |place: u32| (scores[place as usize], rows[place as usize]);
    let mut threshold: Option<f64> = None;
    for (place, score) in scores.iter().enumerate() {
        // Written so that an equal or incomparable score is looked at more closely.
        if threshold.is_some_and(|threshold| *score < threshold) {
            continue;
        }
        best.push(place as u32);
        if best.len() == 2 * n.max(32) {
            best.select_nth_unstable_by(n - 1, |a, b| order(key(*a), key(*b)));
            best.truncate(n);
            threshold = best.last().map(|place| scores[*place as usize]).filter(|worst| worst.is_finite());
        }
    }
    best.sort_unstable_by(|a, b| order(key(*a), key(*b)));
    best.truncate(n);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            let mut best = Vec::new();
            select(&scores, &rows, n, &mut best);
            prop_assert_eq!(best, sort_and_truncate(&scores, &rows, n));
        }
    }

    #[test]
    fn what_is_not_finite_sinks_below_every_finite_score() {
        let scores = [f64::NAN, -1e300, f64::INFINITY, 1.0];
        let mut best = Vec::new();
        select(&scores, &[0, 1, 2, 3], 4, &mut best);
        assert_eq!(best, [3, 1, 0, 2]);
    }
}

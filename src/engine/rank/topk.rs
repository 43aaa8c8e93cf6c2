//! The best of many scores, in a total order: higher first, what is not finite last, ties by rank.

/// The `n` best of the rows that were offered.
///
/// Most scores are compared with nothing but the worst one kept so far; the rows to keep are cut
/// back to `n` whenever they have grown to twice that, or to 32. So a row costs a constant on average, as a
/// selection of `n` of `2n` is linear, where a heap would cost a logarithm for each row that gets in.
#[derive(Debug)]
pub struct TopK {
    n: usize,
    keys: Vec<u128>,
    /// The worst score kept, once there are `n`. It is not a number before.
    threshold: f64,
}

impl Default for TopK {
    fn default() -> Self {
        Self { n: 0, keys: Vec::new(), threshold: f64::NAN }
    }
}

/// Scores that are compared with the threshold at a time.
const LANES: usize = 32;

impl TopK {
    /// Starts anew.
    pub fn start(&mut self, n: usize) {
        self.n = n;
        self.keys.clear();
        self.threshold = f64::NAN;
    }

    /// How many rows are kept: `n` or more if so many were offered and admitted.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no row of this score, or of a lower one, would be kept any more.
    #[inline]
    pub fn is_beyond(&self, score: f64) -> bool {
        score < self.threshold
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Offers rows, each with its rank and its score. Only of those that are good enough is asked whether they are
    /// admitted: a row that is not must not be offered again with hope of another answer.
    pub fn offer(&mut self, rows: &[u32], ranks: &[u32], scores: &[f64], mut admit: impl FnMut(u32) -> bool) {
        if self.n == 0 {
            return;
        }
        let full = self.n.max(16).saturating_mul(2);
        let chunks = rows.chunks(LANES).zip(ranks.chunks(LANES)).zip(scores.chunks(LANES));
        for ((rows, ranks), scores) in chunks {
            // Written so that an equal or incomparable score is looked at more closely, and without a branch for
            // each: few chunks have any that is good enough.
            if scores.iter().fold(true, |worse, score| worse & (*score < self.threshold)) {
                continue;
            }
            for ((row, rank), score) in rows.iter().zip(ranks).zip(scores) {
                if *score < self.threshold || !admit(*row) {
                    continue;
                }
                self.keys.push(key(*score, *rank, *row));
                if self.keys.len() == full {
                    self.cut();
                    self.threshold = self.keys.last().map_or(f64::NAN, |key| score_of(*key));
                }
            }
        }
    }

    /// The rows that were kept, best first.
    pub fn finish(&mut self) -> impl Iterator<Item = u32> {
        if self.keys.len() > self.n {
            self.cut();
        }
        self.keys.sort_unstable();
        self.keys.iter().map(|key| *key as u32)
    }

    fn cut(&mut self) {
        self.keys.select_nth_unstable(self.n - 1);
        self.keys.truncate(self.n);
    }
}

/// A whole number for a scored row, less for a better one: whole numbers are sorted without
/// branches. It ends with the row.
#[inline]
pub(in crate::engine) fn key(score: f64, rank: u32, row: u32) -> u128 {
    let bits = if score.is_finite() { descending(score.to_bits()) } else { u64::MAX };
    u128::from(bits) << 64 | u128::from(rank) << 32 | u128::from(row)
}

/// The score of a key; not a number if it was not finite.
#[inline]
pub(in crate::engine) fn score_of(key: u128) -> f64 {
    f64::from_bits(descending((key >> 64) as u64))
}

/// The order of the bits of a finite number is that of its size, the other way round below zero.
/// Its own inverse.
#[inline]
fn descending(bits: u64) -> u64 {
    if bits >> 63 == 0 { !bits & (u64::MAX >> 1) } else { bits }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    /// The rank of a row, which is no rank of another.
    fn rank(row: u32) -> u32 {
        row ^ 0b101
    }

    fn ranks(rows: &[u32]) -> Vec<u32> {
        rows.iter().map(|row| rank(*row)).collect()
    }

    /// The order of two scores with ranks, best first.
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
            let scored = |index: u32| (scores[index as usize], rank(rows[index as usize]));
            order(scored(*a), scored(*b))
        });
        all.truncate(n);
        all.into_iter().map(|index| rows[index as usize]).collect()
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
            let refused = |row: u32| row % 7 == 3;
            let (admitted, kept): (Vec<u32>, Vec<f64>) =
                rows.iter().zip(&scores).filter(|(row, _)| !refused(**row)).unzip();
            let mut top = TopK::default();
            top.start(n);
            for (rows, scores) in rows.chunks(90).zip(scores.chunks(90)) {
                top.offer(rows, &ranks(rows), scores, |row| !refused(row));
            }
            prop_assert!(top.len() >= n.min(admitted.len()));
            prop_assert_eq!(top.finish().collect::<Vec<u32>>(), sort_and_truncate(&kept, &admitted, n));
        }
    }

    #[test]
    fn what_is_not_finite_sinks_below_every_finite_score() {
        let scores = [f64::NAN, -1e300, f64::INFINITY, 1.0];
        let mut top = TopK::default();
        top.start(4);
        let rows = [0, 1, 2, 3];
        top.offer(&rows, &ranks(&rows), &scores, |_| true);
        assert_eq!(top.finish().collect::<Vec<u32>>(), [3, 1, 0, 2]);
    }
}

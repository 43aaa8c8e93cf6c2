//! How sure a figure is. What one user does hangs together, so that it is users that are drawn, not questions.

use std::thread;

use hashbrown::HashMap;
use serde::Serialize;

use super::random::Random;

/// Half the width of an interval of 95 %, in standard errors.
const Z: f64 = 1.959_964;
/// How often users are drawn anew.
pub const DRAWS: usize = 1000;

/// A figure and where it lies with a confidence of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// What was measured.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    fn normal(value: f64, error: f64) -> Self {
        Self { value, low: value - Z * error, high: value + Z * error }
    }

    /// What `values` of samples leave out on either side: 2.5 %.
    fn of_samples(value: f64, mut samples: Vec<f64>) -> Option<Self> {
        samples.retain(|sample| sample.is_finite());
        samples.sort_by(f64::total_cmp);
        let at = |share: f64| samples.get((share * samples.len().saturating_sub(1) as f64).round() as usize);
        value.is_finite().then_some(())?;
        Some(Self { value, low: *at(0.025)?, high: *at(0.975)? })
    }
}

/// Who asked each question, as numbers without a gap.
#[derive(Clone, Debug)]
pub struct Askers {
    of: Vec<u32>,
    count: usize,
}

impl Askers {
    /// Those of these users, a question after the other.
    pub fn new(users: impl Iterator<Item = u32>) -> Self {
        let mut numbers = HashMap::new();
        let of = users
            .map(|user| {
                let next = numbers.len() as u32;
                *numbers.entry(user).or_insert(next)
            })
            .collect();
        Self { of, count: numbers.len() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean of a value of each of these questions, those aside that have none (NaN); none if all have none. The
    /// interval is normal, by sums of each asker.
    pub fn mean(&self, values: &[f32], questions: impl Iterator<Item = usize> + Clone) -> Option<Estimate> {
        let measured = questions.filter(|question| !values[*question].is_nan());
        let count = measured.clone().count() as f64;
        let mean = measured.clone().map(|question| f64::from(values[question])).sum::<f64>() / count;
        let error = self.error(measured.map(|question| (question, f64::from(values[question]) - mean)));
        (count > 0.0).then(|| Estimate::normal(mean, error / count))
    }

    /// The sum of `values` over that of `base` on the same questions; none if that is 0. The interval is normal on a
    /// scale of logarithms, by sums of each asker.
    pub fn ratio(
        &self,
        values: &[f32],
        base: &[f32],
        questions: impl Iterator<Item = usize> + Clone,
    ) -> Option<Estimate> {
        let sum = |of: &[f32]| questions.clone().map(|question| f64::from(of[question])).sum::<f64>();
        let (own, other) = (sum(values), sum(base));
        if other <= 0.0 {
            return None;
        }
        let ratio = own / other;
        let rest = |question| f64::from(values[question]) - ratio * f64::from(base[question]);
        let error = self.error(questions.map(|question| (question, rest(question)))) / other;
        // Of nothing there is no logarithm.
        if own <= 0.0 {
            return Some(Estimate { value: 0.0, low: 0.0, high: Z * error });
        }
        let wide = (Z * error / ratio).exp();
        Some(Estimate { value: ratio, low: ratio / wide, high: ratio * wide })
    }

    /// The standard error of a sum of numbers that are 0 on average.
    fn error(&self, numbers: impl Iterator<Item = (usize, f64)>) -> f64 {
        let mut sums = vec![0.0; self.count];
        let mut asked = vec![false; self.count];
        for (question, number) in numbers {
            let asker = self.of[question] as usize;
            sums[asker] += number;
            asked[asker] = true;
        }
        let askers = asked.into_iter().filter(|asked| *asked).count() as f64;
        let spread = sums.into_iter().map(|sum: f64| sum * sum).sum::<f64>();
        // Of a single asker nothing can be told: any interval would say too much.
        (spread * if askers > 1.0 { askers / (askers - 1.0) } else { f64::INFINITY }).sqrt()
    }

    /// Draws users anew [`DRAWS`] times, the same ones for all who are compared.
    pub fn draw(&self, columns: &[Vec<f32>], seed: u64) -> Draws {
        let width = columns.len() + 1;
        let mut sums = vec![0.0; self.count * width];
        for (question, asker) in self.of.iter().enumerate() {
            let own = &mut sums[*asker as usize * width..][..width];
            own[0] += 1.0;
            let values = columns.iter().map(|column| f64::from(column[question]));
            own[1..].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        let draw = |draw: usize| {
            let mut random = Random::of(&[seed, draw as u64]);
            let mut total = vec![0.0; width];
            for own in sums.chunks_exact(width) {
                let times = poisson(random.bits());
                if times > 0.0 {
                    total.iter_mut().zip(own).for_each(|(total, own)| *total += times * own);
                }
            }
            total
        };
        let threads = thread::available_parallelism().map_or(1, |threads| threads.get().min(8));
        let part = |thread| (0..DRAWS).filter(|number| number % threads == thread).map(draw).collect();
        let parts: Vec<Vec<Vec<f64>>> = thread::scope(|scope| {
            let part = &part;
            let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || part(thread))).collect();
            let joined = running.into_iter().map(|one| one.join());
            joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut total = vec![0.0; width];
        sums.chunks_exact(width)
            .for_each(|own| total.iter_mut().zip(own).for_each(|(total, own)| *total += own));
        Draws { total, drawn: parts.into_iter().flatten().collect() }
    }
}

/// Sums over users who were drawn: of the number of questions, then of each column.
#[derive(Clone, Debug)]
pub struct Draws {
    total: Vec<f64>,
    drawn: Vec<Vec<f64>>,
}

impl Draws {
    /// The mean of a column less that of another one.
    pub fn difference(&self, column: usize, base: usize) -> Option<Estimate> {
        self.estimate(|sums| (sums[column + 1] - sums[base + 1]) / sums[0])
    }

    /// The mean of a column over that of another one; none if that is 0.
    pub fn ratio(&self, column: usize, base: usize) -> Option<Estimate> {
        self.estimate(|sums| sums[column + 1] / sums[base + 1])
    }

    fn estimate(&self, of: impl Fn(&[f64]) -> f64) -> Option<Estimate> {
        Estimate::of_samples(of(&self.total), self.drawn.iter().map(|sums| of(sums)).collect())
    }
}

/// How often a user is drawn where all are drawn about once: Poisson's distribution of mean 1.
fn poisson(bits: u64) -> f64 {
    const AT_MOST: [f64; 8] = [
        0.367_879_441_171_442_3,
        0.735_758_882_342_884_6,
        0.919_698_602_928_605_8,
        0.981_011_843_123_846_2,
        0.996_340_153_172_656_3,
        0.999_405_815_182_418_3,
        0.999_916_758_850_712,
        0.999_989_750_803_325_3,
    ];
    let share = (bits >> 11) as f64 / 9_007_199_254_740_992.0;
    AT_MOST.iter().take_while(|most| share >= **most).count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions of many users who ask about as often, each with a level of its own.
    fn asked(users: u32) -> (Askers, Vec<f32>) {
        let mut random = Random::of(&[1]);
        let (mut who, mut values) = (Vec::new(), Vec::new());
        for user in 0..users {
            let level = random.below(1000) as f32 / 1000.0;
            for _ in 0..=random.below(4) {
                who.push(user);
                values.push(level + random.below(1000) as f32 / 1000.0);
            }
        }
        (Askers::new(who.into_iter()), values)
    }

    #[test]
    fn an_interval_by_drawing_and_one_by_formula_are_the_same() {
        let (askers, values) = asked(2000);
        let base: Vec<f32> = values.iter().map(|value| 0.5 * value + 0.3).collect();
        let all = 0..values.len();
        let ones = vec![1.0; values.len()];
        let draws = askers.draw(&[values.clone(), base.clone(), ones.clone()], 7);
        for (drawn, formula) in [
            (draws.ratio(0, 1), askers.ratio(&values, &base, all.clone())),
            (draws.ratio(0, 2), askers.mean(&values, all.clone())),
        ] {
            let (drawn, formula) = (drawn.expect("one"), formula.expect("one"));
            assert!((drawn.value - formula.value).abs() < 1e-6, "{drawn:?} {formula:?}");
            let (a, b) = (drawn.high - drawn.low, formula.high - formula.low);
            assert!((a / b - 1.0).abs() < 0.1, "{drawn:?} {formula:?}");
        }
        let difference = draws.difference(0, 1).expect("one");
        assert!(difference.low < difference.value && difference.value < difference.high);
        assert_eq!(draws.drawn, askers.draw(&[values, base, ones], 7).drawn);
    }

    #[test]
    fn what_one_user_says_again_and_again_makes_nothing_surer() {
        let once = Askers::new([0, 1, 2, 3].into_iter());
        let often = Askers::new((0..400).map(|question| question % 4));
        let values: Vec<f32> = (0..400).map(|question| [0.0, 1.0, 0.0, 1.0][question % 4]).collect();
        let (once, often) = (once.mean(&values[..4], 0..4), often.mean(&values, 0..400));
        let (once, often) = (once.expect("one"), often.expect("one"));
        assert!((once.low - often.low).abs() < 1e-9 && once.value == often.value, "{once:?} {often:?}");
    }

    #[test]
    fn of_nothing_there_is_no_figure_and_of_one_user_no_interval() {
        let askers = Askers::new([5, 5].into_iter());
        assert_eq!(askers.mean(&[f32::NAN, f32::NAN], 0..2), None);
        assert_eq!(askers.ratio(&[1.0, 1.0], &[0.0, 0.0], 0..2), None);
        let one = askers.mean(&[0.0, 1.0], 0..2).expect("one");
        assert!(one.value == 0.5 && !one.low.is_finite());
    }

    #[test]
    fn about_as_many_are_drawn_as_there_are() {
        let mut random = Random::of(&[3]);
        let drawn: f64 = (0..100_000).map(|_| poisson(random.bits())).sum();
        assert!((drawn - 100_000.0).abs() < 1000.0, "{drawn}");
    }
}

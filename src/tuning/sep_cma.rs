//! A search for the greatest value of a function of many numbers that is only known by asking: an evolution strategy
//! that adapts how far it looks along each axis (sep-CMA-ES; Ros and Hansen, "A Simple Modification in CMA-ES Achieving
//! Linear Time and Space Complexity", PPSN 2008). Where some hundred answers must do for some twenty numbers, it learns
//! sooner than with a full covariance matrix, whose entries it would have to learn, too. Constants are those of Hansen,
//! "The CMA Evolution Strategy: A Tutorial" (2016), table 1, with the learning rates of the former's equation 8.

use crate::evaluation::random::Random;

/// The state of a search.
#[derive(Clone, Debug)]
pub struct SepCma {
    random: Random,
    /// How many points are asked about at once.
    population: usize,
    /// What the best points count, the best first; 1 in sum.
    weights: Vec<f64>,
    rates: Rates,
    mean: Vec<f64>,
    /// How far it looks: the step that is common to all axes, and the variance along each.
    step: f64,
    variances: Vec<f64>,
    /// The paths of the mean: in the units of the step, and in those of the axes.
    step_path: Vec<f64>,
    path: Vec<f64>,
    generation: i32,
}

/// How quickly it learns.
#[derive(Clone, Copy, Debug)]
struct Rates {
    /// How many points the best ones count as.
    mass: f64,
    step: f64,
    damping: f64,
    path: f64,
    /// What a generation's path counts, and what its points do.
    one: f64,
    many: f64,
    /// How long a path is that goes nowhere in particular.
    length: f64,
}

impl SepCma {
    /// A search that begins at a point and looks about `step` around it.
    pub fn new(start: Vec<f64>, step: f64, population: usize, seed: u64) -> Self {
        let (n, population) = (start.len().max(1) as f64, population.max(2));
        let half = (population as f64 + 1.0) / 2.0;
        let weights: Vec<f64> = (1..=population / 2).map(|rank| half.ln() - (rank as f64).ln()).collect();
        let sum: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.into_iter().map(|weight| weight / sum).collect();
        let mass = 1.0 / weights.iter().map(|weight| weight * weight).sum::<f64>();
        let step_rate = (mass + 2.0) / (n + mass + 5.0);
        // With one variance an axis in place of a matrix there is less to learn, and so it may be learnt faster.
        let faster = (n + 2.0) / 3.0;
        let one = (faster * 2.0 / ((n + 1.3).powi(2) + mass)).min(1.0);
        let many = faster * 2.0 * (mass - 2.0 + 1.0 / mass) / ((n + 2.0).powi(2) + mass);
        let rates = Rates {
            mass,
            step: step_rate,
            damping: 1.0 + 2.0 * (((mass - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + step_rate,
            path: (4.0 + mass / n) / (n + 4.0 + 2.0 * mass / n),
            one,
            many: many.clamp(0.0, 1.0 - one),
            length: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        };
        let zeros = vec![0.0; start.len()];
        Self {
            random: Random::of(&[seed]),
            population,
            weights,
            rates,
            variances: vec![1.0; start.len()],
            step_path: zeros.clone(),
            path: zeros,
            mean: start,
            step,
            generation: 0,
        }
    }

    /// Where it believes the best point to be.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The points of a generation.
    pub fn ask(&mut self) -> Vec<Vec<f64>> {
        let Self { random, mean, step, variances, .. } = self;
        let axes = || mean.iter().zip(variances.iter());
        let mut point =
            || axes().map(|(mean, variance)| mean + *step * variance.sqrt() * random.normal()).collect();
        (0..self.population).map(|_| point()).collect()
    }

    /// Learns what the points of a generation are worth. Nothing is learnt of one that is worth no number.
    pub fn tell(&mut self, points: &[Vec<f64>], values: &[f64]) {
        let mut ranked: Vec<(&Vec<f64>, f64)> =
            points.iter().zip(values.iter().copied()).filter(|(_, value)| value.is_finite()).collect();
        // Stable: of two that are worth the same, the one that was asked first.
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        if ranked.len() < self.weights.len() {
            return;
        }
        self.generation = self.generation.saturating_add(1);
        let Self { weights, rates, mean, step, variances, step_path, path, generation, .. } = self;
        let best = || weights.iter().zip(&ranked);
        let mut length = 0.0;
        let moved: Vec<f64> = (0..mean.len())
            .map(|axis| {
                best().map(|(weight, (point, _))| weight * (point[axis] - mean[axis])).sum::<f64>() / *step
            })
            .collect();
        for axis in 0..mean.len() {
            let keep = (rates.step * (2.0 - rates.step) * rates.mass).sqrt();
            step_path[axis] =
                (1.0 - rates.step) * step_path[axis] + keep * moved[axis] / variances[axis].sqrt();
            length += step_path[axis] * step_path[axis];
        }
        let length = length.sqrt();
        // A path that is still long at the beginning says little of the variance: it waits.
        let usual = (1.0 - (1.0 - rates.step).powi(2 * *generation)).sqrt() * rates.length;
        let goes = f64::from(u8::from(length < (1.4 + 2.0 / (mean.len() as f64 + 1.0)) * usual));
        for axis in 0..mean.len() {
            let keep = (rates.path * (2.0 - rates.path) * rates.mass).sqrt();
            path[axis] = (1.0 - rates.path) * path[axis] + goes * keep * moved[axis];
            let spread = |point: &[f64]| ((point[axis] - mean[axis]) / *step).powi(2);
            let spread: f64 = best().map(|(weight, (point, _))| weight * spread(point)).sum();
            let lost = (1.0 - goes) * rates.path * (2.0 - rates.path);
            let kept = 1.0 - rates.one - rates.many + rates.one * lost;
            variances[axis] =
                (kept * variances[axis] + rates.one * path[axis] * path[axis] + rates.many * spread)
                    .clamp(1e-20, 1e20);
        }
        mean.iter_mut().zip(&moved).for_each(|(mean, moved)| *mean += *step * moved);
        let change = rates.step / rates.damping * (length / rates.length - 1.0);
        *step = (*step * change.min(1.0).exp()).clamp(1e-12, 1e12);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(worth: impl Fn(&[f64]) -> f64, start: &[f64], generations: usize, seed: u64) -> Vec<f64> {
        let mut search = SepCma::new(start.to_vec(), 0.5, 12, seed);
        for _ in 0..generations {
            let points = search.ask();
            let values: Vec<f64> = points.iter().map(|point| worth(point)).collect();
            search.tell(&points, &values);
        }
        search.mean().to_vec()
    }

    fn near(found: &[f64], wanted: f64, by: f64) {
        assert!(found.iter().all(|number| (number - wanted).abs() < by), "{found:?}");
    }

    #[test]
    fn it_finds_the_top_of_a_ball() {
        let ball = |point: &[f64]| -point.iter().map(|x| (x - 3.0).powi(2)).sum::<f64>();
        for seed in 0..5 {
            near(&found(ball, &[0.0; 10], 150, seed), 3.0, 1e-4);
        }
    }

    #[test]
    fn it_finds_the_top_where_one_axis_is_a_thousand_times_as_steep_as_another() {
        let cigar = |point: &[f64]| {
            -point
                .iter()
                .enumerate()
                .map(|(axis, x)| 10_f64.powi(axis as i32) * (x - 1.0).powi(2))
                .sum::<f64>()
        };
        for seed in 0..5 {
            near(&found(cigar, &[0.0; 7], 400, seed), 1.0, 1e-3);
        }
    }

    #[test]
    fn it_finds_its_way_through_the_valley_of_rosenbrock() {
        let valley = |point: &[f64]| {
            let step = |pair: &[f64]| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2);
            -point.windows(2).map(step).sum::<f64>()
        };
        for seed in 0..5 {
            near(&found(valley, &[-0.5, 0.5], 3000, seed), 1.0, 1e-2);
        }
    }

    #[test]
    fn the_same_seed_asks_the_same_and_another_one_something_else() {
        let ball = |point: &[f64]| -point.iter().map(|x| x * x).sum::<f64>();
        let run = |seed| found(ball, &[1.0; 5], 10, seed);
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn what_is_worth_no_number_moves_nothing_and_what_is_worth_the_same_stays_in_bounds() {
        let mut search = SepCma::new(vec![0.5; 3], 0.1, 8, 1);
        let points = search.ask();
        search.tell(&points, &[f64::NAN; 8]);
        assert_eq!(search.mean(), [0.5; 3]);
        let flat = found(|_| 1.0, &[0.5; 3], 1000, 1);
        assert!(flat.iter().all(|number| number.is_finite()), "{flat:?}");
        assert!(found(|_| 1.0, &[], 10, 1).is_empty());
    }
}

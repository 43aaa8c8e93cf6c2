//! One number of a model file that may move: within which bounds, and on which scale.

/// How a number lies between its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Twice as much is as far from once as once is from half: for what is positive.
    Log { min: f64, max: f64 },
    /// As far as it is: for shares.
    Linear { min: f64, max: f64 },
}

impl Scale {
    /// Where a number is from 0 (the lower bound) to 1 (the upper one); what lies outside is at the nearer end.
    pub fn place(self, value: f64) -> f64 {
        match self {
            Self::Log { min, max } => ((value.clamp(min, max) / min).ln() / (max / min).ln()).clamp(0.0, 1.0),
            Self::Linear { min, max } => ((value - min) / (max - min)).clamp(0.0, 1.0),
        }
    }

    /// The number of a place, in as many digits as are written. A place outside of 0 to 1 is mirrored into it, as a search
    /// that knows of no bounds may ask about it.
    pub fn value(self, place: f64) -> f64 {
        let place = mirrored(place);
        match self {
            Self::Log { min, max } => written(min * (place * (max / min).ln()).exp()).clamp(min, max),
            Self::Linear { min, max } => written(min + place * (max - min)).clamp(min, max),
        }
    }
}

/// A number in [0, 1] for any number: the line is folded at each whole number.
fn mirrored(place: f64) -> f64 {
    let place = if place.is_finite() { place.rem_euclid(2.0) } else { 0.0 };
    if place > 1.0 { 2.0 - place } else { place }
}

/// A number with four digits: more of them nobody can tell apart. Rounded down, so that shares that add up to something
/// add up to no more than that when they are written.
pub(super) fn written(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    // A hair above: what four digits can say must not come out as the number before it.
    let whole = (value * 10_f64.powi(digits) * (1.0 + 1e-12)).floor();
    // Told to the formatter in decimals, it is the number that those digits are read as.
    format!("{whole}e{}", -digits).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCALES: [Scale; 3] = [
        Scale::Log { min: 0.01, max: 10.0 },
        Scale::Linear { min: 0.0, max: 1.0 },
        Scale::Log { min: 600.0, max: 5e6 },
    ];

    #[test]
    fn a_number_is_written_with_four_digits_and_never_with_a_greater_value() {
        for (value, expected) in [
            (0.123_456, 0.1234),
            (12_345.6, 12_340.0),
            (0.3, 0.3),
            (8.0, 8.0),
            (1e-9, 1e-9),
            (0.99999, 0.9999),
            (0.0, 0.0),
        ] {
            assert_eq!(written(value), expected);
            assert_eq!(written(expected), expected, "what is written stays as it is");
        }
    }

    proptest! {
        #[test]
        fn every_place_is_a_number_within_the_bounds_and_every_number_has_its_place(
            place in prop_oneof![-1e3..1e3_f64, any::<f64>()],
            within in 0.0..1.0_f64,
        ) {
            for scale in SCALES {
                let (Scale::Log { min, max } | Scale::Linear { min, max }) = scale;
                let value = scale.value(place);
                prop_assert!((min..=max).contains(&value), "{value} of {scale:?}");
                prop_assert!((scale.place(scale.value(within)) - within).abs() < 2e-3);
                prop_assert!((0.0..=1.0).contains(&scale.place(place)));
            }
        }
    }
}

//! Features of many rows, a column each: what a scorer reads.
//!
//! Arrays of features are filled in by loops and iterators, in the index and by requests: those of `array::map`
//! and `array::from_fn` were calls for each feature of each block, which took 4 % of a request.

use ndarray::{ArrayView1, ArrayViewMut1};

/// How many features there are: as many as [`FEATURES`](super::FEATURES) lists.
pub const WIDTH: usize = 8;

/// Which of them are what people turn to from the items that the user was last on, and these items.
pub const RELATED: [usize; 4] = [1, 2, 3, 4];

/// A number for each feature, in the order of [`FEATURES`](super::FEATURES): the values of one row, or what
/// they add to its score.
pub type Row = [f64; WIDTH];

/// A column for each feature, in the order of [`FEATURES`](super::FEATURES).
pub type Columns<'a> = [Column<'a>; WIDTH];

/// The values of one feature, row by row.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// 0 for each row.
    Zero,
    /// A value for each row, to be multiplied by a factor that all rows have in common. The factor stands
    /// apart so that pools need not be written anew as time goes on.
    Values(&'a [f64], f64),
    /// The value of the row's set of categories. Many rows share one, so the value is worked out once for each
    /// set and looked up here.
    BySet {
        /// By set of categories.
        values: &'a [f64],
        /// By row: its set.
        sets: &'a [u32],
    },
}

impl<'a> Column<'a> {
    /// A value for each row.
    pub fn of(values: &'a [f64]) -> Self {
        Self::Values(values, 1.0)
    }

    /// The value of a row; 0 for one that is not there.
    pub fn get(&self, row: usize) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::Values(values, factor) => values.get(row).map_or(0.0, |value| value * factor),
            Self::BySet { values, sets } => sets.get(row).map_or(0.0, |set| values[*set as usize]),
        }
    }

    /// Goes through the values and what is to become of each row, side by side. [`Self::Zero`] is left out.
    #[inline]
    pub fn each(&self, rows: &mut [f64], with: impl Fn(&mut f64, f64)) {
        match self {
            Self::Zero => {}
            Self::Values(values, factor) => {
                let values = ArrayView1::from(*values);
                ArrayViewMut1::from(rows).zip_mut_with(&values, |row, value| with(row, value * factor));
            }
            Self::BySet { values, sets } => {
                rows.iter_mut().zip(*sets).for_each(|(row, set)| with(row, values[*set as usize]));
            }
        }
    }
}

/// Candidates side by side, with a column for each feature. Too large to be copied about.
#[derive(Debug)]
pub struct Block<'a> {
    /// The candidates.
    pub rows: &'a [u32],
    /// The rank of each, which breaks ties.
    pub ranks: &'a [u32],
    /// The set of categories of each.
    pub category_sets: &'a [u32],
    /// Their features.
    pub columns: Columns<'a>,
}

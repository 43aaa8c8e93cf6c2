//! Candidates side by side in memory with what they are scored by, so that a request reads and
//! scores a pool from end to end.

use ndarray::{Array1, ArrayViewMut1, Axis, Zip};

/// Rows, and with each of them its list of categories and the features that are the same for every
/// user, a lane each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    rows: Vec<u32>,
    lists: Vec<u32>,
    popularity: Array1<f64>,
    recency: Array1<f64>,
    /// If the model has any.
    boost: Option<Array1<f64>>,
}

impl Pool {
    /// A pool of rows with their lists of categories, their popularity and recency in [0, 1], and
    /// their boost if the model has any.
    pub fn new(
        rows: Vec<u32>,
        lists: Vec<u32>,
        popularity: Array1<f64>,
        recency: Array1<f64>,
        boost: Option<Array1<f64>>,
    ) -> Self {
        Self { rows, lists, popularity, recency, boost }
    }

    /// The candidates at some places of this one.
    pub fn select(&self, places: &[u32]) -> Self {
        let places: Vec<usize> = places.iter().map(|place| *place as usize).collect();
        let of = |lane: &Array1<f64>| lane.select(Axis(0), &places);
        Self {
            rows: places.iter().map(|place| self.rows[*place]).collect(),
            lists: places.iter().map(|place| self.lists[*place]).collect(),
            popularity: of(&self.popularity),
            recency: of(&self.recency),
            boost: self.boost.as_ref().map(of),
        }
    }

    /// The rows.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The popularity, recency and boost of a candidate.
    pub fn features(&self, place: u32) -> [f64; 3] {
        let of = |lane: &Array1<f64>| lane.get(place as usize).copied().unwrap_or(0.0);
        [of(&self.popularity), of(&self.recency), self.boost.as_ref().map_or(0.0, of)]
    }

    /// Fills in the score of each candidate for a user: the features times
    /// `weights` (interest, popularity, recency, boost), added up in that order. `interest` tells
    /// that in a list of categories; `ageing` is the factor to the recency of now.
    pub fn score(
        &self,
        interest: impl Fn(u32) -> f64,
        weights: [f64; 4],
        ageing: f64,
        scores: &mut Vec<f64>,
    ) {
        scores.clear();
        // Without the 0 a score could be -0, which would not tie with 0.
        scores.extend(self.lists.iter().map(|list| 0.0 + weights[0] * interest(*list)));
        let mut scores = ArrayViewMut1::from(&mut scores[..]);
        scores.scaled_add(weights[1], &self.popularity);
        Zip::from(&mut scores)
            .and(&self.recency)
            .for_each(|score, recency| *score += weights[2] * (recency * ageing));
        if let Some(boost) = &self.boost {
            scores.scaled_add(weights[3], boost);
        }
    }
}

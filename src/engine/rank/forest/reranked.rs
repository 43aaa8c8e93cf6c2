//! The candidates of a list in the order of a forest.

use super::list::{List, Room};
use super::reranking::Reranking;

/// Room for the work on a list, and what came of it.
#[derive(Debug, Default)]
pub struct Reranked {
    /// Best first.
    rows: Vec<u32>,
    /// By candidate, as the list was before.
    before: Before,
    /// By place in [`Self::rows`]: the place before.
    order: Vec<u32>,
    room: Room,
}

/// A list as it was before.
#[derive(Debug, Default)]
struct Before {
    width: usize,
    values: Vec<f32>,
    scores: Vec<f64>,
}

impl Reranked {
    /// Forgets the list before.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// Ranks the candidates of a list. Of equal ones the first remains so.
    pub fn rank(&mut self, reranking: &Reranking, list: &List<'_>) {
        let Self { rows, before, order, room } = self;
        list.fill(&reranking.signals, room, &mut before.values);
        before.width = reranking.signals.len();
        before.scores.resize(list.rows.len(), 0.0);
        reranking.forest.score(&before.values, &mut before.scores);
        order.clear();
        order.extend(0..list.rows.len() as u32);
        let score = |place: &u32| before.scores[*place as usize];
        order.sort_unstable_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
        rows.clear();
        rows.extend(order.iter().map(|place| list.rows[*place as usize]));
    }

    /// The candidates, best first.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The score of a candidate and the numbers that the forest has looked at; none if it has not ranked it.
    pub fn of(&self, row: u32) -> Option<(f64, &[f32])> {
        let place = self.rows.iter().position(|other| *other == row)?;
        let before = *self.order.get(place)? as usize;
        let Before { width, values, scores } = &self.before;
        Some((*scores.get(before)?, values.get(before * width..(before + 1) * width)?))
    }
}

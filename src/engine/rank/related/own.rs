//! What the user was on before: in shops many come back to look at a thing again, and then buy it.
//!
//! An item's value is its part of all that the user did lately, each event by the weight of its type and half as much after a
//! half-life, with some evidence added to the denominator. (Reminders as in Lerche, Jannach and Ludewig, On the Value of
//! Reminders within E-Commerce Recommendations, 2016.)

use std::sync::Arc;

use hashbrown::HashMap;

use super::item::UNIT;
use super::rows::RelatedTo;
use super::{OwnSettings, RelatedItems, Relation, Values};

impl OwnSettings {
    /// What an event of this weight and age, in ms, counts: whole numbers, which add up to the same in any order.
    fn counts(&self, weight: f64, age: i64) -> u64 {
        let left = self.half_life.map_or(1.0, |half_life| (-(age as f64) / half_life as f64).exp2());
        (weight * left * UNIT) as u64
    }
}

/// The items that a user was on, of which each event was told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Own {
    /// Rows in the order in which they were told first, each with what its events count.
    rows: Vec<(u32, u64)>,
    index: HashMap<u32, usize, foldhash::fast::FixedState>,
}

impl Own {
    /// Takes in an event on a row: its weight, which is positive, and its age, in ms.
    pub fn add(&mut self, settings: &OwnSettings, row: u32, weight: f64, age: i64) {
        let place = *self.index.entry(row).or_insert(self.rows.len());
        if place == self.rows.len() {
            self.rows.push((row, 0));
        }
        self.rows[place].1 += settings.counts(weight, age);
    }

    /// Each item as related to itself.
    pub fn related(&self, settings: &OwnSettings) -> impl Iterator<Item = RelatedTo> + '_ {
        let all: u64 = self.rows.iter().map(|(_, counts)| counts).sum();
        let all = all as f64 / UNIT + settings.evidence;
        self.rows.iter().map(move |(row, counts)| {
            let mut values = Values::default();
            values[Relation::Own as usize] = *counts as f64 / UNIT / all;
            RelatedTo { row: *row, share: 1.0, items: Arc::new(RelatedItems { rows: vec![(*row, values)] }) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_its_part_of_all_that_the_user_did_lately() {
        let settings = OwnSettings { half_life: Some(1000), evidence: 1.0 };
        let mut own = Own::default();
        own.add(&settings, 7, 1.0, 0);
        own.add(&settings, 3, 2.0, 1000);
        own.add(&settings, 7, 4.0, 2000);
        let told: Vec<(u32, f64)> =
            own.related(&settings).map(|to| (to.row, to.items.rows[0].1[Relation::Own as usize])).collect();
        assert_eq!(told, [(7, 0.5), (3, 0.25)]);
        let never = OwnSettings { half_life: None, evidence: 1.0 };
        let mut own = Own::default();
        own.add(&never, 7, 1.0, i64::MAX);
        assert_eq!(
            own.related(&never).map(|to| to.items.rows[0].1[Relation::Own as usize]).sum::<f64>(),
            0.5
        );
    }
}

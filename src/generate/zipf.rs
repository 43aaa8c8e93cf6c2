//! Zipf's law: the item of popularity rank r is chosen 1/r as often as the first.

use super::random::Random;

/// Items with their shares of attention, by rank.
#[derive(Debug, Default)]
pub(super) struct Zipf {
    items: Vec<u32>,
    /// The weights up to and with each item: integers, so that no platform rounds differently.
    upto: Vec<u64>,
}

impl Zipf {
    /// Adds an item; `rank` (from 0) may skip some, but only grows.
    pub(super) fn push(&mut self, item: u32, rank: u64) {
        let weight = (1 << 40) / (rank + 1);
        self.upto.push(self.upto.last().copied().unwrap_or(0) + weight);
        self.items.push(item);
    }

    /// Draws an item; none if there is none.
    pub(super) fn draw(&self, random: &mut Random) -> Option<u32> {
        let drawn = random.below(*self.upto.last()?);
        self.items.get(self.upto.partition_point(|&upto| upto <= drawn)).copied()
    }

    /// The items by rank.
    pub(super) fn items(&self) -> &[u32] {
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Stream;
    use super::*;

    #[test]
    fn the_first_rank_is_drawn_ten_times_as_often_as_the_tenth() {
        let mut zipf = Zipf::default();
        (0..100).for_each(|rank| zipf.push(rank, u64::from(rank)));
        let mut random = Random::new(1, Stream::Session, 1);
        let mut counts = [0_u32; 100];
        for _ in 0..200_000 {
            counts[zipf.draw(&mut random).unwrap() as usize] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((9.0..11.0).contains(&ratio), "{ratio}");
        assert!(counts.iter().all(|&count| count > 0));
        assert_eq!(Zipf::default().draw(&mut random), None);
    }
}

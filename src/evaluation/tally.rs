//! What came of the questions of a run.

/// How many items from the top of two lists are compared.
pub const TOP: usize = 10;

/// A question that was asked, and what is known of it whoever answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The event right before which it was asked.
    pub place: u32,
    /// Whose event that is.
    pub user: u32,
    /// When, in ms since the epoch.
    pub ts: i64,
    /// How many events the user had before.
    pub earlier: u32,
    /// How long ago the last of them was, in ms.
    pub gap: i64,
    /// How long ago anybody turned to the item for the first time, in ms.
    pub age: i64,
    /// Which event of its visit it is, from 1.
    pub position: u32,
}

/// What one contender answered.
#[derive(Clone, Debug)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// See [`Contender::sources`](super::contender::Contender::sources).
    pub sources: Vec<&'static str>,
    /// Where what was turned to then is in each list, from 1; 0 where it is not in it.
    pub ranks: Vec<u16>,
    /// What share of all positive events of the 24 h before were on the items of the list, on average over its items.
    /// NaN of an empty list.
    pub popularity: Vec<f32>,
    /// How little known the items of the list are: `-log2` of that share, on average. NaN of an empty list.
    pub novelty: Vec<f32>,
    /// How much of the top of the list is that of the question before, if that was another user's and of the same ten
    /// minutes: Jaccard's index. Else NaN.
    pub overlap: Vec<f32>,
    /// Which sources gave what was turned to then as a candidate; [`NOT_ASKED`] of most questions.
    pub gave: Vec<u16>,
    /// How many lists each item was in, by its number.
    pub shown: Vec<u32>,
    /// How many lists each item was the first of, by its number.
    pub first: Vec<u32>,
}

/// It was not asked which sources gave an item.
pub const NOT_ASKED: u16 = u16::MAX;

impl Column {
    /// One without an answer.
    pub fn new(name: String, sources: Vec<&'static str>, items: usize) -> Self {
        Self {
            name,
            sources,
            ranks: Vec::new(),
            popularity: Vec::new(),
            novelty: Vec::new(),
            overlap: Vec::new(),
            gave: Vec::new(),
            shown: vec![0; items],
            first: vec![0; items],
        }
    }

    /// Takes in a list. `share` tells what share of all positive events of the last 24 h an item has, `before` is the
    /// top of the list that it is compared with.
    pub fn add(&mut self, list: &[u32], item: u32, share: &dyn Fn(u32) -> f64, before: Option<&[u32]>) {
        let rank = list.iter().position(|listed| *listed == item).map_or(0, |place| place + 1);
        self.ranks.push(u16::try_from(rank).unwrap_or(u16::MAX));
        let (mut popularity, mut novelty) = (0.0, 0.0);
        for listed in list {
            let share = share(*listed);
            popularity += share;
            novelty -= share.log2();
            self.shown[*listed as usize] += 1;
        }
        self.popularity.push((popularity / list.len() as f64) as f32);
        self.novelty.push((novelty / list.len() as f64) as f32);
        self.overlap.push(before.map_or(f32::NAN, |before| jaccard(before, top(list))));
        if let Some(first) = list.first() {
            self.first[*first as usize] += 1;
        }
    }

    /// Takes in what another one answered to the questions that follow.
    pub fn append(&mut self, mut other: Self) {
        self.ranks.append(&mut other.ranks);
        self.popularity.append(&mut other.popularity);
        self.novelty.append(&mut other.novelty);
        self.overlap.append(&mut other.overlap);
        self.gave.append(&mut other.gave);
        self.shown.iter_mut().zip(other.shown).for_each(|(sum, more)| *sum += more);
        self.first.iter_mut().zip(other.first).for_each(|(sum, more)| *sum += more);
    }

    /// Of each question: 1 / rank, or 0.
    pub fn reciprocals(&self) -> Vec<f32> {
        self.by_rank(|rank| 1.0 / rank)
    }

    /// Of each question: 1 if it is in the list, or 0.
    pub fn hits(&self) -> Vec<f32> {
        self.by_rank(|_| 1.0)
    }

    /// Of each question: `1 / log2(1 + rank)`, or 0. With one item that is right this is NDCG.
    pub fn gains(&self) -> Vec<f32> {
        self.by_rank(|rank| 1.0 / (1.0 + rank).log2())
    }

    fn by_rank(&self, worth: impl Fn(f32) -> f32) -> Vec<f32> {
        let of = |rank: &u16| if *rank == 0 { 0.0 } else { worth(f32::from(*rank)) };
        self.ranks.iter().map(of).collect()
    }
}

/// The part of a list that is compared with others.
pub fn top(list: &[u32]) -> &[u32] {
    &list[..list.len().min(TOP)]
}

/// What two lists have in common, of all that is in either; NaN of two empty ones.
fn jaccard(a: &[u32], b: &[u32]) -> f32 {
    let common = a.iter().filter(|item| b.contains(item)).count();
    common as f32 / (a.len() + b.len() - common) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_worth_what_is_told_by_hand() {
        let mut column = Column::new("c".to_owned(), Vec::new(), 4);
        let share = |item: u32| [0.5, 0.25, 0.125, 0.125][item as usize];
        column.add(&[2, 0, 1], 1, &share, None);
        column.add(&[0], 3, &share, Some(&[2, 0, 1]));
        column.add(&[], 3, &share, Some(&[]));
        assert_eq!(column.ranks, [3, 0, 0]);
        assert_eq!(column.reciprocals(), [1.0 / 3.0, 0.0, 0.0]);
        assert_eq!(column.hits(), [1.0, 0.0, 0.0]);
        assert_eq!(column.gains(), [0.5, 0.0, 0.0]);
        assert_eq!(column.popularity[..2], [0.875 / 3.0, 0.5]);
        assert_eq!(column.novelty[..2], [2.0, 1.0]);
        assert!(column.popularity[2].is_nan() && column.overlap[0].is_nan() && column.overlap[2].is_nan());
        assert_eq!(column.overlap[1], 1.0 / 3.0);
        assert_eq!((column.shown.clone(), column.first.clone()), (vec![2, 1, 1, 0], vec![1, 0, 1, 0]));
        column.append(column.clone());
        assert_eq!((column.ranks, column.shown), (vec![3, 0, 0, 3, 0, 0], vec![4, 2, 2, 0]));
    }
}

//! The ranks of rows: numbers in the order of ids, with room between them for ids that are still to come.
//!
//! Where no room is left, rows near by are spread anew, so many of them that they come to stand about as far
//! apart as all rows would (order maintenance by labels: Dietz and Sleator, STOC 1987; in this form Bender et
//! al., ESA 2002). So a new row costs a few others their rank, even if all new ones come in one place.

use super::blocks::Blocks;
use super::ordered::Ordered;

/// The part of the room of all rows that those have which are spread anew.
const SHARE: u32 = 4;

/// Spreads all rows, with as much room after the last one as there is between all of them: new ids are often
/// greater than those before.
pub(super) fn spread(rows: usize) -> impl Fn(u32) -> u32 {
    let apart = u32::MAX / 2 / u32::try_from(rows).unwrap_or(u32::MAX).saturating_add(1);
    move |row| (row + 1) * apart
}

/// Gives a rank to a row that is new in a block of rows in the order of ids. Returns the rows that have got
/// another one than they had, if it is not the new one alone.
pub(super) fn rank(ranks: &mut Blocks<u32>, by_id: &Ordered, block: usize, row: u32) -> Vec<u32> {
    let blocks = by_id.blocks();
    let rank_of = |row: &u32| ranks.get(*row as usize).copied().unwrap_or(0);
    let Some(at) = blocks.get(block).and_then(|rows| rows.iter().position(|other| *other == row)) else {
        return Vec::new();
    };
    let before = blocks[block][..at].last().or_else(|| blocks[..block].last().and_then(|rows| rows.last()));
    let after = blocks[block].get(at + 1).or_else(|| blocks.get(block + 1).and_then(|rows| rows.first()));
    let low = before.map_or(0, rank_of);
    let apart = match after {
        Some(after) => (rank_of(after) - low) / 2,
        None => ((u32::MAX - low) / 2).min(apart_of_all(ranks)),
    };
    if apart > 0 {
        ranks.set(row as usize, low + apart);
        return Vec::new();
    }
    make_room(ranks, by_id, block)
}

/// How far apart rows would stand if they all were spread.
fn apart_of_all(ranks: &Blocks<u32>) -> u32 {
    u32::MAX / u32::try_from(ranks.len()).unwrap_or(u32::MAX).saturating_add(1)
}

/// Returns the rows that have got another rank.
fn make_room(ranks: &mut Blocks<u32>, by_id: &Ordered, block: usize) -> Vec<u32> {
    let blocks = by_id.blocks();
    let rank_of = |row: &u32| ranks.get(*row as usize).copied().unwrap_or(0);
    let enough = (apart_of_all(ranks) / SHARE).max(1);
    let mut reach = 0;
    loop {
        let first = block.saturating_sub(reach);
        let end = (block + reach + 1).min(blocks.len());
        let low = blocks[..first].last().and_then(|rows| rows.last()).map_or(0, rank_of);
        let high = blocks.get(end).and_then(|rows| rows.first()).map_or(u32::MAX, rank_of);
        let len: usize = blocks[first..end].iter().map(|rows| rows.len()).sum();
        let apart = (high - low) / (len as u32 + 1);
        if apart >= enough || end - first == blocks.len() {
            let rows = blocks[first..end].concat();
            (1..).zip(&rows).for_each(|(step, row)| ranks.set(*row as usize, low + step * apart));
            return rows;
        }
        reach = 2 * reach + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many ranks were given to rows that already had one, while new rows came after so many of `start`.
    fn reranked(start: u32, new: u32, place: impl Fn(u32) -> usize) -> usize {
        let mut order: Vec<u32> = (0..start).collect();
        let mut by_id = Ordered::of(&order);
        let mut ranks: Blocks<u32> = (0..start).map(spread(start as usize)).collect();
        let mut given = 0;
        for row in start..start + new {
            let at = place(row);
            order.insert(at, row);
            ranks.push(0);
            let mut positions = vec![0; order.len()];
            order.iter().enumerate().for_each(|(position, row)| positions[*row as usize] = position);
            let block = by_id.insert(row, |other| positions[other as usize].cmp(&at));
            let before = ranks.clone();
            let told = rank(&mut ranks, &by_id, block, row);
            let others = |other: &u32| before.get(*other as usize) != ranks.get(*other as usize);
            let others: Vec<u32> = (0..row).filter(others).collect();
            assert!(others.iter().all(|other| told.contains(other)), "{told:?} and not all of {others:?}");
            assert!(told.len() <= 2 * others.len() + 1, "{} for {}", told.len(), others.len());
            given += others.len();
            let in_order: Vec<u32> =
                by_id.iter().map(|row| ranks.get(row as usize).copied().unwrap_or(0)).collect();
            assert!(in_order.is_sorted_by(|a, b| a < b) && in_order[0] > 0, "{row}: {in_order:?}");
        }
        given
    }

    #[test]
    fn ranks_stay_in_order_wherever_new_rows_come_and_few_others_get_another_one() {
        let (start, new) = (5000, 1500);
        assert_eq!(reranked(start, new, |row| row as usize), 0, "at the end there is room");
        let one_place = reranked(start, new, |_| 2500);
        let ascending = reranked(start, new, |row| (row - start) as usize + 100);
        let first = reranked(start, new, |_| 0);
        for given in [one_place, ascending, first] {
            assert!(given > 0 && given < 100 * new as usize, "{given}");
        }
        assert!(reranked(0, 300, |_| 0) > 0);
    }
}

//! Two lists made one, so that what people click in it tells which of the two is better.
//!
//! Team-draft interleaving (Radlinski, Kurup and Joachims, How Does Clickthrough Data Reflect Retrieval Quality?, CIKM
//! 2008): as two captains pick their teams. In each round a coin says who picks first, and each picks its best item that
//! is not picked yet. Whoever clicks without a preference clicks as often on the one's picks as on the other's.

use std::collections::HashSet;

/// An item of the list: whose pick it is, and its place in the list of that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// 0 or 1.
    pub list: usize,
    /// From 0 on.
    pub place: usize,
}

/// Picks `n` items, best first, or fewer if there are no more. `second_first` says of a round, from 0 on, whether the
/// second list picks first. More of the same begin alike.
pub fn team_draft(lists: [&[&str]; 2], n: usize, second_first: impl Fn(u64) -> bool) -> Vec<Pick> {
    let mut picked = HashSet::new();
    let mut picks = Vec::with_capacity(n);
    let mut next = [0; 2];
    for round in 0.. {
        let first = usize::from(second_first(round));
        let before = picks.len();
        for list in [first, 1 - first] {
            let (items, next) = (lists[list], &mut next[list]);
            while items.get(*next).is_some_and(|item| picked.contains(item)) {
                *next += 1;
            }
            if let Some(item) = items.get(*next)
                && picks.len() < n
            {
                picked.insert(*item);
                picks.push(Pick { list, place: *next });
            }
        }
        if picks.len() == before {
            break;
        }
    }
    picks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(lists: [&[&str]; 2], picks: &[Pick]) -> Vec<String> {
        picks.iter().map(|pick| lists[pick.list][pick.place].to_owned()).collect()
    }

    #[test]
    fn each_picks_its_best_that_is_left_and_the_coin_says_who_is_first() {
        let lists: [&[&str]; 2] = [&["a", "b", "c", "d"], &["b", "e", "a", "f"]];
        let picks = team_draft(lists, 5, |round| round == 1);
        assert_eq!(names(lists, &picks), ["a", "b", "e", "c", "d"]);
        assert_eq!(picks.iter().map(|pick| pick.list).collect::<Vec<_>>(), [0, 1, 1, 0, 0]);
        assert_eq!(team_draft([&[], &[]], 5, |_| true), []);
        assert_eq!(team_draft(lists, 0, |_| true), []);
    }

    proptest! {
        /// As one would do it with cards on a table.
        #[test]
        fn the_draft_is_that_of_two_captains(
            lists in prop::array::uniform2(prop::collection::hash_set(0..30_u8, 0..20)),
            coins in prop::collection::vec(any::<bool>(), 40),
            n in 0..45_usize,
        ) {
            let named = lists.map(|list| list.iter().map(u8::to_string).collect::<Vec<_>>());
            let lists = [0, 1].map(|list: usize| named[list].iter().map(String::as_str).collect::<Vec<_>>());
            let coin = |round: u64| coins[round as usize % coins.len()];
            let picks = team_draft([&lists[0], &lists[1]], n, coin);

            let (mut table, mut drafted) = (lists.clone(), Vec::new());
            let mut round = 0;
            while table.iter().any(|hand| !hand.is_empty()) {
                for turn in 0..2 {
                    let captain = usize::from(coin(round)) ^ turn;
                    if let Some(item) = table[captain].first().copied() {
                        drafted.push((captain, item));
                        table.iter_mut().for_each(|hand| hand.retain(|other| *other != item));
                    }
                }
                round += 1;
            }
            drafted.truncate(n);
            let told: Vec<_> = picks.iter().map(|pick| (pick.list, lists[pick.list][pick.place])).collect();
            prop_assert_eq!(told, drafted);
        }
    }
}

//! Keeps one category from taking a whole list.

use hashbrown::HashMap;

/// Picks `n` of `ranked`, best first, so that each main category takes at most `max_share` of `n`
/// (at least one place). What is left out fills up the list in order if there is nothing else.
pub fn cap(ranked: &[u32], n: usize, max_share: f64, main_category: impl Fn(u32) -> Option<u32>) -> Vec<u32> {
    let most = ((n as f64 * max_share).floor() as usize).max(1);
    let mut taken: HashMap<u32, usize, foldhash::fast::RandomState> = HashMap::default();
    let mut picked = Vec::with_capacity(n.min(ranked.len()));
    let mut left_out = Vec::new();
    for row in ranked {
        if picked.len() == n {
            break;
        }
        match main_category(*row).map(|category| taken.entry(category).or_insert(0)) {
            Some(count) if *count >= most => left_out.push(*row),
            Some(count) => {
                *count += 1;
                picked.push(*row);
            }
            None => picked.push(*row),
        }
    }
    let missing = n - picked.len();
    picked.extend(left_out.into_iter().take(missing));
    picked
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_category_takes_its_share_and_no_more_while_others_can_fill_the_list() {
        let ranked = [0, 2, 4, 6, 1, 3];
        assert_eq!(cap(&ranked, 4, 0.5, |row| Some(row % 2)), [0, 2, 1, 3]);
    }

    #[test]
    fn the_list_is_filled_from_what_was_left_out_when_there_is_nothing_else() {
        assert_eq!(cap(&[0, 2, 4, 1], 4, 0.5, |row| Some(row % 2)), [0, 2, 1, 4]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_invented(length in 0_u32..50, n in 0_usize..60, share in 0.01_f64..1.0) {
            let ranked: Vec<u32> = (0..length).collect();
            let picked = cap(&ranked, n, share, |row| (row % 5 != 0).then_some(row % 3));
            prop_assert_eq!(picked.len(), n.min(ranked.len()));
            let mut sorted = picked;
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), n.min(ranked.len()));
        }
    }
}

//! What interests are made of, and what is told of it.

use proptest::prelude::*;

use super::*;
use crate::engine::events::catalog::Catalog;
use crate::engine::events::item::{Item, ItemChange};
use crate::engine::rank::model::Recent;
use crate::engine::rank::model::tests::weighing;

/// A hundred items of category `common`, five of them of `rare`, too, and one of all from `p` to `t`.
fn layout() -> Layout {
    let mut catalog = Catalog::default();
    let mut put = |id: &str, categories: &[&str]| {
        catalog.apply(ItemChange::Put(Item::new(id, categories.iter().copied())), 1000);
    };
    for item in 0..100 {
        put(&format!("i{item}"), if item < 5 { &["common", "rare"] } else { &["common"] });
    }
    put("one", &["p"]);
    put("five", &["p", "q", "r", "s", "t"]);
    Layout::build(&catalog, &[][..])
}

/// Types of events that weigh 1 and -2, in two windows.
fn old() -> Model {
    weighing(&[1.0, -2.0], &[0.75, 0.25])
}

fn new() -> Model {
    let recent = Recent { weight: 0.5, distance: 2.0, evidence: 1.0 };
    Model { rarity: 1.0, dilution: 0.5, recent, ..old() }
}

/// Somebody's interests who has had items of these categories, in this order, each with its type of event.
fn interests(model: &Model, layout: &Layout, events: &[(&[&str], u8)]) -> Interests {
    let mut interests = Interests::default();
    interests.reset(layout);
    for (categories, kind) in events {
        interests.count_now(&numbers(layout, categories), *kind, model);
    }
    interests.finish(model, layout);
    interests
}

fn numbers(layout: &Layout, categories: &[&str]) -> Vec<u32> {
    categories.iter().map(|name| layout.category(name).expect("a category of the layout")).collect()
}

fn of(interests: &Interests, layout: &Layout, categories: &[&str]) -> f64 {
    interests.of(&numbers(layout, categories))
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-13, "{found} instead of {expected}");
}

#[test]
fn one_event_is_no_certainty() {
    let layout = layout();
    assert_near(of(&interests(&old(), &layout, &[(&["p"], 0)]), &layout, &["p"]), 0.5);
    assert_near(of(&interests(&old(), &layout, &[(&["p"][..], 0); 3]), &layout, &["p"]), 0.75);
}

#[test]
fn undiluted_it_is_the_mean_over_the_categories_and_none_without() {
    let layout = layout();
    let interests = interests(&old(), &layout, &[(&["p"], 0), (&["p"], 0), (&["q"], 1)]);
    // 2 / (4 + 1) and -2 / (4 + 1)
    assert_near(of(&interests, &layout, &["p"]), 0.4);
    assert_near(of(&interests, &layout, &["q"]), -0.4);
    assert_eq!(of(&interests, &layout, &["p", "q"]), 0.0);
    assert_eq!(of(&interests, &layout, &[]), 0.0);
}

#[test]
fn an_item_that_shares_five_categories_beats_one_that_shares_one() {
    let layout = layout();
    let five = ["p", "q", "r", "s", "t"];
    let had: &[(&[&str], u8)] = &[(&five[..], 0); 4];
    for (model, beats) in [(old(), false), (new(), true)] {
        let interests = interests(&model, &layout, had);
        let (one, all) = (of(&interests, &layout, &["q"]), of(&interests, &layout, &five));
        assert_eq!(all > 2.0 * one, beats, "{one} by one, {all} by five");
    }
}

#[test]
fn what_few_items_have_says_more_than_what_all_have() {
    let layout = layout();
    let interests = interests(&new(), &layout, &[(&["common", "rare"], 0)]);
    let (common, rare) = (of(&interests, &layout, &["common"]), of(&interests, &layout, &["rare"]));
    assert!(common > 0.0 && rare > 10.0 * common, "{rare} for what is rare, {common} for what is common");
}

#[test]
fn the_last_item_of_a_session_counts_most() {
    let layout = layout();
    let had: &[(&[&str], u8)] = &[(&["q"], 0), (&["r"], 0), (&["s"], 0)];
    let interests = interests(&new(), &layout, had);
    let [first, second, last] = ["q", "r", "s"].map(|name| of(&interests, &layout, &[name]));
    assert!(first < second && second < last, "{first}, {second}, {last}");
}

#[test]
fn a_dislike_lowers_all_others_of_its_categories_however_common() {
    let layout = layout();
    for evidence in [0.5, 50.0, 1e6] {
        let model = Model { evidence, ..new() };
        let interests = interests(&model, &layout, &[(&["common", "rare"], 1)]);
        let (common, rare) = (of(&interests, &layout, &["common"]), of(&interests, &layout, &["rare"]));
        assert!(common < 0.0 && rare < common, "{rare} for what is rare, {common} for what is common");
        assert!(interests.range().0 <= of(&interests, &layout, &["common", "rare"]));
    }
}

#[test]
fn a_category_whose_weights_cancel_out_on_the_way_is_strong_once_and_forgotten_by_a_reset() {
    let layout = layout();
    let had: &[(&[&str], u8)] = &[(&["q"], 0), (&["q"], 0), (&["q"], 1), (&["q"], 0), (&["r"], 0)];
    let mut interests = interests(&old(), &layout, had);
    let mut strongest = Vec::new();
    interests.strongest(5, &layout, &mut strongest);
    assert_eq!(strongest, numbers(&layout, &["q", "r"]), "equal interests are in the order of names");
    interests.reset(&layout);
    assert_eq!((of(&interests, &layout, &["q"]), of(&interests, &layout, &["r"])), (0.0, 0.0));
    interests.finish(&old(), &layout);
    interests.strongest(5, &layout, &mut strongest);
    assert!(strongest.is_empty());
}

proptest! {
    /// By window and category, from the last to the first or the other way round.
    #[test]
    fn what_is_told_of_an_interest_adds_up_to_it_to_the_last_bit(
        had in prop::collection::vec((prop::sample::subsequence(vec!["common", "rare", "p", "q", "r", "s", "t"], 0..7), 0..2_u8), 0..30),
        (rarity, dilution, weight) in (0.0..1.0, 0.0..1.0, prop_oneof![Just(0.0), 0.0..1.0]),
        (evidence, distance) in (0.01..20.0, 0.1..30.0),
        asked in prop::sample::subsequence(vec!["common", "rare", "p", "q", "r", "s", "t"], 1..7),
    ) {
        let layout = layout();
        let recent = Recent { weight, distance, evidence };
        let model = Model { rarity, dilution, recent, evidence, ..old() };
        let had: Vec<(&[&str], u8)> = had.iter().map(|(categories, kind)| (&categories[..], *kind)).collect();
        let interests = interests(&model, &layout, &had);
        let categories = numbers(&layout, &asked);
        let mut parts = Vec::new();
        for category in &categories {
            let told = interests.parts(*category, categories.len(), &model, &layout);
            parts.extend(told.windows);
            parts.push(told.newest);
            prop_assert!(weight > 0.0 || (told.newest, told.newest_events) == (0.0, 0));
        }
        let whole = interests.of(&categories);
        for sum in [parts.iter().sum::<f64>(), parts.iter().rev().sum(), parts.iter().fold(0.0, |sum, part| part + sum)] {
            prop_assert_eq!(sum + 0.0, whole + 0.0);
            prop_assert_eq!((sum + 0.0).to_bits(), (whole + 0.0).to_bits());
        }
        let by_set = interests.range();
        prop_assert!(by_set.0 <= by_set.1);
    }
}

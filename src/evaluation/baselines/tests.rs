//! The baselines, against the same ones that look at all that has happened for each list.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::contender::{Contender, Listable, Observed, Question};
use super::naive::{Case, Scored};
use super::scores::Scores;
use super::{rules, sknn, transitions, vsknn, vstan};
use crate::engine::events::event::EventType;
use crate::engine::time::{DAY, MINUTE};

/// A click of the user who has the number of the visit.
pub(super) fn click(visit: u32, item: u32, ts: i64) -> Observed {
    Observed { user: visit, visit, item, kind: EventType(0), positive: true, ts }
}

struct AllBut(BTreeSet<u32>);

impl Listable for AllBut {
    fn may_list(&self, item: u32) -> bool {
        !self.0.contains(&item)
    }
}

/// So many visits go on at a time. With `m` from twice that on, none is forgotten before it ends.
const AT_A_TIME: u32 = 3;

/// Events of visits that begin one after the other and overlap, some of them of nothing that is liked.
fn streams() -> impl Strategy<Value = Vec<Observed>> {
    let step = (0..AT_A_TIME, 0_u32..12, 0_i64..20 * MINUTE, 0_u8..8);
    (prop::collection::vec(step, 1..150), 2_usize..8).prop_map(|(steps, pace)| {
        let mut ts = 0;
        let events = steps.into_iter().enumerate().map(|(place, (ahead, item, gap, kind))| {
            ts += gap;
            let visit = (place / pace) as u32 + ahead;
            Observed { positive: kind > 0, ..click(visit, item, ts) }
        });
        events.collect()
    })
}

/// At every third event the list is the best of the scores that the formulas give.
fn check<C: Contender>(
    stream: &[Observed],
    mut contender: C,
    scores: impl Fn(&C) -> &Scores,
    naive: impl Fn(&Case<'_>) -> Scored,
) {
    let mut list = Vec::new();
    for (place, event) in stream.iter().enumerate() {
        let history: Vec<Observed> = stream[..place].iter().filter(|event| event.positive).copied().collect();
        let of_visit = |own: bool| {
            let events = history.iter().filter(|other| (other.visit == event.visit) == own);
            events.map(|event| event.item).collect::<Vec<u32>>()
        };
        let (so_far, before) = (of_visit(true), of_visit(false));
        if place % 3 == 0 {
            let listable = AllBut(so_far.iter().copied().collect());
            let question = Question {
                user: event.user,
                visit: event.visit,
                so_far: &so_far,
                before: &before[before.len().saturating_sub(4)..],
                ts: event.ts,
                n: 5,
                listable: &listable,
            };
            contender.list(&question, &mut list);
            let items = if so_far.is_empty() { question.before } else { &so_far };
            let expected = naive(&Case { history: &history, own: event.visit, items, ts: event.ts });
            for item in 0..12 {
                let (found, wanted) =
                    (scores(&contender).of(item), expected.get(&item).copied().unwrap_or(0.0));
                assert!((found - wanted).abs() < 1e-9, "item {item}: {found}, {wanted} at {place}");
            }
            let mut best: Vec<u32> = (0..12)
                .filter(|item| listable.may_list(*item) && scores(&contender).of(*item) > 0.0)
                .collect();
            best.sort_by(|a, b| scores(&contender).of(*b).total_cmp(&scores(&contender).of(*a)));
            best.truncate(5);
            assert_eq!(list, best, "at {place}");
        }
        contender.observe(event);
    }
}

fn half_life() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), Just(Some(30 * MINUTE)), Just(Some(DAY))]
}

proptest! {
    #[test]
    fn transitions_are_what_came_next(stream in streams(), gap in half_life(), age in half_life(), last in 1_usize..4) {
        let settings = transitions::Settings { gap, age, last, most: 50 };
        let contender = transitions::Transitions::new("", settings.clone());
        check(&stream, contender, |made| &made.scores, |case| case.transitions(&settings));
    }

    #[test]
    fn rules_are_what_came_up_to_some_steps_later(stream in streams(), age in half_life(), steps in 1_usize..6) {
        let settings = rules::Settings { steps, age, most: 50 };
        let contender = rules::Rules::new("", settings.clone());
        check(&stream, contender, |made| &made.scores, |case| case.rules(&settings));
    }

    #[test]
    fn sknn_is_what_the_formulas_say(stream in streams(), m in 2 * AT_A_TIME as usize..20, k in 1_usize..12) {
        let settings = sknn::Settings { m, k };
        let contender = sknn::Sknn::new("", settings.clone());
        check(&stream, contender, |made| &made.scores, |case| case.sknn(&settings));
    }

    #[test]
    fn vsknn_is_what_the_formulas_say(
        stream in streams(),
        m in 2 * AT_A_TIME as usize..20,
        k in 1_usize..12,
        (last, idf) in (1_usize..14, 0_u8..3),
        longest in prop::option::of(1_usize..5),
        age in half_life(),
    ) {
        let settings = vsknn::Settings { m, k, last, idf: f64::from(idf), longest, age };
        let contender = vsknn::Vsknn::new("", settings.clone());
        check(&stream, contender, |made| &made.scores, |case| case.vsknn(&settings));
    }

    #[test]
    fn vstan_is_what_the_formulas_say(
        stream in streams(),
        m in 2 * AT_A_TIME as usize..20,
        k in 1_usize..12,
        idf in 0_u8..3,
        width in 0.3_f64..4.0,
    ) {
        let settings = vstan::Settings { m, k, idf: f64::from(idf), spw: width, snh: 0.2, ..vstan::Settings::default() };
        let contender = vstan::Vstan::new("", settings.clone());
        check(&stream, contender, |made| &made.scores, |case| case.vstan(&settings));
    }
}

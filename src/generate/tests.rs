//! What a data set promises, checked on whole data sets.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::engine::events::event::EventTypes;

/// What xxh3 makes of a small data set. A change here changes every published data set.
const CATALOG: u64 = 14_293_909_618_835_560_396;
const EVENTS: u64 = 10_902_726_633_137_036_501;

fn generator(change: impl FnOnce(&mut GenerateSettings)) -> Generator {
    let mut settings =
        GenerateSettings { users: 400, items: 600, events: 30_000, ..GenerateSettings::default() };
    change(&mut settings);
    Generator::new(settings).unwrap()
}

fn json(event: &GeneratedEvent<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    event.write_json(&mut line).unwrap();
    line
}
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[test]
fn the_same_settings_give_the_same_bytes_on_every_platform() {
    let generator = generator(|_| ());
    let mut bytes = Vec::new();
    for item in generator.items() {
        write_item_json(item, &mut bytes).unwrap();
    }
    assert_eq!(xxh3_64(&bytes), CATALOG, "the catalog has changed");
    bytes.clear();
    for event in generator.events() {
        event.write_json(&mut bytes).unwrap();
    }
    assert_eq!(xxh3_64(&bytes), EVENTS, "the events have changed");
}

#[test]
fn another_seed_gives_other_events_and_ids() {
    let (one, two) = (generator(|_| ()), generator(|settings| settings.seed = 2));
    let ids =
        |generator: &Generator| generator.events().map(|event| event.event_id()).collect::<BTreeSet<_>>();
    assert!(ids(&one).is_disjoint(&ids(&two)));
    assert_ne!(one.items(), two.items());
}

#[test]
fn there_are_exactly_as_many_events_as_asked_for_and_all_are_valid() {
    let types = EventTypes::default();
    for (users, events) in [(1, 0), (1, 5_000), (400, 30_000), (400, 7), (3, 12_001)] {
        let generator = generator(|settings| (settings.users, settings.events) = (users, events));
        let distinct = generator.events().filter(|event| !event.truth.duplicate);
        let ids: BTreeSet<String> = distinct.map(|event| event.event_id()).collect();
        assert_eq!(ids.len() as u64, events);
        for event in generator.events() {
            event.draft().check(&types).unwrap();
            assert!(event.ts >= generator.settings().start && event.ts < generator.settings().end());
        }
    }
}

#[test]
fn every_user_has_exactly_as_many_events_as_asked_for() {
    let generator = generator(|settings| settings.events_per_user = Some(12));
    let mut counts = BTreeMap::new();
    for event in generator.events().filter(|event| !event.truth.duplicate) {
        *counts.entry(event.user_id()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 400);
    assert!(counts.values().all(|&count| count == 12));
}

#[test]
fn events_happen_in_the_order_of_their_numbers_and_arrive_in_the_order_of_arrival() {
    let generator = generator(|_| ());
    let mut events: Vec<_> = generator.events().collect();
    assert!(events.windows(2).all(|pair| pair[0].arrival <= pair[1].arrival));
    events.sort_by_key(|event| event.number);
    assert!(events.windows(2).all(|pair| pair[0].ts <= pair[1].ts));
}

#[test]
fn late_events_keep_to_their_shares_and_bounds() {
    let generator = generator(|settings| (settings.late_share, settings.very_late_share) = (0.1, 0.02));
    let firsts: Vec<_> = generator.events().filter(|event| !event.truth.duplicate).collect();
    let with = |lateness| firsts.iter().filter(|event| event.truth.lateness == lateness).count();
    let (late, very_late) = (with(Lateness::Late), with(Lateness::VeryLate));
    assert!((0.09..0.11).contains(&share(late, firsts.len())), "{late}");
    assert!((0.017..0.023).contains(&share(very_late, firsts.len())), "{very_late}");
    for event in &firsts {
        let delay = event.arrival.0 - event.ts.0;
        match event.truth.lateness {
            Lateness::OnTime => assert_eq!(delay, 0),
            Lateness::Late => assert!((1..=30_000).contains(&delay), "{delay}"),
            Lateness::VeryLate => assert!((30_001..=21_600_000).contains(&delay), "{delay}"),
        }
    }
    let mut newest = i64::MIN;
    let behind = firsts.iter().filter(|event| {
        newest = newest.max(event.ts.0);
        event.ts.0 < newest - 30_000
    });
    let behind = behind.count();
    assert!(behind > very_late / 2 && behind <= very_late, "{behind} of {very_late}");
}

#[test]
fn every_duplicate_repeats_the_bytes_of_an_event_that_arrived_before() {
    let generator = generator(|settings| (settings.duplicate_share, settings.late_share) = (0.05, 0.3));
    let mut arrived = BTreeMap::new();
    let mut duplicates = 0;
    for event in generator.events() {
        if event.truth.duplicate {
            let (bytes, at) = arrived.get(&event.event_id()).expect("the original came first");
            assert_eq!(&json(&event), bytes);
            assert!((100..=10_000).contains(&(event.arrival.0 - at)));
            duplicates += 1;
        } else {
            assert!(arrived.insert(event.event_id(), (json(&event), event.arrival.0)).is_none());
        }
    }
    assert!((0.045..0.055).contains(&share(duplicates, arrived.len())), "{duplicates}");
}

#[test]
fn what_happens_does_not_depend_on_how_it_arrives() {
    let happened = |generator: &Generator| {
        let distinct = generator.events().filter(|event| !event.truth.duplicate);
        distinct.map(|event| json(&event)).collect::<BTreeSet<_>>()
    };
    let in_order = generator(|settings| {
        (settings.late_share, settings.very_late_share, settings.duplicate_share) = (0.0, 0.0, 0.0);
    });
    let disorderly = generator(|settings| (settings.late_share, settings.duplicate_share) = (0.5, 0.5));
    assert!(in_order.events().all(|event| event.arrival == event.ts && !event.truth.duplicate));
    assert_eq!(happened(&in_order), happened(&disorderly));
}

#[test]
fn popular_items_draw_far_more_events_than_the_rest() {
    let generator = generator(|settings| settings.bursts = 0);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in generator.events() {
        *counts.entry(&event.item.item_id).or_default() += 1;
    }
    let by_rank: Vec<usize> =
        generator.truth().items().map(|item| counts.get(item.item_id).copied().unwrap_or(0)).collect();
    let total: usize = by_rank.iter().sum();
    let top: usize = by_rank.iter().take(60).sum();
    let bottom: usize = by_rank.iter().skip(300).sum();
    assert!(share(top, total) > 0.4, "the top tenth has {top} of {total}");
    assert!(share(bottom, total) < 0.25, "the lower half has {bottom} of {total}");
}

#[test]
fn a_drift_is_in_the_truth_and_shows_in_the_events() {
    let generator = generator(|settings| settings.drift_share = 1.0);
    let tastes: BTreeMap<_, _> = generator.truth().personas().map(|one| (one.persona, one.tastes)).collect();
    let likes = |persona: &str, category: &str| tastes[persona].iter().any(|taste| taste.0 == category);
    let users: BTreeMap<_, _> = generator.truth().users().map(|user| (user.user_id, user.tastes)).collect();
    assert!(users.values().all(|tastes| tastes.len() >= 2));
    // For users with one drift: events on categories that are only the second persona's, and all.
    let (mut before, mut after) = ([0_usize; 2], [0_usize; 2]);
    for event in generator.events() {
        let steps = &users[&event.user_id()];
        let now = steps.iter().rfind(|step| step.from <= event.ts).expect("the first holds from the start");
        assert_eq!(now.persona, event.truth.persona);
        if let [first, second] = steps[..] {
            let main = &event.item.categories[0];
            let counts = if event.ts < second.from { &mut before } else { &mut after };
            counts[0] += usize::from(likes(second.persona, main) && !likes(first.persona, main));
            counts[1] += 1;
        }
    }
    let (before, after) = (share(before[0], before[1]), share(after[0], after[1]));
    assert!(after > 3.0 * before, "the new taste has {before:.3} of the events before and {after:.3} after");
}

#[test]
fn a_burst_shows_as_many_events_on_one_item_while_it_lasts() {
    let generator = generator(|settings| (settings.events, settings.bursts) = (100_000, 6));
    let bursts: Vec<_> = generator.truth().bursts().collect();
    assert_eq!(bursts.len(), 6);
    for burst in bursts {
        let events: Vec<_> = generator.events().filter(|event| event.item.item_id == burst.item_id).collect();
        let during = events.iter().filter(|event| (burst.from..burst.until).contains(&event.ts)).count();
        let hours = share(usize::try_from(burst.until.0 - burst.from.0).unwrap(), 3_600_000);
        let rate = share(during, 1) / hours;
        let usual = share(events.len() - during, 1) / (7.0 * 24.0 - hours);
        assert!(rate > 5.0 * usual, "{}: {rate:.1} an hour against {usual:.1}", burst.item_id);
    }
    assert!(generator.events().any(|event| event.truth.burst));
    let calm = self::generator(|settings| settings.bursts = 0);
    assert!(calm.events().all(|event| !event.truth.burst));
}

#[test]
fn planted_causes_draw_from_a_handful_and_leave_all_else_as_it_is() {
    let start = GenerateSettings::default().start.0;
    // How much of what happens in each two hours is on the eight items of most events.
    let handful = |causes: Option<&str>| {
        let generator = generator(|settings| {
            settings.drift_share = 0.0;
            settings.causes = causes.map(|causes| causes.parse().unwrap());
        });
        let mut blocks: BTreeMap<i64, BTreeMap<String, usize>> = BTreeMap::new();
        for event in generator.events().filter(|event| !event.truth.duplicate) {
            let block = (event.ts.0 - start).div_euclid(2 * 3_600_000);
            *blocks.entry(block).or_default().entry(event.item.item_id.to_string()).or_default() += 1;
        }
        let (mut most, mut all) = (0, 0);
        for counts in blocks.values() {
            let mut counts: Vec<usize> = counts.values().copied().collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            most += counts.iter().take(8).sum::<usize>();
            all += counts.iter().sum::<usize>();
        }
        share(most, all)
    };
    let (hot, tastes, usual) = (handful(Some("popular=1")), handful(Some("interest=1")), handful(None));
    assert!(hot > 0.95 && tastes < 0.5 && usual < 0.6, "{hot} {tastes} {usual}");
}

#[test]
fn evenings_are_busier_than_nights() {
    let generator = generator(|_| ());
    let mut hours = [0_usize; 24];
    for event in generator.events() {
        hours[usize::try_from(event.ts.0 / 3_600_000 % 24).unwrap()] += 1;
    }
    let (night, evening) = (hours[2..6].iter().sum::<usize>(), hours[18..22].iter().sum::<usize>());
    assert!(evening > 5 * night, "{evening} in the evening, {night} at night");
}

#[test]
fn every_event_type_occurs_and_deeper_ones_are_rarer() {
    let generator = generator(|_| ());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in generator.events() {
        *counts.entry(event.kind).or_default() += 1;
        assert_eq!(event.value.is_some(), event.kind == "purchase");
    }
    for kind in EventTypes::default().names() {
        assert!(counts.get(kind.as_str()).is_some_and(|&count| count > 20), "{kind}: {counts:?}");
    }
    assert!(counts["view"] > counts["add_to_cart"] && counts["add_to_cart"] > counts["purchase"]);
}

#[test]
fn sessions_of_a_user_follow_each_other() {
    let generator = generator(|_| ());
    let mut last: BTreeMap<u32, u32> = BTreeMap::new();
    let mut events: Vec<_> = generator.events().collect();
    events.sort_by_key(|event| event.number);
    for event in events {
        let session = last.entry(event.user).or_insert(event.session);
        assert!(event.session == *session || event.session == *session + 1);
        *session = event.session;
    }
}

#[test]
fn small_and_odd_settings_work() {
    for items in [1, 2, 30] {
        for span_ms in [1_000, 60_000, 86_400_000 * 400] {
            let generator =
                generator(|s| (s.items, s.span_ms, s.users, s.events) = (items, span_ms, 7, 2_000));
            let mut last = 0;
            for event in generator.events() {
                assert!(event.arrival.0 >= last);
                last = event.arrival.0;
            }
            assert_eq!(generator.events().filter(|event| !event.truth.duplicate).count(), 2_000);
        }
    }
}

//! What the service says, against what the oracle says.

use std::collections::BTreeMap;

use headwater::proto;
use tonic::Code;

use super::oracle::{Instant, Opinion, Oracle, Scored, Window};
use super::sandbox::messages::{answer, explain, millis, profile, recommend, trending};
use super::sandbox::service::Service;

const TOP: usize = 20;
const TOLERANCE: f64 = 1e-12;
/// How many of a user's newest events are exact.
const KEEP: usize = 64;

/// As the documents list them.
pub const EVENT_TYPES: [&str; 8] =
    ["view", "click", "add_to_cart", "purchase", "like", "dislike", "hide", "impression"];
const INTEREST_WINDOWS: [&str; 4] = ["1h", "24h", "7d", "30d"];
const POPULARITY_WINDOWS: [&str; 6] = ["5m", "15m", "1h", "6h", "24h", "7d"];
/// The places of the trending windows in the popularity windows, and their ratio.
const TREND: (usize, usize, f64) = (2, 4, 1.0 / 24.0);

/// A user, an instant, an item to explain, and what the oracle knows about them.
pub struct Questioned<'a> {
    /// For messages.
    pub place: String,
    pub user: &'a str,
    pub instant: &'a Instant,
    pub item: usize,
    pub windows: &'a [Window],
    pub ranking: &'a [Scored],
}

/// Asks and compares; false if all agree that the instant is too long ago for this user.
pub async fn compare(asked: &Questioned<'_>, service: &Service, oracle: &Oracle, opinion: &Opinion) -> bool {
    let Questioned { place, user, instant: Instant { t, .. }, item, .. } = asked;
    let id = &oracle.things()[*item].id;
    let request = proto::GetProfileRequest { max_categories: 1000, ..profile(user, Some(*t)) };
    let known = answer(service.profiles().get_profile(request).await);
    let list = answer(service.recommender().recommend(recommend(user, TOP as u32, Some(*t))).await);
    let explained = answer(service.recommender().explain(explain(user, id, Some(*t))).await);
    let (known, list, explained) = match (known, list, explained) {
        (Ok(known), Ok(list), Ok(explained)) => (known, list, explained),
        (Err(a), Err(b), Err(c)) => {
            for (code, message) in [&a, &b, &c] {
                assert_eq!(*code, Code::OutOfRange, "{place}: {message}");
                assert!(message.contains("oldest"), "{place}: {message}");
            }
            // Half of K newer events are what a user's past is held for at the least.
            assert!(oracle.later(user, *t) > KEEP / 2, "{place}: {a:?}");
            return false;
        }
        mixed => panic!("{place}: not all of them answer: {mixed:?}"),
    };
    compare_profile(asked, &known, oracle, opinion);
    compare_list(asked, &list, oracle);
    compare_explanation(asked, &explained, oracle);
    true
}

fn compare_profile(
    asked: &Questioned<'_>,
    found: &proto::GetProfileResponse,
    oracle: &Oracle,
    opinion: &Opinion,
) {
    let names: Vec<&str> = found.windows.iter().map(|window| window.window.as_str()).collect();
    assert_eq!(names, INTEREST_WINDOWS, "{}", asked.place);
    assert_eq!(millis(found.profile_as_of), oracle.newest_of(asked.user, asked.instant.t), "{}", asked.place);
    assert_eq!(millis(found.as_of), Some(asked.instant.t));
    for (found, expected) in found.windows.iter().zip(asked.windows) {
        let place = format!("{}, window of {}", asked.place, found.window);
        assert_eq!(found.events, expected.events, "events of {place}");
        assert_eq!(micro(found.total_weight), expected.total, "weight of {place}");
        assert_eq!(found.categories.len(), expected.categories.len(), "categories of {place}");
        for category in &found.categories {
            let name = &category.category;
            let tally = expected.categories.get(name).unwrap_or_else(|| panic!("{place} has no {name}"));
            let by_kind = tally.by_kind.iter().map(|(kind, count)| (EVENT_TYPES[*kind].to_owned(), *count));
            assert_eq!(category.events_by_type, by_kind.collect::<BTreeMap<_, _>>(), "{name} of {place}");
            assert_eq!(micro(category.weight), tally.weight, "{name} of {place}");
            let interest = expected.interest(name, opinion.evidence);
            assert!((category.interest - interest).abs() <= TOLERANCE, "interest in {name} of {place}");
        }
    }
}

fn compare_list(asked: &Questioned<'_>, found: &proto::RecommendResponse, oracle: &Oracle) {
    let place = &asked.place;
    assert!(!found.degraded, "{place}: {}", found.degraded_reason);
    assert_eq!(millis(found.profile_as_of), oracle.newest_of(asked.user, asked.instant.t), "{place}");
    let things = oracle.things();
    assert_eq!(found.items.len(), asked.ranking.len().min(TOP), "length of the list of {place}");
    for ((rank, item), other) in (1..).zip(&found.items).zip(asked.ranking) {
        let id = &item.item_id;
        assert_eq!(item.rank, rank, "{id} of {place}");
        let same = asked.ranking.iter().find(|scored| things[scored.place].id == *id);
        let same = same.unwrap_or_else(|| panic!("{id} can't be in the list of {place}"));
        assert!((item.score - same.score).abs() <= TOLERANCE, "{id} of {place}: {} {same:?}", item.score);
        // Scores that are this close may differ by rounding alone.
        assert!(
            same.place == other.place || (same.score - other.score).abs() <= TOLERANCE,
            "{place}, rank {rank}: {id} {} instead of {} {}",
            same.score,
            things[other.place].id,
            other.score
        );
    }
    for pair in found.items.windows(2) {
        let by_id = pair[0].score == pair[1].score && pair[0].item_id < pair[1].item_id;
        assert!(pair[0].score > pair[1].score || by_id, "order of {place}: {pair:?}");
    }
}

fn compare_explanation(asked: &Questioned<'_>, found: &proto::ExplainResponse, oracle: &Oracle) {
    let thing = &oracle.things()[asked.item];
    let place = format!("{} of {}", thing.id, asked.place);
    let sum = found.contributions.iter().fold(0.0, |sum, part| sum + part.contribution);
    assert_eq!(sum, found.score, "the parts of the score of {place}");
    let ranked = asked.ranking.iter().find(|scored| scored.place == asked.item);
    assert_eq!(found.excluded.is_empty(), ranked.is_some(), "{place}: excluded as `{}`", found.excluded);
    if let Some(ranked) = ranked {
        assert!((found.score - ranked.score).abs() <= TOLERANCE, "{place}: {} {ranked:?}", found.score);
        for (part, expected) in found.contributions.iter().zip(ranked.features) {
            assert!((part.value - expected).abs() <= TOLERANCE, "{place}: {part:?}, expected {expected}");
        }
    }
    assert_eq!(found.popularity.len(), POPULARITY_WINDOWS.len(), "{place}");
    for (window, (evidence, name)) in found.popularity.iter().zip(POPULARITY_WINDOWS).enumerate() {
        let most = asked.instant.counts.iter().map(|counts| counts[window]).max().unwrap_or(0);
        let expected = (name, asked.instant.counts[asked.item][window], most);
        let told = (evidence.window.as_str(), evidence.interactions, evidence.most);
        assert_eq!(told, expected, "popularity of {place}");
    }
    let mut expected = Vec::new();
    for (name, window) in INTEREST_WINDOWS.iter().zip(asked.windows) {
        for category in &thing.categories {
            if let Some(tally) = window.categories.get(category) {
                let events = tally.by_kind.values().sum::<u64>();
                expected.push((*name, category.as_str(), events, tally.weight));
            }
        }
    }
    let evidence = |evidence: &proto::InterestEvidence| {
        (evidence.window.clone(), evidence.category.clone(), evidence.events, micro(evidence.weight))
    };
    let told: Vec<_> = found.interest.iter().map(evidence).collect();
    let told: Vec<_> = told.iter().map(|(w, c, events, weight)| (&**w, &**c, *events, *weight)).collect();
    assert_eq!(told, expected, "interest in {place}");
}

/// Asks what is trending, and compares it with the counts.
pub async fn compare_trending(place: &str, service: &Service, instant: &Instant, oracle: &Oracle) {
    let found = answer(service.recommender().trending(trending(50, Some(instant.t))).await);
    let found = found.unwrap_or_else(|refused| panic!("{place}: {refused:?}"));
    let mut expected: Vec<(f64, &str, u64, f64)> = Vec::new();
    for ((thing, counts), live) in oracle.things().iter().zip(&instant.counts).zip(&instant.live) {
        let (recent, usual) = (counts[TREND.0], counts[TREND.1] as f64 * TREND.2);
        let score = (recent as f64 - usual) / (usual + 1.0).sqrt();
        if *live && recent > 0 && score > 0.0 {
            expected.push((score, &thing.id, recent, usual));
        }
    }
    expected.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    assert_eq!(found.items.len(), expected.len().min(50), "trending of {place}");
    for (item, other) in found.items.iter().zip(&expected) {
        let same = expected.iter().find(|expected| expected.1 == item.item_id);
        let (score, _, recent, usual) = same.unwrap_or_else(|| panic!("{} does not trend", item.item_id));
        assert_eq!(item.recent, *recent, "{} of {place}", item.item_id);
        assert!((item.expected - usual).abs() <= TOLERANCE, "{} of {place}", item.item_id);
        assert!((item.score - score).abs() <= 1e-9, "{} of {place}", item.item_id);
        assert!((item.score - other.0).abs() <= 1e-9, "order of the trends of {place}");
    }
}

fn micro(weight: f64) -> i64 {
    (weight * 1e6).round() as i64
}

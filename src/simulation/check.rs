//! What must hold in the end: the state is that of a naive oracle and of an uninterrupted run, and
//! every bad record is a dead letter.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::config::StreamConfig;
use crate::engine::events::catalog::Catalog;
use crate::engine::events::event::{Event, EventType, Timestamp};
use crate::engine::events::item::{Item, ItemChange};
use crate::engine::facts::state::{Outcome, PartitionState};
use crate::engine::rank::explain;
use crate::engine::rank::model::Model;
use crate::log::{Offset, Partition, PerTopic, Topic};
use crate::simulation::journal::newest;
use crate::simulation::log::{Part, Stored};
use crate::simulation::oracle::{Fact, Fate, Newest, Opinion, Oracle, Settings, Window};
use crate::simulation::process::World;
use crate::simulation::producer::{Acknowledged, Producer};
use crate::state::State;

/// Compares the end with what it must be. Returns how often items were given back.
pub fn check(world: &World, store: &State) -> Result<u64, String> {
    if let Some(why) = world.log.wrong() {
        return Err(why);
    }
    acknowledged(world)?;
    dead_letters(world)?;
    catalog(world, store)?;
    let facts: Vec<Vec<Fact>> =
        (0..).zip(world.log.history(Topic::Clicks)).map(|(place, part)| facts(world, place, &part)).collect();
    let uninterrupted: Vec<_> = facts.iter().map(|facts| uninterrupted(world, facts)).collect();
    let had_room = uninterrupted.iter().map(|(_, had_room)| had_room);
    counts(world, store, facts.into_iter().flatten().zip(had_room.flatten().copied()))?;
    let mut compactions = 0;
    for (partition, (whole, _)) in (0..).map(Partition).zip(&uninterrupted) {
        let positioned = store.partition(partition).ok_or("a partition is missing")?;
        let (found, expected) = (positioned.state.counters(), whole.counters());
        if found != expected {
            return Err(format!("partition {partition} has {found:?}, an uninterrupted run {expected:?}"));
        }
        if positioned.state.to_sections() != whole.to_sections() {
            return Err(format!("partition {partition} is not what an uninterrupted run leaves"));
        }
        compactions += whole.compactions().count;
    }
    Ok(compactions)
}

/// All that there is in the end, and what would be drawn next: equal for two runs of a seed.
pub fn trace(world: &World) -> String {
    let logs: Vec<String> =
        Topic::ALL.iter().map(|topic| format!("{:?}", world.log.history(*topic))).collect();
    let files = world.runtime.block_on(world.disk.files());
    format!("{logs:?} {files:?} {} {}", world.time.now(), world.faults.below(u64::MAX))
}

/// What was acknowledged is where it was said to be.
fn acknowledged(world: &World) -> Result<(), String> {
    let history = PerTopic::new(|topic| world.log.history(topic));
    for Acknowledged { topic, place: (partition, offset), record } in &world.producer.acknowledged {
        let records = &history[*topic][partition.index()].records;
        let is_it = |stored: &Stored| stored.offset == *offset && stored.record == *record;
        // The newest of an item's records in one batch is the only one that comes to the log.
        let replaced = |stored: &Stored| {
            stored.offset > *offset && stored.record.key == record.key && *topic == Topic::Items
        };
        if !records.iter().any(|stored| is_it(stored) || replaced(stored)) {
            return Err(format!("{topic:?} {partition}/{offset} was acknowledged and is lost"));
        }
    }
    Ok(())
}

/// What the clicks of a partition say, in its order, the bad ones aside.
fn facts(world: &World, partition: usize, part: &Part) -> Vec<Fact> {
    let said = |stored: &Stored| {
        let fact = world.producer.clicks[stored.record.value.as_ref().expect("a click is sent")].clone();
        fact.map(|fact| Fact { partition, logged: Some(stored.timestamp), ..fact })
    };
    part.records.iter().filter_map(said).collect()
}

/// The catalog is what the items log says, newest word first.
fn catalog(world: &World, store: &State) -> Result<(), String> {
    let mut expected = BTreeMap::new();
    let history = world.log.history(Topic::Items);
    for stored in history.iter().flat_map(|part| &part.records) {
        match &stored.record.value {
            Some(value) => {
                expected.extend(world.producer.items[value].clone().map(|item| (item.item_id.clone(), item)))
            }
            None => drop(expected.remove(&String::from_utf8_lossy(&stored.record.key).into_owned())),
        }
    }
    let catalog = store.catalog();
    let found: BTreeMap<String, Item> =
        catalog.items().map(|item| (item.item_id().to_string(), Item::from(&**item))).collect();
    if found == expected { Ok(()) } else { Err(format!("the catalog is {found:?}, expected {expected:?}")) }
}

fn dead_letters(world: &World) -> Result<(), String> {
    let (clicks, items) = (world.log.history(Topic::Clicks), world.log.history(Topic::Items));
    let place = |topic: &str, partition: usize, stored: &Stored| {
        (topic.to_owned(), Partition(partition as u32), stored.offset)
    };
    let bad_click = |stored: &&Stored| {
        stored.record.value.as_ref().is_some_and(|value| world.producer.clicks[value].is_none())
    };
    let bad_item = |stored: &&Stored| {
        stored.record.value.as_ref().is_some_and(|value| world.producer.items[value].is_none())
    };
    let mut allowed = BTreeSet::new();
    let mut expected = BTreeSet::new();
    for (partition, part) in clicks.iter().enumerate() {
        let bad = part.records.iter().filter(bad_click);
        expected.extend(bad.map(|stored| place("clicks", partition, stored)));
    }
    for (partition, part) in items.iter().enumerate() {
        let bad = part.records.iter().filter(bad_item);
        allowed.extend(bad.map(|stored| place("items", partition, stored)));
        // One that compaction has taken may never have been read.
        let bad = newest(part.records.iter()).filter(bad_item);
        expected.extend(bad.map(|stored| place("items", partition, stored)));
    }
    allowed.extend(expected.iter().cloned());
    let letters = world.log.history(Topic::DeadLetters);
    let found: BTreeSet<(String, Partition, Offset)> = letters.iter().flat_map(places).collect();
    match (expected.difference(&found).next(), found.difference(&allowed).next()) {
        (None, None) => Ok(()),
        (Some(lost), _) => Err(format!("the dead letter of {lost:?} is lost")),
        (_, Some(good)) => Err(format!("{good:?} is a good record and became a dead letter")),
    }
}

fn places(letters: &Part) -> impl Iterator<Item = (String, Partition, Offset)> {
    letters.records.iter().map(|stored| {
        let header = |name: &str| {
            let headers = stored.record.headers.iter();
            let value = headers.rev().find(|(other, _)| other == name).and_then(|(_, value)| value.clone());
            String::from_utf8(value.expect("every dead letter has it")).expect("it is text")
        };
        let number = |name| header(name).parse::<u64>().expect("it is a number");
        (header("dlq.topic"), Partition(number("dlq.partition") as u32), Offset(number("dlq.offset")))
    })
}

/// Fates and the counts of every user, by the oracle, which has to be told for whose item there was room.
fn counts(world: &World, store: &State, facts: impl Iterator<Item = (Fact, bool)>) -> Result<(), String> {
    let config = &world.config.stream;
    let settings = Settings {
        keep: config.recent_events_per_user,
        past: config.as_of_horizon,
        passive: (0..config.event_types.names().len())
            .filter(|kind| config.is_passive(EventType(*kind as u8)))
            .collect(),
        interest: config.interest_windows.clone(),
        popularity: config.popularity_windows.clone(),
        out_of_order: config.max_out_of_orderness,
        skew: config.max_clock_skew,
        remember_ids: config.dedup_horizon,
    };
    let mut oracle = Oracle::new(settings, Producer::things());
    let (mut users, mut fates) = (BTreeSet::new(), BTreeMap::<usize, [u64; 3]>::new());
    for (fact, had_room) in facts {
        users.insert((fact.partition, fact.user.clone()));
        let fates = fates.entry(fact.partition).or_default();
        if !had_room {
            match oracle.feed_in_vain(fact) {
                Fate::Counted => continue,
                fate => return Err(format!("there was no room for an event that is {fate:?} by the oracle")),
            }
        }
        fates[match oracle.feed(fact) {
            Fate::Counted => 0,
            Fate::Duplicate => 1,
            Fate::Late => 2,
        }] += 1;
    }
    for (partition, [applied, duplicates, late]) in fates {
        let found = store
            .partition(Partition(partition as u32))
            .map(|positioned| positioned.state.counters())
            .unwrap_or_default();
        if (found.applied, found.duplicates, found.late) != (applied, duplicates, late) {
            return Err(format!(
                "partition {partition}: {found:?}, by the oracle {applied} count, {duplicates} are duplicates and \
                 {late} are late"
            ));
        }
    }
    let model = world.models.get("default").ok_or("no model")?;
    let t = Timestamp(oracle.newest());
    for (partition, user) in users {
        let expected = oracle.profile(&user, t.0, &opinion(model));
        let found = windows(store, partition, &user, model, t)?;
        let expected: Vec<Counted> = expected.iter().map(of_oracle).collect();
        if found != expected && (!found.is_empty() || expected.iter().any(|window| window.0 > 0)) {
            return Err(format!("{user}: {found:?}, by the oracle {expected:?}"));
        }
    }
    Ok(())
}

/// Events of a window, and by category and type.
type Counted = (u64, BTreeMap<String, BTreeMap<usize, u64>>);

fn of_oracle(window: &Window) -> Counted {
    let by_category = window.categories.iter();
    (window.events, by_category.map(|(name, tally)| (name.clone(), tally.by_kind.clone())).collect())
}

fn windows(
    store: &State,
    partition: usize,
    user: &str,
    model: &Model,
    t: Timestamp,
) -> Result<Vec<Counted>, String> {
    let positioned = store.partition(Partition(partition as u32)).ok_or("a partition is missing")?;
    let state = &positioned.state;
    let Some(profile) = state.user(user) else { return Ok(Vec::new()) };
    let profile = profile
        .at(t, state.config().recent_events_per_user, state.interest_windows())
        .map_err(|oldest| format!("{user} can't be asked for {t}, only from {oldest}"))?;
    let report = explain::windows(
        &[(state, profile)],
        &store.catalog(),
        model,
        t,
        (&state.config().interest_windows, usize::MAX),
    );
    let counted = report.into_iter().map(|window| {
        let by_type = |events: BTreeMap<EventType, u64>| {
            events.into_iter().map(|(kind, count)| (usize::from(kind.0), count)).collect()
        };
        let categories = window.categories.into_iter();
        (window.events, categories.map(|category| (category.category, by_type(category.events))).collect())
    });
    Ok(counted.collect())
}

fn opinion(model: &Model) -> Opinion {
    let [interest, _, _, _, _, popularity, recency, _] = model.weights();
    Opinion {
        interest,
        popularity,
        recency,
        kinds: model.event_weights.clone(),
        interest_windows: model.interest_windows.clone(),
        evidence: model.evidence,
        rarity: model.rarity,
        dilution: model.dilution,
        recent: Newest {
            weight: model.recent.weight,
            distance: model.recent.distance,
            evidence: model.recent.evidence,
        },
        popularity_evidence: model.popularity_evidence,
        popularity_windows: model.popularity_windows.clone(),
        half_life: model.half_life,
    }
}

/// A partition's state after all its records, one after another, and for which of them there was room.
fn uninterrupted(world: &World, facts: &[Fact]) -> (PartitionState, Vec<bool>) {
    let config = Arc::new(StreamConfig::clone(&world.config.stream));
    let mut catalog = Catalog::default();
    for thing in Producer::things() {
        catalog.apply(ItemChange::Put(Item::new(&thing.id, thing.categories)), usize::MAX);
    }
    let mut state = PartitionState::new(Arc::clone(&config));
    let had_room = facts.iter().map(|fact| apply(&mut state, fact, &catalog) != Outcome::ItemLimit).collect();
    (state, had_room)
}

fn apply(state: &mut PartitionState, fact: &Fact, catalog: &Catalog) -> Outcome {
    let known = catalog.get(&fact.item).is_some();
    let own: Vec<Cow<'_, str>> = fact.categories.iter().map(|name| Cow::from(name.as_str())).collect();
    let event = Event {
        event_id: fact.id.as_deref(),
        user_id: &fact.user,
        item_id: &fact.item,
        kind: EventType(fact.kind as u8),
        ts: Timestamp(fact.ts),
        value: None,
        session_id: fact.session.as_deref(),
        surface: None,
        recommendation_id: None,
        categories: if known { &[] } else { &own },
    };
    state.apply(&event, fact.logged, catalog)
}

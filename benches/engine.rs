//! How fast the engine is on one thread: decoded events into state, and lists out of it with every
//! live item as a candidate.

mod common;
#[path = "engine/forest.rs"]
mod forest;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use common::{Data, bar, median, micros, percentile};
use headwater::engine::config::StreamConfig;
use headwater::engine::events::catalog::Catalog;
use headwater::engine::events::event::{Event, EventType};
use headwater::engine::facts::state::{Outcome, PartitionState};
use headwater::engine::index::layout::Layout;
use headwater::engine::index::pools::Pools;
use headwater::engine::rank::filters::Filter;
use headwater::engine::rank::model::CandidateLimits;
use headwater::engine::rank::pipeline::{Query, Scratch, UserContext, recommend};

const ROUNDS: usize = 9;
const USERS: usize = 4000;
const N: usize = 20;
/// How many of a visit's items are asked about.
const LAST_ITEMS: usize = 5;

fn main() {
    common::part();
    let data = Data::news();
    let config = Arc::new(StreamConfig::default());
    let catalog = data.catalog();
    let drafts = &data.events;
    let checked = drafts.iter().map(|draft| draft.check(&config.event_types).expect("a valid event"));
    let events: Vec<Event<'_>> = checked.collect();

    let (speed, state) = apply(&config, &events, &catalog);
    visits(&data, &state);
    let time = recommend_all(&data, &catalog, state);
    bar("engine.apply", speed, "events/s");
    bar("engine.recommend_all", time, "us");
    bar("engine.recommend_forest", forest::recommend(&data, &config), "us");
}

fn apply(config: &Arc<StreamConfig>, events: &[Event<'_>], catalog: &Catalog) -> (f64, PartitionState) {
    let mut speeds = Vec::new();
    let mut last = PartitionState::new(Arc::clone(config));
    for _ in 0..ROUNDS {
        let mut state = PartitionState::new(Arc::clone(config));
        let started = Instant::now();
        let applied =
            events.iter().filter(|event| state.apply(event, None, catalog) == Outcome::Applied).count();
        speeds.push(events.len() as f64 / started.elapsed().as_secs_f64());
        assert!(applied * 10 > events.len() * 9, "{:?}", state.counters());
        // The one before is dropped here, outside the clock.
        last = state;
    }
    println!(
        "apply: {} events a round, {} users, median of {ROUNDS} rounds, best {:.0} events/s",
        events.len(),
        last.users_len(),
        percentile(&mut speeds.clone(), 1.0)
    );
    (median(speeds), last)
}

/// What a question about the visits to a user's last items costs.
fn visits(data: &Data, state: &PartitionState) {
    let (t, keep) = (state.newest(), state.config().recent_events_per_user);
    let passive = state.config().passive_event_types;
    let (mut times, mut found, mut others) = (Vec::new(), 0, 0);
    for profile in data.users(USERS).into_iter().filter_map(|user| state.user(user)) {
        let profile = profile.at(t, keep, state.interest_windows()).expect("now can be answered");
        let Some(visit) = profile.newest_visit(passive) else { continue };
        let started = Instant::now();
        for event in visit.acted().rev().take(LAST_ITEMS) {
            state.visits_to(event.item, t, usize::MAX, &mut |visit| {
                found += 1;
                others += visit.after().chain(visit.before()).count();
            });
        }
        times.push(micros(started.elapsed()));
    }
    println!(
        "visits: of {} postings {found} to the last items of {} users, with {others} other events; median {:.1} us, p99 {:.1} us",
        state.postings_len(),
        times.len(),
        median(times.clone()),
        percentile(&mut times, 0.99)
    );
}

fn recommend_all(data: &Data, catalog: &Catalog, state: PartitionState) -> f64 {
    let all = data.items.len();
    let limits = CandidateLimits {
        categories: 8,
        per_category: 200,
        popular: all,
        trending: 100,
        fresh: 100,
        related: 100,
    };
    let model = common::model(state.config(), limits);
    let partitions = [state];
    let layout = Arc::new(Layout::build(catalog, &partitions[..]));
    let as_of = partitions[0].newest();
    let started = Instant::now();
    let pools = Pools::build(layout, &partitions[..], model, as_of);
    println!(
        "pools: {} live items, built in {:.1} ms",
        pools.liveness.count(),
        micros(started.elapsed()) / 1e3
    );
    let filter = Filter::default();
    let query = Query {
        n: N,
        as_of,
        context: &[],
        context_kind: EventType(1),
        exclude: &[],
        filter: &filter,
        include_seen: false,
        explain: false,
        explore: None,
    };
    let mut scratch = Scratch::default();
    let mut times = Vec::new();
    let mut least = usize::MAX;
    for user in data.users(USERS) {
        let profile = partitions[0].user(user);
        let user = profile.map(|profile| UserContext { state: &partitions[0], partition: 0, profile });
        let started = Instant::now();
        let answer = recommend(&pools, black_box(user).as_slice(), &query, &[], &mut scratch)
            .expect("now can be answered");
        times.push(micros(started.elapsed()));
        assert_eq!(answer.items.len(), N);
        let scored: usize = answer.candidates.iter().sum();
        least = least.min(scored);
    }
    // What a user has seen is not scored.
    assert!(
        least + 200 >= pools.liveness.count(),
        "{least} of {} live items were scored",
        pools.liveness.count()
    );
    println!(
        "recommend: {} users, {least} candidates scored or more, p99 {:.1} us",
        times.len(),
        percentile(&mut times, 0.99)
    );
    median(times)
}

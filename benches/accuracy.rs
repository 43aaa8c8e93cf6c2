//! What the lists are worth: a real clickstream is replayed in the order of its events, and before a
//! click is applied each model is asked for the list of that instant.
//!
//! A click is eligible where a list could have had it: its user has an earlier event and has never had
//! the item, and somebody has. Every k-th of them is scored, for all models the same ones. All live
//! items are candidates, none is sampled; pools are built for the instant. Beside the models stand
//! plain counts, kept and ranked without the engine: on news the better of them is that of the last hour.

mod common;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use common::Data;
use engine::{DAY, Event, HOUR, Model, StreamConfig};
use headwater::models::{BUILT_IN_MODEL, parse_model};

/// As many items as a list has.
const N: usize = 20;
/// One in so many eligible clicks is scored, so that a run takes about three minutes.
const NEWS_EVERY: usize = 40;
const MOVIES_EVERY: usize = 1;

/// `models/default.toml` as it was up to November 2026.
const BEFORE: &str = r#"
interest = { evidence = 1.0, windows = { "1h" = 0.4, "24h" = 0.3, "7d" = 0.2, "30d" = 0.1 } }
popularity.windows = { "5m" = 0.1, "15m" = 0.1, "1h" = 0.3, "6h" = 0.2, "24h" = 0.2, "7d" = 0.1 }
recency.half_life = "3d"
"#;

fn main() {
    common::part();
    if let Some(data) = Data::real("news") {
        let from = data.events.last().and_then(|event| event.ts).unwrap_or(0) - 2 * DAY;
        replay(&data, "clicks of the last two days", NEWS_EVERY, |_, event| event.ts.0 > from);
    }
    if let Some(data) = Data::real("movies") {
        let (first, like) = (data.events.len() / 5 * 4, engine::kind_of("like"));
        let scored = |place, event: &Event<'_>| place >= first && event.kind == like;
        replay(&data, "likes among the last fifth of the events", MOVIES_EVERY, scored);
    }
}

/// Replays a stream, and prints how well each model and each count would have done.
fn replay(data: &Data, what: &str, every: usize, scored: impl Fn(usize, &Event<'_>) -> bool) {
    let started = Instant::now();
    let config = Arc::new(StreamConfig::default());
    let (catalog, drafts) = (data.catalog(), &data.events);
    let mut service = engine::Service::new(&config, catalog);
    let mut models: Vec<Asked> = [
        ("default, before", BEFORE),
        ("default", BUILT_IN_MODEL),
        ("news", include_str!("../models/news.toml")),
    ]
    .map(|(name, text)| Asked::new(name, model(name, text, data.items.len(), &config)))
    .into();
    let created: HashMap<&str, i64> =
        data.items.iter().map(|item| (&*item.item_id, item.created_at.map_or(i64::MIN, |at| at.0))).collect();
    let mut counts = [Counts::new("popular 1h", HOUR), Counts::new("popular of all time", i64::MAX)];
    let mut had: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut known: HashSet<&str> = HashSet::new();
    let mut eligible = 0;
    let mut asked = 0;

    for (place, draft) in drafts.iter().enumerate() {
        let event = draft.check(&config.event_types).expect("a valid event");
        let t = event.ts;
        let item = event.item_id;
        if let Some(seen) = had.get(event.user_id).filter(|seen| !seen.contains(item))
            && known.contains(item)
            && scored(place, &event)
        {
            if eligible % every == 0 {
                asked += 1;
                for model in &mut models {
                    let rank = service.rank(model, event.user_id, item, t);
                    model.tally.add(rank);
                }
                for count in &mut counts {
                    let live = |other: &str| created.get(other).is_some_and(|created| *created <= t.0);
                    let rank = count.rank(item, t.0, |other| live(other) && !seen.contains(other));
                    count.tally.add(rank);
                }
            }
            eligible += 1;
        }
        service.apply(&event);
        had.entry(event.user_id).or_default().insert(item);
        known.insert(item);
        if engine::is_positive(&models[0].model, event.kind) {
            counts.iter_mut().for_each(|count| count.add(item, t.0));
        }
    }

    println!("{what}: {asked} scored, one in {every} of {eligible}, in {:.0?}", started.elapsed());
    println!("{:<20}  MRR@{N} (95 %)      HR@{N}   MRR / the better count", "");
    let tallies = counts.iter().map(|count| (count.name, &count.tally));
    let rows: Vec<_> = tallies.chain(models.iter().map(|model| (model.name, &model.tally))).collect();
    let base = counts.iter().map(|count| count.tally.mrr()).fold(0.0, f64::max);
    for (name, tally) in rows {
        let (mrr, spread) = (tally.mrr(), 1.96 * tally.standard_error());
        println!("{name:<20}  {mrr:.4} +- {spread:.4}  {:.4}   {:.3}", tally.hit_rate(), mrr / base);
    }
}

/// A model with room for every item to be a candidate.
fn model(name: &str, text: &str, items: usize, config: &StreamConfig) -> Arc<Model> {
    let mut model = parse_model(name, Path::new(name), text, config).expect("a valid model");
    model.candidates.popular = items;
    Arc::new(model)
}

/// A model that is asked.
struct Asked {
    name: &'static str,
    model: Arc<Model>,
    tally: Tally,
}

impl Asked {
    fn new(name: &'static str, model: Arc<Model>) -> Self {
        Self { name, model, tally: Tally::default() }
    }
}

/// The ranks, from 1, of what was clicked; 0 where the list did not have it.
#[derive(Default)]
struct Tally(Vec<usize>);

impl Tally {
    fn add(&mut self, rank: Option<usize>) {
        self.0.push(rank.unwrap_or(0));
    }

    fn reciprocals(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(|rank| if *rank == 0 { 0.0 } else { 1.0 / *rank as f64 })
    }

    fn mrr(&self) -> f64 {
        self.reciprocals().sum::<f64>() / self.0.len() as f64
    }

    fn standard_error(&self) -> f64 {
        let (mean, n) = (self.mrr(), self.0.len() as f64);
        (self.reciprocals().map(|value| (value - mean).powi(2)).sum::<f64>() / n / n).sqrt()
    }

    fn hit_rate(&self) -> f64 {
        self.0.iter().filter(|rank| **rank > 0).count() as f64 / self.0.len() as f64
    }
}

/// How often each item was turned to within a length of time: the naive way.
struct Counts<'a> {
    name: &'static str,
    length: i64,
    events: VecDeque<(i64, &'a str)>,
    counts: HashMap<&'a str, usize>,
    tally: Tally,
}

impl<'a> Counts<'a> {
    fn new(name: &'static str, length: i64) -> Self {
        Self { name, length, events: VecDeque::new(), counts: HashMap::new(), tally: Tally::default() }
    }

    fn add(&mut self, item: &'a str, t: i64) {
        self.events.push_back((t, item));
        *self.counts.entry(item).or_default() += 1;
    }

    /// The place of an item in the list of the most counted ones, of those that may be in it; the
    /// smaller id first among equals.
    fn rank(&mut self, item: &str, t: i64, may_be_listed: impl Fn(&str) -> bool) -> Option<usize> {
        while let Some((_, old)) = self.events.front().filter(|(at, _)| t - at >= self.length) {
            *self.counts.get_mut(old).expect("what was counted") -= 1;
            self.events.pop_front();
        }
        let own = *self.counts.get(item).filter(|own| **own > 0)?;
        let before = |(other, count): &(&&str, &usize)| (own, **other) < (**count, item);
        let ahead = self.counts.iter().filter(before).filter(|(other, _)| may_be_listed(other)).count();
        (may_be_listed(item) && ahead < N).then_some(ahead + 1)
    }
}

/// All that this bench knows of the engine.
mod engine {
    use std::sync::Arc;

    use super::{Asked, N};
    pub use headwater::engine::config::{DAY, HOUR, StreamConfig};
    use headwater::engine::events::catalog::Catalog;
    pub use headwater::engine::events::event::Event;
    use headwater::engine::events::event::{EventType, Timestamp};
    use headwater::engine::facts::state::{Outcome, PartitionState};
    use headwater::engine::index::layout::Layout;
    use headwater::engine::index::pools::Pools;
    use headwater::engine::rank::filters::Filter;
    pub use headwater::engine::rank::model::Model;
    use headwater::engine::rank::pipeline::{Query, Scratch, UserContext, recommend};

    pub fn kind_of(name: &str) -> EventType {
        StreamConfig::default().event_types.get(name).expect("a type")
    }

    pub fn is_positive(model: &Model, kind: EventType) -> bool {
        model.event_weights[usize::from(kind.0)] > 0.0
    }

    /// A service without its adapters.
    pub struct Service {
        catalog: Catalog,
        layout: Arc<Layout>,
        states: [PartitionState; 1],
        scratch: Scratch,
    }

    impl Service {
        pub fn new(config: &Arc<StreamConfig>, catalog: Catalog) -> Self {
            let layout = Arc::new(Layout::build(&catalog, &[][..]));
            let states = [PartitionState::new(Arc::clone(config))];
            Self { catalog, layout, states, scratch: Scratch::default() }
        }

        pub fn apply(&mut self, event: &Event<'_>) {
            let outcome = self.states[0].apply(event, None, &self.catalog);
            assert_eq!(outcome, Outcome::Applied, "{event:?}");
        }

        /// The place of an item in a user's list.
        pub fn rank(&mut self, asked: &Asked, user: &str, item: &str, t: Timestamp) -> Option<usize> {
            let (layout, model) = (Arc::clone(&self.layout), Arc::clone(&asked.model));
            let pools = Pools::build(layout, &self.states[..], model, t);
            let state = &self.states[0];
            let user = state.user(user).map(|profile| UserContext { state, partition: 0, profile });
            let query = Query {
                n: N,
                as_of: t,
                context: &[],
                context_kind: EventType(1),
                exclude: &[],
                filter: &Filter::default(),
                include_seen: false,
                explain: false,
            };
            let answer =
                recommend(&pools, user.as_slice(), &query, &mut self.scratch).expect("now can be answered");
            let place = answer.items.iter().position(|ranked| self.layout.id(ranked.row) == item);
            place.map(|place| place + 1)
        }
    }
}

//! The engine against a naive oracle: profile, popularity counts and ranking, asked on the way
//! through a generated stream, and through real clickstreams where they are there.
//!
//! The real data is looked for in the folder that `HEADWATER_TEST_DATA` names (`../shared/data`).

mod engine_harness;
mod oracle;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_harness::{Click, Engine, model, query};
use headwater::engine::config::{DAY, HOUR, MINUTE, SECOND, StateLimits, StreamConfig};
use headwater::engine::events::event::{EventType, Timestamp};
use headwater::engine::events::item::Item;
use headwater::engine::facts::state::Outcome;
use headwater::engine::index::pools::Pools;
use headwater::engine::rank::explain::WindowReport;
use headwater::engine::rank::pipeline::Answer;
use oracle::{Fact, Fate, Instant, Newest, Opinion, Oracle, Scored, Settings, Thing};

const TOP: usize = 20;
const TOLERANCE: f64 = 1e-12;
/// Questions of each data set, at the least.
const QUESTIONS: usize = 2000;

/// A stream of numbers that is the same on every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: i64) -> i64 {
        (self.next() % bound.max(1) as u64) as i64
    }

    fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }
}

/// Feeds both, asks both.
struct Trial {
    engine: Engine,
    oracle: Oracle,
    opinion: Opinion,
    /// The users of the newest events.
    recent: Vec<String>,
    dice: Dice,
    asked: usize,
    too_old: usize,
    fates: HashMap<&'static str, usize>,
}

impl Trial {
    fn new(config: StreamConfig, things: Vec<Thing>, partitions: usize) -> Self {
        let mut model = model(&config);
        model.candidates.categories = 2;
        let [interest, _, _, _, _, popularity, recency, _] = model.weights();
        let opinion = Opinion {
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
        };
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
        let items: Vec<Item> = things.iter().map(item).collect();
        Self {
            engine: Engine::new(config, &items, model, partitions),
            oracle: Oracle::new(settings, things),
            opinion,
            recent: Vec::new(),
            dice: Dice(7),
            asked: 0,
            too_old: 0,
            fates: HashMap::new(),
        }
    }

    /// Feeds the clicks in order and stops `stops` times to ask.
    fn run(&mut self, clicks: &[Click], stops: usize, users_a_stop: usize) {
        for chunk in clicks.chunks(clicks.len().div_ceil(stops)) {
            chunk.iter().for_each(|click| self.feed(click));
            self.recent = chunk.iter().rev().take(500).map(|click| click.user.clone()).collect();
            let (edge, edge_user) = self.edge(chunk);
            for t in self.instants().into_iter().chain([edge]) {
                let pools = self.engine.pools(t);
                let instant = self.oracle.instant(t, &self.opinion);
                self.compare_counts(&pools, &instant);
                for _ in 0..users_a_stop {
                    let user = self.pick_user(clicks);
                    self.compare_user(&user, &instant, &pools);
                }
                self.compare_user(&edge_user, &instant, &pools);
            }
        }
        assert!(self.asked >= QUESTIONS, "only {} questions", self.asked);
        let dropped = self.engine.states.iter().map(|state| state.counters().counts_dropped).sum::<u64>();
        assert_eq!(dropped, 0, "the oracle forgets nothing");
    }

    /// An instant at which a click leaves a window to the millisecond, and who clicked.
    fn edge(&mut self, chunk: &[Click]) -> (i64, String) {
        let click = &chunk[self.dice.below(chunk.len() as i64) as usize];
        let config = Arc::clone(&self.engine.config);
        let windows =
            if self.dice.chance(50) { &config.interest_windows } else { &config.popularity_windows };
        let window = windows[self.dice.below(windows.len() as i64) as usize];
        let pane = oracle::pane(window);
        let start = if self.dice.chance(50) { click.ts } else { click.ts.div_euclid(pane) * pane + pane };
        ((start + window).max(self.engine.floor()), click.user.clone())
    }

    fn feed(&mut self, click: &Click) {
        let outcome = self.engine.apply(click);
        let fate = self.oracle.feed(Fact {
            partition: self.engine.partition(&click.user),
            id: click.id.clone(),
            user: click.user.clone(),
            item: click.item.clone(),
            kind: usize::from(click.kind),
            ts: click.ts,
            logged: click.logged,
            session: click.session.clone(),
            categories: click.categories.clone(),
        });
        let expected = match fate {
            Fate::Counted => Outcome::Applied,
            Fate::Duplicate => Outcome::Duplicate,
            Fate::Late => Outcome::Late,
        };
        assert_eq!(outcome, expected, "{click:?}");
        let name = match fate {
            Fate::Counted => "counted",
            Fate::Duplicate => "duplicate",
            Fate::Late => "late",
        };
        *self.fates.entry(name).or_default() += 1;
    }

    /// Now, a bit later, and somewhere in the past that is still held.
    fn instants(&mut self) -> [i64; 3] {
        let (newest, floor) = (self.oracle.newest(), self.engine.floor());
        let window = self.engine.config.popularity_windows[2];
        let held = newest - floor + 1;
        [newest, newest + self.dice.below(window), floor + self.dice.below(held)]
    }

    fn pick_user(&mut self, clicks: &[Click]) -> String {
        match self.dice.below(10) {
            0 => "a stranger".to_owned(),
            1 | 2 => clicks[self.dice.below(clicks.len() as i64) as usize].user.clone(),
            _ => self.recent[self.dice.below(self.recent.len() as i64) as usize].clone(),
        }
    }

    fn compare_counts(&self, pools: &Pools, instant: &Instant) {
        for (thing, expected) in self.oracle.things().iter().zip(&instant.counts) {
            let row = pools.layout.row(&thing.id).expect("every item of the catalog has a row");
            let found: Vec<u64> = pools.counts(row).iter().map(|count| u64::from(*count)).collect();
            assert_eq!(&found, expected, "popularity of {} at {}", thing.id, pools.as_of);
        }
    }

    fn compare_user(&mut self, user: &str, instant: &Instant, pools: &Pools) {
        let t = instant.t;
        let found = match self.engine.ask(pools, user, &query(TOP, t)) {
            Ok(found) => found,
            Err(error) => {
                // Half of K newer events are what a user's past is held for at the least.
                let keep = self.engine.config.recent_events_per_user;
                assert!(self.oracle.later(user, t) > keep / 2, "{user}: {error}");
                assert!(self.engine.report(user, t).is_err(), "{user}: {error}");
                self.too_old += 1;
                return;
            }
        };
        let report = self.engine.report(user, t).expect("the list was answered at that instant");
        compare_profile(user, t, &report, &self.oracle.profile(user, t, &self.opinion), &self.opinion);
        let expected = self.oracle.ranking(user, instant, &self.opinion);
        compare_lists(user, pools, &found, &expected, &self.oracle);
        assert_eq!(found.profile_as_of.map(|ts| ts.0), self.oracle.newest_of(user, t), "{user} at {t}");
        self.asked += 1;
    }
}

fn item(thing: &Thing) -> Item {
    let mut item = Item::new(thing.id.clone(), thing.categories.clone());
    item.created_at = thing.created_at.map(Timestamp);
    item.expires_at = thing.expires_at.map(Timestamp);
    item.available = thing.available;
    item
}

fn compare_profile(
    user: &str,
    t: i64,
    found: &[WindowReport],
    expected: &[oracle::Window],
    opinion: &Opinion,
) {
    if found.is_empty() {
        assert!(expected.iter().all(|window| window.events == 0), "{user} at {t} is not known");
        return;
    }
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let place = format!("{user} at {t}, window of {} ms", found.window);
        assert_eq!(found.events, expected.events, "events of {place}");
        assert_eq!((found.total_weight * 1e6).round() as i64, expected.total, "weight of {place}");
        assert_eq!(found.categories.len(), expected.categories.len(), "categories of {place}");
        for category in &found.categories {
            let name = &category.category;
            let tally = expected.categories.get(name).unwrap_or_else(|| panic!("{place} has no {name}"));
            let by_kind: Vec<(usize, u64)> =
                tally.by_kind.iter().map(|(kind, count)| (*kind, *count)).collect();
            let events: Vec<(usize, u64)> =
                category.events.iter().map(|(EventType(kind), count)| (usize::from(*kind), *count)).collect();
            assert_eq!(events, by_kind, "{name} of {place}");
            assert_eq!((category.weight * 1e6).round() as i64, tally.weight, "{name} of {place}");
            let interest = expected.interest(name, opinion.evidence);
            assert!((category.interest - interest).abs() <= TOLERANCE, "interest in {name} of {place}");
        }
    }
}

fn compare_lists(user: &str, pools: &Pools, found: &Answer, expected: &[Scored], oracle: &Oracle) {
    let place = format!("{user} at {}", pools.as_of);
    assert_eq!(found.items.len(), expected.len().min(TOP), "length of the list of {place}");
    let mut by_place: Vec<Option<&Scored>> = vec![None; oracle.things().len()];
    expected.iter().for_each(|scored| by_place[scored.place] = Some(scored));
    for (rank, (item, other)) in found.items.iter().zip(expected).enumerate() {
        let id = pools.layout.id(item.row);
        let same =
            by_place[oracle.place(id)].unwrap_or_else(|| panic!("{id} can't be in the list of {place}"));
        assert!((item.score - same.score).abs() <= TOLERANCE, "{id} of {place}: {} {same:?}", item.score);
        let [interest, _, _, _, _, popularity, recency, _] = item.features;
        for (feature, expected) in [interest, popularity, recency].into_iter().zip(same.features) {
            assert!((feature - expected).abs() <= TOLERANCE, "{id} of {place}: {:?} {same:?}", item.features);
        }
        // Scores that are this close may differ by rounding alone.
        assert!(
            same.place == other.place || (same.score - other.score).abs() <= TOLERANCE,
            "{place}, rank {rank}: {id} {} instead of {} {}",
            same.score,
            oracle.things()[other.place].id,
            other.score
        );
    }
    for pair in found.items.windows(2) {
        let by_id = pair[0].score == pair[1].score && pair[0].row < pair[1].row;
        assert!(pair[0].score > pair[1].score || by_id, "order of {place}: {pair:?}");
    }
}

/// What a generated stream is made of.
struct Plan {
    seed: u64,
    clicks: i64,
    users: i64,
    /// The mean time between two events.
    pace: i64,
    /// How late a late event is, and a very late one.
    late: i64,
    very_late: i64,
    /// A pause now and then.
    pause: i64,
    skew: i64,
}

const START: i64 = 1_700_000_000_000;

fn generate(plan: &Plan) -> (Vec<Thing>, Vec<Click>) {
    let mut dice = Dice(plan.seed);
    let span = plan.pace * plan.clicks;
    let things = (0..400).map(|place| generate_thing(place, span, &mut dice)).collect();
    let mut clicks: Vec<Click> = Vec::new();
    let mut now = START;
    for place in 0..plan.clicks {
        now += dice.below(2 * plan.pace);
        if dice.below(plan.clicks / 12) == 0 {
            now += plan.pause;
        }
        if !clicks.is_empty() && dice.chance(6) {
            // A retry: mostly of something recent, sometimes of something that is forgotten.
            let back = if dice.chance(80) { 20 } else { clicks.len() as i64 };
            let retried = clicks.len() - 1 - dice.below(back.min(clicks.len() as i64)) as usize;
            clicks.push(Click { logged: Some(now), ..clicks[retried].clone() });
            continue;
        }
        let late = match dice.below(100) {
            0..70 => 0,
            70..90 => dice.below(plan.late),
            90..98 => dice.below(20 * plan.late),
            _ => dice.below(plan.very_late),
        };
        let ahead = if dice.chance(1) { plan.skew * dice.below(3) } else { 0 };
        // Few users do most.
        let user = dice.below(plan.users) * dice.below(plan.users) * dice.below(plan.users);
        let item = dice.below(21) * dice.below(21) + dice.below(20);
        let categories = (0..dice.below(4)).map(|_| format!("c{}", dice.below(14))).collect();
        clicks.push(Click {
            id: dice.chance(90).then(|| format!("e{place}")),
            user: format!("u{}", user / (plan.users * plan.users)),
            item: format!("i{item}"),
            kind: dice.below(8) as u8,
            ts: now - late + ahead,
            logged: dice.chance(95).then_some(now),
            session: (place % 3 > 0).then(|| format!("s{}", place / 100)),
            categories,
        });
    }
    (things, clicks)
}

fn generate_thing(place: i64, span: i64, dice: &mut Dice) -> Thing {
    let mut categories: Vec<String> = Vec::new();
    for _ in 0..dice.below(4) {
        let name = format!("c{}", dice.below(12));
        if !categories.contains(&name) {
            categories.push(name);
        }
    }
    let created_at = START - span / 2 + dice.below(span * 3 / 2);
    Thing {
        id: format!("i{place}"),
        categories,
        created_at: dice.chance(90).then_some(created_at),
        expires_at: dice.chance(20).then(|| created_at + dice.below(span)),
        available: dice.chance(95),
    }
}

fn finish(name: &str, trial: &Trial) {
    let (asked, too_old, fates) = (trial.asked, trial.too_old, &trial.fates);
    println!("{name}: {asked} questions equal, {too_old} refused as too old, events {fates:?}");
}

#[test]
fn a_generated_stream_with_the_default_windows_gives_the_answers_of_the_oracle() {
    let plan = Plan {
        seed: 1,
        clicks: 40_000,
        users: 400,
        pace: 90 * SECOND,
        late: 30 * SECOND,
        very_late: 40 * DAY,
        pause: 5 * HOUR,
        skew: 5 * MINUTE,
    };
    let (things, clicks) = generate(&plan);
    let limits = StateLimits {
        coarse_counts_per_user: 1 << 16,
        acted_items: 1 << 16,
        lasting_items: 1 << 16,
        ..StateLimits::default()
    };
    let mut trial = Trial::new(StreamConfig { limits, ..StreamConfig::default() }, things, 4);
    trial.run(&clicks, 80, 10);
    assert!(trial.fates["late"] > 0 && trial.fates["duplicate"] > 0, "{:?}", trial.fates);
    assert!(trial.engine.states.iter().any(|state| state.counters().clamped > 0));
    finish("generated", &trial);
}

#[test]
fn a_generated_stream_with_short_windows_and_few_exact_events_gives_the_answers_of_the_oracle() {
    let plan = Plan {
        seed: 2,
        clicks: 40_000,
        users: 60,
        pace: 200,
        late: 2 * SECOND,
        very_late: 2 * HOUR,
        pause: 10 * MINUTE,
        skew: 10 * SECOND,
    };
    let (things, clicks) = generate(&plan);
    let config = StreamConfig {
        interest_windows: vec![5 * SECOND, MINUTE, 7 * MINUTE, HOUR],
        popularity_windows: vec![3 * SECOND, MINUTE, 10 * MINUTE],
        recent_events_per_user: 6,
        max_out_of_orderness: 2 * SECOND,
        max_clock_skew: 10 * SECOND,
        dedup_horizon: 20 * SECOND,
        as_of_horizon: 15 * SECOND,
        limits: StateLimits {
            coarse_counts_per_user: 1 << 16,
            acted_items: 1 << 16,
            lasting_items: 1 << 16,
            ..StateLimits::default()
        },
        ..StreamConfig::default()
    };
    let mut trial = Trial::new(config, things, 3);
    trial.run(&clicks, 100, 10);
    assert!(trial.too_old > 0, "no question was too old: the past was not asked for hard enough");
    assert!(trial.engine.states.iter().any(|state| state.counters().users_expired > 0));
    finish("generated, short windows", &trial);
}

/// The folder of a real data set, if it is there.
fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var("HEADWATER_TEST_DATA").unwrap_or_else(|_| "../shared/data".into());
    let folder = Path::new(&root).join(name);
    if !folder.is_dir() {
        println!("{} is not there: only the generated streams were compared", folder.display());
        return None;
    }
    Some(folder)
}

fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = csv::Reader::from_reader(zstd::Decoder::new(file).expect("a zstd file"));
    reader.deserialize().map(|row| row.expect("a row with a value for each column")).collect()
}

fn real(name: &str, partitions: usize, stops: usize, users_a_stop: usize) {
    let Some(folder) = data(name) else { return };
    let config = StreamConfig::default();
    let thing = |row: HashMap<String, String>| Thing {
        id: row["item_id"].clone(),
        categories: row["categories"].split('|').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        created_at: row["created_at"].parse().ok(),
        expires_at: None,
        available: true,
    };
    let click = |row: HashMap<String, String>| Click {
        id: Some(row["event_id"].clone()),
        user: row["user_id"].clone(),
        item: row["item_id"].clone(),
        kind: config.event_types.get(&row["type"]).expect("a known event type").0,
        ts: row["ts"].parse().expect("a time in milliseconds"),
        logged: None,
        session: None,
        categories: Vec::new(),
    };
    let things = rows(&folder.join("items.csv.zst")).into_iter().map(thing).collect();
    let clicks: Vec<Click> = rows(&folder.join("events.csv.zst")).into_iter().map(click).collect();
    let mut trial = Trial::new(config, things, partitions);
    trial.run(&clicks, stops, users_a_stop);
    finish(name, &trial);
}

#[test]
fn the_news_clicks_give_the_answers_of_the_oracle() {
    real("news", 4, 40, 20);
}

#[test]
fn the_movie_ratings_give_the_answers_of_the_oracle() {
    real("movies", 3, 60, 15);
}

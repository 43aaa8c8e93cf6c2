//! A naive recommender to hold the engine against: a plain scan over a list of events.
//!
//! It is written from the documents alone and shares nothing with the engine: no types, no tables,
//! no tricks. Every question looks at every event again. Where the engine keeps counts, it filters;
//! where the engine keeps pools, it sorts.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::{BTreeMap, HashMap, HashSet};

/// What the stream is told to keep.
#[derive(Clone)]
pub struct Settings {
    /// How many of a user's newest events are exact, of those that are passive and of the others.
    pub keep: usize,
    /// The types that only say what a user was shown.
    pub passive: Vec<usize>,
    pub interest: Vec<i64>,
    pub popularity: Vec<i64>,
    pub out_of_order: i64,
    pub skew: i64,
    pub remember_ids: i64,
    /// How far behind the watermark can be asked.
    pub past: i64,
}

/// An event as it arrives.
#[derive(Clone, Debug)]
pub struct Fact {
    pub partition: usize,
    pub id: Option<String>,
    pub user: String,
    pub item: String,
    pub kind: usize,
    pub ts: i64,
    /// The log's own clock.
    pub logged: Option<i64>,
    /// Changes nothing that is asked here.
    pub session: Option<String>,
    pub categories: Vec<String>,
}

/// An item of the catalog.
#[derive(Clone, Debug)]
pub struct Thing {
    pub id: String,
    pub categories: Vec<String>,
    pub created_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub available: bool,
}

/// What a model says.
#[derive(Clone)]
pub struct Opinion {
    pub interest: f64,
    pub popularity: f64,
    pub recency: f64,
    pub kinds: Vec<f64>,
    pub interest_windows: Vec<f64>,
    pub evidence: f64,
    pub rarity: f64,
    pub dilution: f64,
    pub recent: Newest,
    pub popularity_windows: Vec<f64>,
    pub popularity_evidence: f64,
    pub half_life: i64,
}

/// What a user's newest events count besides, each the less the more have followed it.
#[derive(Clone, Copy)]
pub struct Newest {
    pub weight: f64,
    pub distance: f64,
    pub evidence: f64,
}

impl Opinion {
    /// Weights are counted in whole millionths.
    pub fn micro(&self, kind: usize) -> i64 {
        (self.kinds[kind] * 1e6).round() as i64
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Counted,
    Duplicate,
    Late,
}

/// A user's events on one category in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub by_kind: BTreeMap<usize, u64>,
    /// The sum of the weights, in millionths.
    pub weight: i64,
}

/// A user's events in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    pub events: u64,
    /// The sum of the absolute weights, in millionths.
    pub total: i64,
    pub categories: BTreeMap<String, Tally>,
}

impl Window {
    pub fn interest(&self, category: &str, evidence: f64) -> f64 {
        let weight = self.categories.get(category).map_or(0, |tally| tally.weight);
        weight as f64 / 1e6 / (self.total as f64 / 1e6 + evidence)
    }
}

/// A place in a ranking.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The place of the item in [`Oracle::things`].
    pub place: usize,
    pub score: f64,
    /// Interest, popularity, recency.
    pub features: [f64; 3],
}

/// What is the same for every user at an instant, by place of item.
pub struct Instant {
    pub t: i64,
    /// Positively weighted events, by popularity window.
    pub counts: Vec<Vec<u64>>,
    popularity: Vec<f64>,
    recency: Vec<f64>,
    pub live: Vec<bool>,
}

#[derive(Default)]
struct Partition {
    newest: Option<i64>,
    generation: i64,
    /// Each with its user.
    ids: HashSet<(String, String)>,
    older_ids: HashSet<(String, String)>,
}

impl Partition {
    fn turn_to(&mut self, generation: i64) {
        if generation > self.generation {
            let current = std::mem::take(&mut self.ids);
            self.older_ids = if generation == self.generation + 1 { current } else { HashSet::new() };
            self.generation = generation;
        }
    }
}

pub struct Oracle {
    settings: Settings,
    things: Vec<Thing>,
    by_id: HashMap<String, usize>,
    /// The categories of the catalog, and those of each item by their places.
    categories: Vec<String>,
    categories_of: Vec<Vec<usize>>,
    partitions: HashMap<usize, Partition>,
    counted: Vec<Fact>,
    by_user: HashMap<String, Vec<usize>>,
    /// What a user has seen is known from this one of the user's facts on.
    known_from: HashMap<String, usize>,
}

/// The largest pane of which a window holds at least twenty.
pub fn pane(window: i64) -> i64 {
    let (second, minute, hour) = (1000, 60_000, 3_600_000);
    let panes = [
        10,
        50,
        250,
        second,
        5 * second,
        15 * second,
        minute,
        5 * minute,
        15 * minute,
        hour,
        3 * hour,
        6 * hour,
        24 * hour,
    ];
    panes.into_iter().filter(|pane| pane * 20 <= window).max().unwrap_or(10)
}

fn in_window(ts: i64, window: i64, t: i64) -> bool {
    t - window < ts && ts <= t
}

fn in_window_by_pane(ts: i64, window: i64, t: i64) -> bool {
    let pane = pane(window);
    ts <= t && ts.div_euclid(pane) * pane + pane + window > t
}

impl Oracle {
    pub fn new(settings: Settings, things: Vec<Thing>) -> Self {
        let by_id = things.iter().enumerate().map(|(place, thing)| (thing.id.clone(), place)).collect();
        let mut categories: Vec<String> = things.iter().flat_map(|thing| thing.categories.clone()).collect();
        categories.sort();
        categories.dedup();
        let place = |name: &String| categories.binary_search(name).unwrap();
        let categories_of = things.iter().map(|thing| thing.categories.iter().map(place).collect()).collect();
        Self {
            settings,
            things,
            by_id,
            categories,
            categories_of,
            partitions: HashMap::new(),
            counted: Vec::new(),
            by_user: HashMap::new(),
            known_from: HashMap::new(),
        }
    }

    /// Takes the next event of the log in.
    pub fn feed(&mut self, fact: Fact) -> Fate {
        self.take(fact, true)
    }

    /// Takes one in for whose item there is no room: it would count, but only its id is remembered, and time goes on.
    pub fn feed_in_vain(&mut self, fact: Fact) -> Fate {
        self.take(fact, false)
    }

    fn take(&mut self, mut fact: Fact, has_room: bool) -> Fate {
        let settings = &self.settings;
        let partition = self.partitions.entry(fact.partition).or_default();
        if let Some(logged) = fact.logged
            && fact.ts > logged
        {
            fact.ts = logged;
        }
        let lateness = *settings.interest.iter().chain(&settings.popularity).max().unwrap();
        if let Some(newest) = partition.newest
            && fact.ts < newest - settings.out_of_order - lateness
        {
            return Fate::Late;
        }
        // An id is forgotten by the watermark as it is with the event, not as it was before it.
        let watermark =
            partition.newest.map_or(fact.ts, |newest| newest.max(fact.ts)) - settings.out_of_order;
        if let Some(id) = &fact.id {
            let id = (fact.user.clone(), id.clone());
            if partition.ids.contains(&id) || partition.older_ids.contains(&id) {
                return Fate::Duplicate;
            }
            partition.turn_to(watermark.div_euclid(settings.remember_ids));
            partition.ids.insert(id);
        }
        partition.turn_to(watermark.div_euclid(settings.remember_ids));
        // Who has done nothing that any window could still be asked about is new when the next event comes.
        let longest = *settings.interest.iter().max().unwrap();
        let finest = settings.popularity.iter().map(|window| pane(*window)).min().unwrap();
        let floor = partition.newest.map(|newest| newest - settings.out_of_order - settings.past);
        let floor = floor.map_or(0, |floor| floor.div_euclid(finest) * finest);
        partition.newest = Some(partition.newest.map_or(fact.ts, |newest| newest.max(fact.ts)));
        if !has_room {
            return Fate::Counted;
        }
        let facts = self.by_user.get(&fact.user).map_or(&[][..], Vec::as_slice);
        let from = self.known_from.get(&fact.user).copied().unwrap_or(0);
        let newest = facts[from..].iter().map(|place| self.counted[*place].ts).max();
        if newest.is_some_and(|newest| newest + longest + pane(longest) <= floor) {
            self.known_from.insert(fact.user.clone(), facts.len());
        }
        self.by_user.entry(fact.user.clone()).or_default().push(self.counted.len());
        self.counted.push(fact);
        Fate::Counted
    }

    /// The greatest event time of all partitions.
    pub fn newest(&self) -> i64 {
        self.partitions.values().filter_map(|partition| partition.newest).max().unwrap_or(0)
    }

    /// How many of a user's events are later than `t`: of those that are passive or of the others, whichever are
    /// more.
    pub fn later(&self, user: &str, t: i64) -> usize {
        let of = |passive| {
            let facts =
                self.facts_of(user).filter(|fact| self.settings.passive.contains(&fact.kind) == passive);
            facts.filter(|fact| fact.ts > t).count()
        };
        of(true).max(of(false))
    }

    fn facts_of(&self, user: &str) -> impl Iterator<Item = &Fact> {
        self.by_user.get(user).into_iter().flatten().map(|place| &self.counted[*place])
    }

    fn categories_of<'a>(&'a self, fact: &'a Fact) -> Vec<&'a str> {
        let known = self.by_id.get(&fact.item).map(|place| &self.things[*place].categories);
        let all = known.filter(|categories| !categories.is_empty()).unwrap_or(&fact.categories);
        let mut kept: Vec<&str> = Vec::new();
        for category in all {
            if !kept.contains(&category.as_str()) {
                kept.push(category);
            }
        }
        kept
    }

    /// A user's events up to `t` that some window can still cover, newest first, and whether each is
    /// exact: the newest K that are passive and the newest K that are not, and all of the same instant
    /// as the oldest of these. Of events that are older than the longest window and its pane nothing is
    /// left.
    fn known(&self, user: &str, t: i64) -> Vec<(&Fact, bool)> {
        let longest = *self.settings.interest.iter().max().unwrap();
        let mut facts: Vec<&Fact> = self.facts_of(user).filter(|fact| fact.ts <= t).collect();
        facts.sort_by_key(|fact| std::cmp::Reverse(fact.ts));
        let is_passive = |fact: &Fact| self.settings.passive.contains(&fact.kind);
        let oldest_exact = [false, true].map(|passive| {
            let mut alike = facts.iter().filter(|fact| is_passive(fact) == passive);
            alike.nth(self.settings.keep - 1).map_or(i64::MIN, |fact| fact.ts)
        });
        let alive = facts.into_iter().filter(|fact| fact.ts + longest + pane(longest) > t);
        alive.map(|fact| (fact, fact.ts >= oldest_exact[usize::from(is_passive(fact))])).collect()
    }

    /// The user's windows at `t`, shortest first.
    pub fn profile(&self, user: &str, t: i64, opinion: &Opinion) -> Vec<Window> {
        let known = self.known(user, t);
        let mut windows = Vec::new();
        for length in &self.settings.interest {
            let mut window = Window::default();
            for (fact, exact) in &known {
                let inside = if *exact {
                    in_window(fact.ts, *length, t)
                } else {
                    in_window_by_pane(fact.ts, *length, t)
                };
                if !inside {
                    continue;
                }
                let weight = opinion.micro(fact.kind);
                window.events += 1;
                window.total += weight.abs();
                for category in self.categories_of(fact) {
                    let tally = window.categories.entry(category.to_owned()).or_default();
                    *tally.by_kind.entry(fact.kind).or_default() += 1;
                    tally.weight += weight;
                }
            }
            windows.push(window);
        }
        windows
    }

    /// What the user's newest events weigh by category, and all of them without their signs, in millionths. An event is
    /// so far from the end as there are newer ones that weigh something.
    fn newest_weights(&self, user: &str, t: i64, opinion: &Opinion) -> (BTreeMap<String, i64>, i64) {
        let longest = *self.settings.interest.iter().max().unwrap();
        let known = self.known(user, t);
        let weighing: Vec<&Fact> = known
            .iter()
            .filter(|(fact, exact)| *exact && in_window(fact.ts, longest, t) && opinion.micro(fact.kind) != 0)
            .map(|(fact, _)| *fact)
            .collect();
        let (mut by_category, mut total) = (BTreeMap::new(), 0);
        for fact in &weighing {
            let newer = weighing.iter().filter(|other| other.ts > fact.ts).count();
            let counts_for = (-(newer as f64) / opinion.recent.distance).exp();
            if counts_for < 0.001 {
                continue;
            }
            let weight = (opinion.micro(fact.kind) as f64 * counts_for).round() as i64;
            total += weight.abs();
            for category in self.categories_of(fact) {
                *by_category.entry(category.to_owned()).or_default() += weight;
            }
        }
        (by_category, total)
    }

    /// The user's newest event at `t`.
    pub fn newest_of(&self, user: &str, t: i64) -> Option<i64> {
        self.known(user, t).first().map(|(fact, _)| fact.ts)
    }

    /// The items that the user has acted on by a type that weighs something, however long ago; none once no window
    /// covers anything of the user.
    pub fn seen(&self, user: &str, t: i64, opinion: &Opinion) -> HashSet<String> {
        if self.known(user, t).is_empty() {
            return HashSet::new();
        }
        let from = self.known_from.get(user).copied().unwrap_or(0);
        let acted =
            self.facts_of(user).skip(from).filter(|fact| fact.ts <= t && opinion.kinds[fact.kind] != 0.0);
        acted.map(|fact| fact.item.clone()).collect()
    }

    /// What is the same for every user at `t`.
    pub fn instant(&self, t: i64, opinion: &Opinion) -> Instant {
        let counts = self.counts(t, opinion);
        let most: Vec<u64> = (0..self.settings.popularity.len())
            .map(|window| counts.iter().map(|counts| counts[window]).max().unwrap_or(0))
            .collect();
        let popularity = counts.iter().map(|counts| {
            let (mut sum, mut passed_on) = (0.0, 0.0);
            for (window, weight) in opinion.popularity_windows.iter().enumerate() {
                let (count, most) = (counts[window] as f64, most[window] as f64);
                // What a window in which little has happened cannot say is for the next one that has a weight.
                if *weight > 0.0 && most + opinion.popularity_evidence > 0.0 {
                    let said = (weight + passed_on) * most / (most + opinion.popularity_evidence);
                    passed_on += weight - said;
                    if count > 0.0 {
                        sum += said * (1.0 + count).ln() / (1.0 + most).ln();
                    }
                }
            }
            sum
        });
        let age = |created_at: i64| (t - created_at).max(0) as f64;
        let recency = |thing: &Thing| {
            thing.created_at.map_or(0.0, |created_at| 2_f64.powf(-age(created_at) / opinion.half_life as f64))
        };
        let live = |thing: &Thing| {
            thing.available
                && thing.created_at.is_none_or(|created_at| created_at <= t)
                && thing.expires_at.is_none_or(|expires_at| expires_at > t)
        };
        Instant {
            t,
            popularity: popularity.collect(),
            counts,
            recency: self.things.iter().map(recency).collect(),
            live: self.things.iter().map(live).collect(),
        }
    }

    /// Positively weighted events by item of the catalog and window.
    fn counts(&self, t: i64, opinion: &Opinion) -> Vec<Vec<u64>> {
        let mut counts = vec![vec![0; self.settings.popularity.len()]; self.things.len()];
        let longest = self.settings.popularity.iter().max().unwrap();
        for fact in &self.counted {
            if opinion.kinds[fact.kind] <= 0.0 || !in_window_by_pane(fact.ts, *longest, t) {
                continue;
            }
            let Some(place) = self.by_id.get(&fact.item) else { continue };
            for (window, length) in self.settings.popularity.iter().enumerate() {
                counts[*place][window] += u64::from(in_window_by_pane(fact.ts, *length, t));
            }
        }
        counts
    }

    /// The place of an item in [`Self::things`].
    pub fn place(&self, id: &str) -> usize {
        self.by_id[id]
    }

    /// The catalog.
    pub fn things(&self) -> &[Thing] {
        &self.things
    }

    /// Every item that may be recommended to the user at an instant, best first.
    pub fn ranking(&self, user: &str, instant: &Instant, opinion: &Opinion) -> Vec<Scored> {
        let seen = self.seen(user, instant.t, opinion);
        let mut interests = vec![0.0; self.categories.len()];
        for (window, weight) in self.profile(user, instant.t, opinion).iter().zip(&opinion.interest_windows) {
            for category in window.categories.keys() {
                if let Ok(place) = self.categories.binary_search(category) {
                    interests[place] += weight * window.interest(category, opinion.evidence);
                }
            }
        }
        let (newest, total) = self.newest_weights(user, instant.t, opinion);
        for (category, weight) in newest {
            if let Ok(place) = self.categories.binary_search(&category) {
                let share = weight as f64 / 1e6 / (total as f64 / 1e6 + opinion.recent.evidence);
                interests[place] += opinion.recent.weight * share;
            }
        }
        for (place, interest) in interests.iter_mut().enumerate() {
            let items = self.categories_of.iter().filter(|of| of.contains(&place)).count() as f64;
            *interest *= 1.0 - opinion.rarity * (1.0 + items).ln() / (1.0 + self.things.len() as f64).ln();
        }
        let mut ranking = Vec::new();
        for (place, thing) in self.things.iter().enumerate() {
            if !instant.live[place] || seen.contains(&thing.id) {
                continue;
            }
            let categories = &self.categories_of[place];
            let sum: f64 = categories.iter().map(|category| interests[*category]).sum();
            let interest = sum / (categories.len().max(1) as f64).powf(opinion.dilution);
            let (popularity, recency) = (instant.popularity[place], instant.recency[place]);
            let score =
                opinion.interest * interest + opinion.popularity * popularity + opinion.recency * recency;
            ranking.push(Scored { place, score, features: [interest, popularity, recency] });
        }
        let id = |scored: &Scored| &self.things[scored.place].id;
        ranking.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| id(a).cmp(id(b))));
        ranking
    }
}

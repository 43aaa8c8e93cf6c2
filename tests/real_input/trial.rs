//! Two services and an oracle that take in the same events and are asked the same questions.

use std::collections::HashMap;
use std::time::Instant;

use headwater::log::partition_of;
use headwater::proto;

use super::compare::{EVENT_TYPES, Questioned, compare, compare_trending};
use super::data::DataSet;
use super::feed::Feed;
use super::oracle::{Fact, Fate, Newest, Opinion, Oracle, Settings};
use super::sandbox::kafka::Broker;
use super::sandbox::messages::millis;
use super::sandbox::service::{Home, Service};

const PARTITIONS: u32 = 4;
/// Questions about a user and an instant, at the least.
const QUESTIONS: usize = 2000;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The shape of the shipped models, with a weight for every window and room for every item to be a
/// candidate.
const MODEL: &str = r#"
weights = { interest = 0.6, popularity = 0.3, recency = 0.1 }
event_weights = { view = 0.5, click = 1.0, add_to_cart = 2.0, purchase = 3.0, like = 2.0, dislike = -2.0, hide = -3.0 }
interest = { evidence = 1.0, windows = { "1h" = 0.4, "24h" = 0.3, "7d" = 0.2, "30d" = 0.1 } }
popularity.windows = { "5m" = 0.1, "15m" = 0.1, "1h" = 0.3, "6h" = 0.2, "24h" = 0.2, "7d" = 0.1 }
recency.half_life = "3d"
trending = { short = "1h", long = "24h", evidence = 1.0 }
candidates = { categories = 8, per_category = 1000000, popular = 1000000, trending = 1000, fresh = 1000 }
"#;

/// What the documents say that the default configuration and the model above are.
fn told() -> (Settings, Opinion) {
    let settings = Settings {
        keep: 64,
        passive: vec![7],
        interest: vec![HOUR, 24 * HOUR, 7 * DAY, 30 * DAY],
        popularity: vec![5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR, 7 * DAY],
        out_of_order: 30 * SECOND,
        skew: 5 * MINUTE,
        remember_ids: HOUR,
        past: HOUR / 4,
    };
    let opinion = Opinion {
        interest: 0.6,
        popularity: 0.3,
        recency: 0.1,
        kinds: vec![0.5, 1.0, 2.0, 3.0, 2.0, -2.0, -3.0, 0.0],
        interest_windows: vec![0.4, 0.3, 0.2, 0.1],
        evidence: 1.0,
        rarity: 0.0,
        dilution: 1.0,
        recent: Newest { weight: 0.0, distance: 4.0, evidence: 3.0 },
        popularity_windows: vec![0.1, 0.1, 0.3, 0.2, 0.2, 0.1],
        popularity_evidence: 0.0,
        half_life: 3 * DAY,
    };
    (settings, opinion)
}

/// A stream of numbers that is the same on every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as i64
    }
}

pub struct Trial {
    name: &'static str,
    data: DataSet,
    /// On Kafka and on the journal.
    services: Vec<(&'static str, Service, Feed)>,
    oracle: Oracle,
    opinion: Opinion,
    dice: Dice,
    asked: usize,
    too_old: usize,
    fates: HashMap<&'static str, u64>,
    // Their folders.
    _homes: [Home; 2],
    started: Instant,
}

impl Trial {
    /// Starts the services and gives them the catalog.
    pub async fn start(name: &'static str, data: DataSet) -> Self {
        let started = Instant::now();
        let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
        let options = |home: Home| {
            home.write_model("default", MODEL);
            let partitions = PARTITIONS.to_string();
            // The oracle forgets nothing.
            home.set("limits.coarse_counts_per_user", "65536")
                .set("limits.acted_items", "65536")
                .set("limits.lasting_items", "65536")
                .set("kafka.partitions", partitions.as_str())
                .set("journal.partitions", partitions)
        };
        let homes = [options(Home::on_kafka(broker)), options(Home::on_journal())];
        let on_kafka = homes[0].start().await;
        let on_journal = homes[1].start().await;
        let feeds = [Feed::kafka(broker, &homes[0]), Feed::rpc(&on_journal)];
        let [kafka, journal] = feeds;
        let services = vec![("kafka", on_kafka, kafka), ("journal", on_journal, journal)];
        for (_, service, feed) in &services {
            feed.items(&data.things).await;
            service.until_items(data.things.len() as u64).await;
        }
        let (settings, opinion) = told();
        let oracle = Oracle::new(settings, data.things.clone());
        let fates = HashMap::new();
        let dice = Dice(7);
        Self {
            name,
            data,
            services,
            oracle,
            opinion,
            dice,
            asked: 0,
            too_old: 0,
            fates,
            _homes: homes,
            started,
        }
    }

    /// Feeds the events in order and stops so often to ask about so many users at three instants.
    pub async fn run(&mut self, stops: usize, users_a_stop: usize) {
        let events = std::mem::take(&mut self.data.events);
        let mut fed = 0;
        for chunk in events.chunks(events.len().div_ceil(stops)) {
            fed += chunk.len();
            for (_, _, feed) in &self.services {
                feed.events(chunk).await;
            }
            chunk.iter().for_each(|event| self.tell_oracle(event));
            for (_, service, _) in &self.services {
                service.until_events(fed as u64).await;
            }
            for t in self.instants() {
                self.ask(t, &events, &events[fed - chunk.len()..fed], users_a_stop).await;
            }
        }
        assert!(self.asked >= QUESTIONS, "only {} questions", self.asked);
    }

    /// How many events met a fate.
    pub fn fates(&self, name: &str) -> u64 {
        self.fates.get(name).copied().unwrap_or(0)
    }

    /// Compares what became of the events, and stops.
    pub async fn finish(self) {
        for (log, service, _) in &self.services {
            let metrics = service.metrics().await;
            for (outcome, count) in &self.fates {
                let found = metrics.with("headwater_events_total", &format!("outcome=\"{outcome}\""));
                assert_eq!(found, *count, "{outcome} events of {} on {log}", self.name);
            }
            assert_eq!(metrics.sum("headwater_dead_letters_total"), 0, "{} on {log}", self.name);
        }
        for (_, service, _) in self.services {
            service.stop().await;
        }
        println!(
            "{}: {} questions equal on both logs, {} refused as too old, events {:?}, {:.0?}",
            self.name,
            self.asked,
            self.too_old,
            self.fates,
            self.started.elapsed()
        );
    }

    fn tell_oracle(&mut self, event: &proto::Event) {
        let kind = EVENT_TYPES.iter().position(|name| *name == event.r#type).expect("a known type");
        let fate = self.oracle.feed(Fact {
            partition: partition_of(event.user_id.as_bytes(), PARTITIONS).index(),
            id: Some(event.event_id.clone()),
            user: event.user_id.clone(),
            item: event.item_id.clone(),
            kind,
            ts: millis(event.ts).expect("a time"),
            // All of them happened long before the log wrote them down.
            logged: None,
            session: None,
            categories: Vec::new(),
        });
        let fate = match fate {
            Fate::Counted => "applied",
            Fate::Duplicate => "duplicate",
            Fate::Late => "late",
        };
        *self.fates.entry(fate).or_default() += 1;
    }

    /// Now, a bit later, and a bit earlier: as far back as every state is told to reach.
    fn instants(&mut self) -> [i64; 3] {
        let newest = self.oracle.newest();
        [newest, newest + self.dice.below(2 * HOUR), newest - self.dice.below(15 * MINUTE + 30 * SECOND)]
    }

    async fn ask(&mut self, t: i64, all: &[proto::Event], recent: &[proto::Event], users: usize) {
        let instant = self.oracle.instant(t, &self.opinion);
        for (log, service, _) in &self.services {
            let place = format!("{} on {log} at {t}", self.name);
            compare_trending(&place, service, &instant, &self.oracle).await;
        }
        for _ in 0..users {
            let user = match self.dice.below(10) {
                0 => "a stranger".to_owned(),
                1 | 2 => all[self.dice.below(all.len() as i64) as usize].user_id.clone(),
                _ => recent[self.dice.below(recent.len() as i64) as usize].user_id.clone(),
            };
            let ranking = self.oracle.ranking(&user, &instant, &self.opinion);
            let things = self.oracle.things().len();
            let item = match ranking.get(self.dice.below(200) as usize) {
                Some(scored) if self.dice.below(2) == 0 => scored.place,
                _ => self.dice.below(things as i64) as usize,
            };
            let windows = self.oracle.profile(&user, t, &self.opinion);
            let mut answered = 0;
            for (log, service, _) in &self.services {
                let question = Questioned {
                    place: format!("{} on {log}, {user} at {t}", self.name),
                    user: &user,
                    instant: &instant,
                    item,
                    windows: &windows,
                    ranking: &ranking,
                };
                let equal = compare(&question, service, &self.oracle, &self.opinion).await;
                answered += usize::from(equal);
            }
            match answered {
                0 => self.too_old += 1,
                2 => self.asked += 1,
                _ => panic!("{} {user} at {t}: one log answers and the other does not", self.name),
            }
        }
    }
}

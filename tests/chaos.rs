//! Plugs pulled at random: the real process is killed with `kill -9` while a producer sends and
//! retries, while snapshots are written and while it recovers. In the end every event counts once.
//!
//! `tests/chaos --kills 1000` runs the long form. A failure names its seed.

mod sandbox;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use headwater::proto;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sandbox::kafka::Broker;
use sandbox::messages::{event, item, profile};
use sandbox::service::{Clients, Home, Process, until};

const USERS: u32 = 40;
const CATEGORIES: u32 = 5;
const BATCH: usize = 25;

/// Ten kills for each log, so twenty in all.
const KILLS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn kills_on_the_journal_lose_nothing_and_count_nothing_twice() {
    pull_plugs(Home::on_journal().set("journal.partitions", "3")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_on_kafka_lose_nothing_and_count_nothing_twice() {
    pull_plugs(Home::on_kafka(Broker::shared()).set("kafka.partitions", "3")).await;
}

async fn pull_plugs(home: Home) {
    let seed = number("HEADWATER_CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let kills = number("HEADWATER_CHAOS_KILLS").map_or(KILLS, |kills| kills as u32);
    println!("seed {seed}: HEADWATER_CHAOS_SEED={seed} makes the same choices again");
    let mut random = SmallRng::seed_from_u64(seed);
    // So short that many kills hit a snapshot that is being written.
    let home = home.set("snapshot.interval", "100ms");
    let mut producer = Producer::new(seed);

    for kill in 0..kills {
        if random.random_bool(0.2) {
            kill_while_it_starts(&home, Duration::from_millis(random.random_range(0..150))).await;
        }
        let process = home.spawn().await;
        let moment = tokio::time::sleep(Duration::from_millis(random.random_range(20..500)));
        tokio::select! {
            () = producer.send_until_it_fails(&process, &mut random) => panic!("seed {seed}: the service failed"),
            () = moment => {}
        }
        process.signal("KILL");
        println!("kill {kill}: {} events acknowledged", producer.acknowledged);
    }

    let process = home.spawn().await;
    producer.send_what_is_open(&process).await;
    for user in 0..USERS {
        let user = format!("u{user}");
        let expected = producer.expected(&user);
        // What was acknowledged is in the log: it is applied sooner or later, and never more of it.
        let what = format!("seed {seed}: the events of {user}");
        let counted = until(&what, async || {
            let counted = counts(&process, &user, producer.now).await;
            let (counted_all, expected_all): (u64, u64) = (counted.values().sum(), expected.values().sum());
            (counted_all >= expected_all).then_some(counted)
        })
        .await;
        assert_eq!(counted, expected, "seed {seed}: events of {user} by category and type");
    }
    println!("bar chaos.kills {kills} kills");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text}, expected a number")))
}

async fn kill_while_it_starts(home: &Home, after: Duration) {
    let mut command = home.serve();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it runs");
    tokio::time::sleep(after).await;
    child.kill().expect("it can be killed");
    child.wait().expect("its status");
}

/// A user's events in the longest window by category and type.
async fn counts(process: &Process, user: &str, now: i64) -> BTreeMap<(String, String), u64> {
    let answer =
        process.profiles().get_profile(profile(user, Some(now))).await.expect("a profile").into_inner();
    let longest = answer.windows.into_iter().next_back().expect("a window");
    let by_type = longest.categories.into_iter().flat_map(|category| {
        let name = category.category;
        category.events_by_type.into_iter().map(move |(kind, count)| ((name.clone(), kind), count))
    });
    by_type.collect()
}

/// Sends events with ids, again and again until they are acknowledged, and keeps count.
struct Producer {
    seed: u64,
    now: i64,
    next: u64,
    items_sent: bool,
    open: Vec<proto::Event>,
    acknowledged: u64,
    counts: BTreeMap<String, BTreeMap<(String, String), u64>>,
}

impl Producer {
    fn new(seed: u64) -> Self {
        let now = headwater::clock::wall_clock();
        Self {
            seed,
            now,
            next: 0,
            items_sent: false,
            open: Vec::new(),
            acknowledged: 0,
            counts: BTreeMap::new(),
        }
    }

    /// Never returns as long as the service answers; one that was killed is waited out.
    async fn send_until_it_fails(&mut self, service: &Clients, random: &mut SmallRng) {
        loop {
            self.send_what_is_open(service).await;
            self.open = (0..BATCH).map(|_| self.make(random)).collect();
        }
    }

    async fn send_what_is_open(&mut self, service: &Clients) {
        if !self.items_sent {
            let items = (0..CATEGORIES).map(|place| item(&format!("i{place}"), &[&format!("c{place}")]));
            let request = proto::PutItemsRequest { items: items.collect() };
            self.items_sent = acknowledged(service.catalog().put_items(request).await).await.is_some();
        }
        if self.open.is_empty() || !self.items_sent {
            return;
        }
        let request = proto::PublishRequest { events: self.open.clone() };
        let Some(answer) = acknowledged(service.events().publish(request).await).await else { return };
        assert_eq!(answer.rejected, [], "seed {}", self.seed);
        for event in std::mem::take(&mut self.open) {
            let category = event.item_id.replace('i', "c");
            let counts = self.counts.entry(event.user_id).or_default();
            *counts.entry((category, event.r#type)).or_default() += 1;
            self.acknowledged += 1;
        }
    }

    fn make(&mut self, random: &mut SmallRng) -> proto::Event {
        self.next += 1;
        let kind = ["view", "click", "purchase"][random.random_range(0..3)];
        let ts = self.now - random.random_range(0..60_000);
        let (user, place) = (random.random_range(0..USERS), random.random_range(0..CATEGORIES));
        let event_id = format!("{}-{}", self.seed, self.next);
        proto::Event { event_id, ..event(&format!("u{user}"), &format!("i{place}"), kind, ts) }
    }

    fn expected(&self, user: &str) -> BTreeMap<(String, String), u64> {
        self.counts.get(user).cloned().unwrap_or_default()
    }
}

/// The answer of a service that lives. One that was killed meanwhile answers with an error, after
/// which the kill is about to be noticed.
async fn acknowledged<T>(answer: Result<tonic::Response<T>, tonic::Status>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer.into_inner()),
        Err(_) => std::future::pending().await,
    }
}

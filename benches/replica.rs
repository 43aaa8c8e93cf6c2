//! What a restart of a replica is to those who ask: two real processes on one real Kafka, each with all
//! partitions, a million generated users with twelve events each, and a balancer that sends requests only to
//! who is ready.
//!
//! Lists of known users as of one instant are asked for before, and then again and again while one of the replicas is
//! stopped with SIGTERM and started again: `replica.differing` is how many of the answers are not what they
//! were, `replica.failed` how many requests had none. Events go on coming in, all of them later than that
//! instant: they must change nothing, and the replica has to catch up with them.
//!
//! `cargo bench --bench replica -- --users 20000` is the same with fewer users.

#[path = "replica/balancer.rs"]
mod balancer;
mod common;
#[path = "common/history.rs"]
mod history;
#[path = "replica/load.rs"]
mod load;
#[path = "../tests/sandbox/mod.rs"]
mod sandbox;

use std::sync::Arc;
use std::time::{Duration, Instant};

use balancer::Balancer;
use common::{bar, percentile};
use headwater::clock::wall_clock;
use headwater::engine::events::event::Timestamp;
use headwater::generate::{GenerateSettings, Generator};
use load::{Load, Question, REQUESTS_A_SECOND, Tally};
use sandbox::kafka::Broker;
use sandbox::service::{Clients, Home, Process};

const USERS: u32 = 1_000_000;
const EVENTS_A_USER: u32 = 12;
const ITEMS: u32 = 2_000;
/// How many users are asked about.
const ASKED: u32 = 10_000;
/// How long requests go on before the stop, and after the replica is ready again.
const BEFORE: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
/// How long reading the whole history may take.
const PATIENCE: Duration = Duration::from_secs(900);

fn main() {
    let users = users();
    let broker = Broker::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(restart(&broker, users));
}

/// How many users: `--users N`, or all.
fn users() -> u32 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--users").skip(1);
    arguments.next().map_or(USERS, |number| number.parse().expect("--users takes a number"))
}

async fn restart(broker: &Broker, users: u32) {
    let started = Instant::now();
    let home = Home::on_kafka(broker);
    let topics = home.topics();
    // As it comes, but for ports and folders.
    let as_it_comes = |home: Home| home.set("server.shutdown_delay", "3s").set("ingest.max_lag", "1000");
    let other = Home::on_kafka(broker)
        .set("kafka.clicks_topic", &topics.clicks)
        .set("kafka.items_topic", &topics.items);
    let homes = [home, other].map(as_it_comes);
    let log = homes[0].log();
    let settings = GenerateSettings {
        users,
        items: ITEMS,
        events_per_user: Some(EVENTS_A_USER),
        ..GenerateSettings::default()
    };
    // A week up to now.
    let start = Timestamp(wall_clock() - settings.span_ms);
    let generator = Generator::new(GenerateSettings { start, ..settings }).expect("settings in their ranges");
    let events = history::append(&*log, &generator).await;
    println!("replica: {events} events on the log after {:.0} s", started.elapsed().as_secs_f64());
    let [mut stopped, staying] = [homes[0].spawn_unready().await, homes[1].spawn_unready().await];
    for process in [&stopped, &staying] {
        until_read(process, events, users).await;
    }
    println!("         applied by both after {:.0} s", started.elapsed().as_secs_f64());

    let as_of = Timestamp(wall_clock());
    let questions = ask(&stopped, users, as_of).await;
    let mut differing = 0;
    for question in &*questions {
        differing += usize::from(question.differs(&staying).await.expect("an answer").is_some());
    }
    println!("         {} lists, of which the replicas disagree on {differing}", questions.len());

    let balancer = Balancer::start([stopped.clients.clone(), staying.clients.clone()]);
    until("both to be ready", || balancer.sends_to(0) && balancer.sends_to(1)).await;
    let items = generator.items().iter().map(|item| item.item_id.to_string()).collect();
    let events = load::events(log, users, items);
    let load = Load::start(Arc::clone(&balancer), questions);
    tokio::time::sleep(BEFORE).await;
    let before = load.so_far();

    let stopping = Instant::now();
    let status = stopped.terminate().await;
    assert!(status.success(), "it stops well, not with {status}");
    println!("         stopped within {:.1} s of SIGTERM", stopping.elapsed().as_secs_f64());
    let starting = Instant::now();
    stopped = homes[0].spawn_unready().await;
    balancer.moved(0, stopped.clients.clone());
    until("the replica to be ready", || balancer.sends_to(0)).await;
    println!("         ready {:.2} s after its start", starting.elapsed().as_secs_f64());
    let meanwhile = load.so_far();
    tokio::time::sleep(AFTER).await;
    let after = load.stop().await;
    events.abort();

    let replayed = stopped.metrics().await.sum("headwater_events_total");
    println!("         {replayed} events were read from the log since its start");
    assert!(after.answered[0] > 0, "the replica is asked again");
    let mut failed = 0;
    for (name, mut tally) in [("before", before), ("meanwhile", meanwhile), ("after", after)] {
        tell(name, &mut tally);
        differing += tally.differing;
        failed += tally.failed;
    }
    bar("replica.differing", differing as f64, "answers");
    bar("replica.failed", failed as f64, "requests");
    for process in [stopped, staying] {
        assert!(process.terminate().await.success(), "it stops well");
    }
}

/// Waits until all of the history is in state.
async fn until_read(process: &Process, events: usize, users: u32) {
    let deadline = Instant::now() + PATIENCE;
    while (process.metrics().await.sum("headwater_events_total") as usize) < events {
        assert!(Instant::now() < deadline, "the history was not read within {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(process.metrics().await.sum("headwater_users"), u64::from(users));
}

/// What a replica says of users here and there among all.
async fn ask(clients: &Clients, users: u32, as_of: Timestamp) -> Arc<Vec<Question>> {
    let mut questions = Vec::new();
    for number in 0..ASKED.min(users) {
        questions.push(Question::ask(clients, load::user(number, users), as_of).await);
    }
    Arc::new(questions)
}

async fn until(what: &str, look: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(LOOK).await;
    }
}

fn tell(name: &str, tally: &mut Tally) {
    let [stopped, staying] = tally.answered;
    println!(
        "         {name}: answered by the one that is restarted {stopped}, by the other {staying}; p99 {:.0} us, longest \
         {:.0} us, at {REQUESTS_A_SECOND} requests/s; {} differ, {} failed",
        percentile(&mut tally.latencies, 0.99),
        percentile(&mut tally.latencies, 1.0),
        tally.differing,
        tally.failed
    );
    for wrong in &tally.wrong {
        println!("         {wrong}");
    }
}

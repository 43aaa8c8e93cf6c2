//! A simulation of all that can go wrong between a log and a disk, from a seed: one thing at a
//! time, no clock, and the very code that ships. A producer sends; records come late, twice and torn off;
//! the log and the disk fail; the plug is pulled at any operation, and what was not on disk is lost.
//! In the end nothing may be lost and nothing counted twice.
//!
//! The log is a broker elsewhere, or the embedded journal with a disk of its own.
//!
//! `tests/simulate` runs the long form. A failure names its seed and how to run it again.

#![expect(clippy::print_stdout, reason = "its bars and what it found are for those who run it")]

mod broker;
mod check;
mod disk;
mod faults;
mod journal;
mod log;
#[path = "../../tests/oracle/mod.rs"]
mod oracle;
mod process;
mod producer;
mod tables;
mod time;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::bugs::{Bug, plant};
use crate::config::Config;
use crate::engine::rank::models::ModelSet;
use crate::log::Topic;
use crate::models::parse_model;
use crate::snapshot::synced;
use broker::SimBroker;
use disk::SimDisk;
use faults::FaultInjector;
use journal::{DELETION_MS, SimJournal};
use log::SimLog;
use process::{Ended, Process, World};
use producer::Producer;
use time::Time;

const SEEDS: u64 = 2000;
const PARTITIONS: u32 = 3;
/// Lives before the last one, at most.
const LIVES: u64 = 7;
const STEPS: u64 = 120;
/// How often an operation fails, by process.
const FLICKER: [f64; 3] = [0.0, 0.01, 0.05];

const MODEL: &str = r#"
[weights]
interest = 0.6
popularity = 0.3
recency = 0.1

[event_weights]
view = 1.0
click = 2.0

[interest]
windows = { "30s" = 0.5, "2m" = 0.5 }

[popularity]
windows = { "10s" = 0.5, "30s" = 0.5 }

[trending]
short = "10s"
long = "30s"
"#;

fn config() -> Config {
    let set = [
        "stream.event_types=[\"view\", \"click\"]",
        "stream.interest_windows=[\"30s\", \"2m\"]",
        "stream.popularity_windows=[\"10s\", \"30s\"]",
        "stream.recent_events_per_user=2",
        "stream.max_out_of_orderness=5s",
        "stream.max_clock_skew=1m",
        "stream.dedup_horizon=1m",
        "stream.as_of_horizon=10s",
        // So few that items are given back, and that now and then there is no room.
        "limits.items=6",
        "snapshot.interval=2s",
    ];
    let config = Config::load(None, &BTreeMap::new(), &set.map(str::to_owned));
    let mut config = config.expect("a valid configuration");
    // Fewer than anybody may ask for: else what people have acted on fills all of it.
    config.stream.limits.acted_items = 2;
    // So few that the newest push out others, of the same item and of others.
    (config.stream.limits.postings_per_item, config.stream.limits.postings) = (2, 8);
    config
}

fn models(config: &Config) -> Arc<ModelSet> {
    let model = parse_model("default", Path::new("default.toml"), MODEL, &config.stream);
    let model = Arc::new(model.expect("a model"));
    Arc::new(ModelSet::new(BTreeMap::from([("default".to_owned(), model)]), "default").expect("a default"))
}

/// Which log a world has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Broker,
    Journal,
}

/// What a seed is run with.
struct Scenario {
    config: Config,
    models: Arc<ModelSet>,
}

impl Scenario {
    fn new() -> Self {
        let config = config();
        Self { models: models(&config), config }
    }

    fn world(&self, seed: u64, kind: Option<Kind>) -> World {
        let faults = FaultInjector::new(seed);
        let time = Time::new(1_700_000_000_000);
        let drawn = if faults.chance(0.5) { Kind::Journal } else { Kind::Broker };
        let log: Arc<dyn SimLog> = match kind.unwrap_or(drawn) {
            Kind::Broker => Arc::new(SimBroker::new(faults.clone(), time.clone(), PARTITIONS)),
            Kind::Journal => Arc::new(SimJournal::new(faults.clone(), time.clone(), PARTITIONS)),
        };
        let mut config = self.config.clone();
        config.snapshot.keep = 1 + faults.below(3) as usize;
        faults.on(None, 0.0);
        log.begin().expect("a new journal opens");
        let producer = Producer::new(Arc::clone(&log), faults.clone(), time.clone());
        let mut world = World {
            epoch: (Instant::now(), time.now()),
            disk: SimDisk::new(faults.clone(), synced()),
            producer,
            log,
            time,
            faults,
            config,
            models: Arc::clone(&self.models),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
        };
        world.settle();
        world.log.end(false);
        world
    }

    /// Runs a seed with a bug planted, or none, and says what is wrong in the end, or how often items were given back.
    fn run(&self, seed: u64, kind: Option<Kind>, bug: Option<Bug>) -> Result<u64, String> {
        plant(bug);
        run(&mut self.world(seed, kind))
    }
}

fn run(world: &mut World) -> Result<u64, String> {
    for _ in 0..=world.faults.below(LIVES) {
        let pulled = world.faults.chance(0.8).then(|| world.faults.below(250) as u32);
        world.faults.on(pulled, FLICKER[world.faults.below(3) as usize]);
        match live(world) {
            Ok(()) | Err(Ended::Down) => {}
            Err(Ended::Broken(why)) => return Err(why),
        }
        // Killed, or the power is off.
        let power = world.faults.chance(0.6);
        world.log.end(power);
        if power {
            world.runtime.block_on(world.disk.lose_cache());
        }
        between(world);
    }
    world.faults.on(None, 0.0);
    let process = last(world)?;
    check::check(world, process.store())?;
    // After a stop that nothing disturbed, a start finds all of it done.
    let letters = |world: &World| {
        world.log.history(Topic::DeadLetters).iter().map(|part| part.records.len()).sum::<usize>()
    };
    let before = letters(world);
    process.stop(world);
    world.log.work();
    world.log.end(false);
    let process = last(world)?;
    match letters(world) - before {
        0 => check::check(world, process.store()),
        again => Err(format!("{again} records were dead-lettered again after a clean stop")),
    }
}

fn live(world: &mut World) -> Result<(), Ended> {
    world.log.begin()?;
    let mut process = Process::start(world)?;
    process.begin(world)?;
    let steps = world.faults.below(STEPS);
    process.go_on(world, steps)?;
    process.stop(world);
    world.log.work();
    Ok(())
}

/// No process is there for a while; a producer goes on.
fn between(world: &mut World) {
    for _ in 0..world.faults.below(4) {
        world.producer.send();
        world.producer.look();
    }
    let ms = if world.faults.chance(0.03) { DELETION_MS + 1 } else { world.faults.below(20_000) as i64 };
    world.pass(ms);
}

/// A life in which all goes well.
fn last(world: &mut World) -> Result<Process, String> {
    let mut live = || -> Result<Process, Ended> {
        world.log.begin()?;
        let mut process = Process::start(world)?;
        process.begin(world)?;
        world.settle();
        process.catch_up(world)?;
        world.settle();
        Ok(process)
    };
    live().map_err(|ended| match ended {
        Ended::Broken(why) => why,
        Ended::Down => "it does not start although all is well".to_owned(),
    })
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} is {text}, expected a number"))
    })
}

#[test]
fn no_seed_loses_anything_or_counts_anything_twice() {
    let first = number("HEADWATER_SIMULATION_FROM", 0);
    let seeds = number("HEADWATER_SIMULATION_SEEDS", SEEDS);
    let (next, given_back) = (AtomicU64::new(first), AtomicU64::new(0));
    let work = || {
        let scenario = Scenario::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return Ok(());
            }
            match scenario.run(seed, None, None) {
                Ok(compactions) => {
                    given_back.fetch_add(u64::from(compactions > 0), Ordering::Relaxed);
                }
                Err(why) => {
                    // The others stop after what they are at.
                    next.store(first + seeds, Ordering::Relaxed);
                    return Err(format!(
                        "seed {seed}: {why}; `tests/simulate --from {seed} --seeds 1` runs it again"
                    ));
                }
            }
        }
    };
    let found: Result<(), String> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..number("HEADWATER_SIMULATION_THREADS", 1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a seed ends"))
    });
    if let Err(why) = found {
        panic!("{why}");
    }
    let given_back = given_back.into_inner();
    assert!(given_back >= seeds / 4, "items were given back in {given_back} of {seeds} seeds only");
    println!("items were given back in {given_back} of {seeds} seeds");
    println!("bar simulation.seeds {seeds} seeds");
}

#[test]
fn every_planted_bug_is_found() {
    let scenario = Scenario::new();
    let either = &[Kind::Broker, Kind::Journal][..];
    let bugs = [
        (Bug::CommitFirst, either),
        (Bug::ForgetIds, either),
        (Bug::ForgetCompactions, either),
        (Bug::ForgetPostings, either),
        (Bug::ForgetSync, either),
        (Bug::OlderState, either),
        (Bug::LateTwice, either),
        (Bug::AcknowledgeFirst, either),
        (Bug::AcknowledgeUnsynced, &[Kind::Journal]),
    ];
    for (bug, kinds) in bugs {
        for kind in kinds {
            let run = |seed| Some((seed, scenario.run(seed, Some(*kind), Some(bug)).err()?));
            let found = (0..SEEDS).find_map(run);
            plant(None);
            let (seed, why) =
                found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDS} seeds of a {kind:?}"));
            println!("{bug:?} was found by seed {seed} of a {kind:?}: {why}");
        }
    }
    println!("bar simulation.planted {} bugs", bugs.len());
}

#[test]
fn a_seed_replays_exactly() {
    let scenario = Scenario::new();
    plant(None);
    for seed in 0..20 {
        let replay = || {
            let mut world = scenario.world(seed, None);
            let result = run(&mut world);
            (result, check::trace(&world))
        };
        assert_eq!(replay(), replay(), "seed {seed}");
    }
}

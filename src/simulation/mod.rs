//! A simulation of all that can go wrong between a log and a disk, from a seed: one thread, no
//! clock, and the very code that ships. A producer sends; records come late, twice and torn off;
//! the log and the disk fail; the plug is pulled at any operation, and what was not on disk is lost.
//! In the end nothing may be lost and nothing counted twice.
//!
//! The log is a broker elsewhere, or the embedded journal with a disk of its own.
//!
//! `tests/simulate` runs the long form. A failure names its seed and how to run it again.

#![expect(clippy::print_stdout, reason = "its bars and what it found are for those who run it")]

mod check;
mod disk;
mod journal;
mod life;
mod log;
#[path = "../../tests/oracle/mod.rs"]
mod oracle;
mod power;
mod producer;
mod stage;
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
use disk::SimDisk;
use journal::{DELETION_MS, SimJournal};
use life::{Ended, Life, World};
use log::SimLog;
use power::Plug;
use producer::Producer;
use stage::Stage;
use time::Time;

const SEEDS: u64 = 2000;
const PARTITIONS: u32 = 3;
/// Lives before the last one, at most.
const LIVES: u64 = 7;
const STEPS: u64 = 120;
/// How often an operation fails, by life.
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
windows = { "1m" = 0.5, "10m" = 0.5 }

[popularity]
windows = { "1m" = 0.5, "5m" = 0.5 }

[trending]
short = "1m"
long = "5m"
"#;

fn config() -> Config {
    let set = [
        "stream.event_types=[\"view\", \"click\"]",
        "stream.interest_windows=[\"1m\", \"10m\"]",
        "stream.popularity_windows=[\"1m\", \"5m\"]",
        "stream.recent_events_per_user=4",
        "stream.max_out_of_orderness=5s",
        "stream.max_clock_skew=1m",
        "stream.dedup_horizon=1m",
        "stream.as_of_horizon=1m",
        "snapshot.interval=2s",
    ];
    Config::load(None, &BTreeMap::new(), &set.map(str::to_owned)).expect("a valid configuration")
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
struct Terms {
    config: Config,
    models: Arc<ModelSet>,
}

impl Terms {
    fn new() -> Self {
        let config = config();
        Self { models: models(&config), config }
    }

    fn world(&self, seed: u64, kind: Option<Kind>) -> World {
        let plug = Plug::new(seed);
        let time = Time::new(1_700_000_000_000);
        let drawn = if plug.chance(0.5) { Kind::Journal } else { Kind::Broker };
        let log: Arc<dyn Stage> = match kind.unwrap_or(drawn) {
            Kind::Broker => Arc::new(SimLog::new(plug.clone(), time.clone(), PARTITIONS)),
            Kind::Journal => Arc::new(SimJournal::new(plug.clone(), time.clone(), PARTITIONS)),
        };
        let mut config = self.config.clone();
        config.snapshot.keep = 1 + plug.below(3) as usize;
        plug.on(None, 0.0);
        log.begin().expect("a new journal opens");
        let producer = Producer::new(Arc::clone(&log), plug.clone(), time.clone());
        let mut world = World {
            epoch: (Instant::now(), time.now()),
            disk: SimDisk::new(plug.clone(), synced()),
            producer,
            log,
            time,
            plug,
            config,
            models: Arc::clone(&self.models),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
        };
        world.settle();
        world.log.end(false);
        world
    }

    /// Runs a seed with a bug planted, or none, and says what is wrong in the end.
    fn run(&self, seed: u64, kind: Option<Kind>, bug: Option<Bug>) -> Result<(), String> {
        plant(bug);
        run(&mut self.world(seed, kind))
    }
}

fn run(world: &mut World) -> Result<(), String> {
    for _ in 0..=world.plug.below(LIVES) {
        let pulled = world.plug.chance(0.8).then(|| world.plug.below(250) as u32);
        world.plug.on(pulled, FLICKER[world.plug.below(3) as usize]);
        match live(world) {
            Ok(()) | Err(Ended::Down) => {}
            Err(Ended::Broken(why)) => return Err(why),
        }
        // Killed, or the power is off.
        let power = world.plug.chance(0.6);
        world.log.end(power);
        if power {
            world.runtime.block_on(world.disk.lose_cache());
        }
        between(world);
    }
    world.plug.on(None, 0.0);
    let life = last(world)?;
    check::check(world, life.store())?;
    // After a stop that nothing disturbed, a start finds all of it done.
    let letters = |world: &World| {
        world.log.history(Topic::DeadLetters).iter().map(|part| part.records.len()).sum::<usize>()
    };
    let before = letters(world);
    life.stop(world);
    world.log.work();
    world.log.end(false);
    let life = last(world)?;
    match letters(world) - before {
        0 => check::check(world, life.store()),
        again => Err(format!("{again} records were dead-lettered again after a clean stop")),
    }
}

fn live(world: &mut World) -> Result<(), Ended> {
    world.log.begin()?;
    let mut life = Life::start(world)?;
    life.begin(world)?;
    let steps = world.plug.below(STEPS);
    life.go_on(world, steps)?;
    life.stop(world);
    world.log.work();
    Ok(())
}

/// No process is there for a while; a producer goes on.
fn between(world: &mut World) {
    for _ in 0..world.plug.below(4) {
        world.producer.send();
        world.producer.look();
    }
    let ms = if world.plug.chance(0.03) { DELETION_MS + 1 } else { world.plug.below(20_000) as i64 };
    world.pass(ms);
}

/// A life in which all goes well.
fn last(world: &mut World) -> Result<Life, String> {
    let mut live = || -> Result<Life, Ended> {
        world.log.begin()?;
        let mut life = Life::start(world)?;
        life.begin(world)?;
        world.settle();
        life.catch_up(world)?;
        world.settle();
        Ok(life)
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
    let next = AtomicU64::new(first);
    let work = || {
        let terms = Terms::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return Ok(());
            }
            if let Err(why) = terms.run(seed, None, None) {
                // The others stop after what they are at.
                next.store(first + seeds, Ordering::Relaxed);
                return Err(format!(
                    "seed {seed}: {why}; `tests/simulate --from {seed} --seeds 1` runs it again"
                ));
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
    println!("bar simulation.seeds {seeds} seeds");
}

#[test]
fn every_planted_bug_is_found() {
    let terms = Terms::new();
    let either = &[Kind::Broker, Kind::Journal][..];
    let bugs = [
        (Bug::CommitFirst, either),
        (Bug::ForgetIds, either),
        (Bug::ForgetSync, either),
        (Bug::OlderState, either),
        (Bug::LateTwice, either),
        (Bug::AcknowledgeFirst, either),
        (Bug::AcknowledgeUnsynced, &[Kind::Journal]),
    ];
    for (bug, kinds) in bugs {
        for kind in kinds {
            let run = |seed| Some((seed, terms.run(seed, Some(*kind), Some(bug)).err()?));
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
    let terms = Terms::new();
    plant(None);
    for seed in 0..20 {
        let replay = || {
            let mut world = terms.world(seed, None);
            let result = run(&mut world);
            (result, check::trace(&world))
        };
        assert_eq!(replay(), replay(), "seed {seed}");
    }
}

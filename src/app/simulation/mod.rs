//! A simulation of all that can go wrong between a log and a disk, from a seed: one thread, no
//! clock, and the very code that ships. A producer sends; records come late, twice and torn off;
//! the log and the disk fail; the plug is pulled at any operation, and what was not on disk is lost.
//! In the end nothing may be lost and nothing counted twice.
//!
//! `tests/simulate` runs the long form. A failure names its seed and how to run it again.

#![expect(clippy::print_stdout, reason = "its bars and what it found are for those who run it")]

mod check;
mod disk;
mod life;
mod log;
#[path = "../../../tests/oracle/mod.rs"]
mod oracle;
mod power;
mod producer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::bugs::{Bug, plant};
use crate::config::{Config, parse_model};
use crate::engine::models::ModelSet;
use crate::ingest::Topic;
use crate::snapshot::synced;
use disk::SimDisk;
use life::{Ended, Life, World};
use log::SimLog;
use power::Plug;
use producer::Producer;

const SEEDS: u64 = 2000;
const PARTITIONS: u32 = 3;
/// Lives before the last one, at most.
const LIVES: u64 = 7;
const STEPS: u64 = 120;

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

/// Runs a seed with a bug planted, or none, and says what is wrong in the end.
fn run(seed: u64, bug: Option<Bug>, config: &Config, models: &Arc<ModelSet>) -> Result<(), String> {
    plant(bug);
    let plug = Plug::new(seed);
    let log = SimLog::new(plug.clone(), PARTITIONS);
    let producer = Producer::new(log.clone(), plug.clone());
    let mut config = config.clone();
    config.snapshot.keep = 1 + plug.below(3) as usize;
    let mut world = World {
        epoch: (Instant::now(), producer.now()),
        disk: SimDisk::new(plug.clone(), synced()),
        producer,
        log,
        plug,
        config,
        models: Arc::clone(models),
        runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
    };
    for _ in 0..=world.plug.below(LIVES) {
        let pulled = world.plug.chance(0.8).then(|| world.plug.below(200) as u32);
        world.plug.on(pulled, 0.03);
        match live(&mut world) {
            Ok(()) | Err(Ended::Down) => {}
            Err(Ended::Broken(why)) => return Err(why),
        }
        world.runtime.block_on(world.disk.lose_cache());
    }
    world.plug.on(None, 0.0);
    let last = || -> Result<Life, Ended> {
        let mut life = Life::start(&world)?;
        life.begin(&world)?;
        life.catch_up(&world)?;
        Ok(life)
    };
    let well = |ended| match ended {
        Ended::Broken(why) => why,
        Ended::Down => "it does not start although all is well".to_owned(),
    };
    let life = last().map_err(well)?;
    check::check(&world, life.store())?;
    // After a stop that nothing disturbed, a start finds all of it done.
    let letters = || world.log.parts(Topic::DeadLetters).iter().map(|part| part.records.len()).sum::<usize>();
    let before = letters();
    life.stop(&world);
    let life = last().map_err(well)?;
    match letters() - before {
        0 => check::check(&world, life.store()),
        again => Err(format!("{again} records were dead-lettered again after a clean stop")),
    }
}

fn live(world: &mut World) -> Result<(), Ended> {
    let mut life = Life::start(world)?;
    life.begin(world)?;
    let steps = world.plug.below(STEPS);
    life.go_on(world, steps)?;
    life.stop(world);
    Ok(())
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} is {text}, expected a number"))
    })
}

#[test]
fn no_seed_loses_anything_or_counts_anything_twice() {
    let (config, first) = (config(), number("HEADWATER_SIMULATION_FROM", 0));
    let (models, seeds) = (models(&config), number("HEADWATER_SIMULATION_SEEDS", SEEDS));
    for seed in first..first + seeds {
        if let Err(why) = run(seed, None, &config, &models) {
            panic!("seed {seed}: {why}; `tests/simulate --from {seed} --seeds 1` runs it again");
        }
    }
    println!("bar simulation.seeds {seeds} seeds");
}

#[test]
fn every_planted_bug_is_found() {
    let config = config();
    let models = models(&config);
    let bugs = [
        Bug::CommitFirst,
        Bug::ForgetIds,
        Bug::ForgetSync,
        Bug::OlderState,
        Bug::LateTwice,
        Bug::AcknowledgeFirst,
    ];
    for bug in bugs {
        let found = (0..SEEDS).find_map(|seed| Some((seed, run(seed, Some(bug), &config, &models).err()?)));
        plant(None);
        let (seed, why) = found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDS} seeds"));
        println!("{bug:?} was found by seed {seed}: {why}");
    }
    println!("bar simulation.planted {} bugs", bugs.len());
}

#[test]
fn a_seed_replays_exactly() {
    let config = config();
    let models = models(&config);
    let (seed, why) = (0..SEEDS)
        .find_map(|seed| Some((seed, run(seed, Some(Bug::ForgetIds), &config, &models).err()?)))
        .expect("the bug is found");
    let again = run(seed, Some(Bug::ForgetIds), &config, &models);
    plant(None);
    assert_eq!(again, Err(why));
}

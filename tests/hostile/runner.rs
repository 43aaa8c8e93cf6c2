//! Runs a target: first every input that was found once, then new ones, for so many rounds or for
//! so many minutes of processor time.
//!
//! A target tells what became of each input. One that led to something new joins those that the
//! next are made from, which is how the search goes beyond its first inputs on stable Rust.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::allocation::most_held;
use super::mutate::mutate;

/// Minutes of processor time for each target, instead of its rounds.
const MINUTES: &str = "HEADWATER_FUZZ_MINUTES";
/// Where randomness starts.
const SEED: &str = "HEADWATER_FUZZ_SEED";
/// The most inputs that new ones are made from.
const POOL: usize = 4096;

/// Reads an input, asserts what must hold, and names the outcome.
pub type Check = Box<dyn Fn(&[u8]) -> String>;

/// Something that reads what strangers wrote.
pub struct Target {
    /// The folder of its regressions.
    pub name: &'static str,
    /// Valid inputs.
    pub seeds: Vec<Vec<u8>>,
    /// What its language is made of.
    pub words: &'static [&'static [u8]],
    /// How many inputs the short form tries.
    pub rounds: u64,
    /// How many bytes may be held for each byte of input, and for any input at all.
    pub may_hold: (i64, i64),
    /// Panics where something is wrong; otherwise tells in a few words what became of the input.
    pub check: Check,
}

pub fn run(target: &Target) {
    for (name, input) in regressions(target.name) {
        println!("{}: {name}", target.name);
        look(target, &input);
    }
    let mut pool = target.seeds.clone();
    let mut known = HashSet::new();
    for seed in &target.seeds {
        known.insert(look(target, seed));
    }
    let first = std::env::var(SEED).map_or(1, |seed| seed.parse().expect("a number"));
    let minutes: Option<f64> = std::env::var(MINUTES).ok().map(|minutes| minutes.parse().expect("minutes"));
    let enough = minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let rounds = if cfg!(debug_assertions) { target.rounds / 10 } else { target.rounds };
    let started = processor_time();
    let mut random = SmallRng::seed_from_u64(first);
    let mut done = 0_u64;
    while enough
        .map_or(done < rounds, |enough| !done.is_multiple_of(64) || processor_time() - started < enough)
    {
        let mut input = pool[random.random_range(0..pool.len())].clone();
        mutate(&mut input, target.words, &pool, &mut random);
        match catch_unwind(AssertUnwindSafe(|| look(target, &input))) {
            Ok(outcome) => {
                if known.insert(outcome) && pool.len() < POOL {
                    pool.push(input);
                }
            }
            Err(_) => {
                let path = keep(target, &smaller(target, input));
                panic!("{} after {done} inputs from seed {first}: kept as {}", target.name, path.display());
            }
        }
        done += 1;
    }
    println!(
        "fuzz {} inputs {done} outcomes {} cpu_seconds {:.0}",
        target.name,
        known.len(),
        (processor_time() - started).as_secs_f64()
    );
}

/// Checks an input, and what it cost. What became of it, with numbers and names that come from the
/// input itself left out.
fn look(target: &Target, input: &[u8]) -> u64 {
    let (outcome, held) = most_held(|| (target.check)(input));
    let (each, any) = target.may_hold;
    let may = each * input.len() as i64 + any;
    assert!(held <= may, "{} bytes of input took {held} bytes, expected at most {may}", input.len());
    let mut hasher = DefaultHasher::new();
    let mut quoted = false;
    for character in outcome.chars().filter(|character| !character.is_ascii_digit()) {
        quoted ^= matches!(character, '`' | '"');
        if !quoted && character.is_ascii() {
            character.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Leaves out what is not needed for the failure.
fn smaller(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut size = input.len() / 2;
    let mut tries = 0;
    while size > 0 && tries < 2000 {
        let mut at = 0;
        while at < input.len() && tries < 2000 {
            let mut without = input.clone();
            without.drain(at..(at + size).min(input.len()));
            tries += 1;
            match catch_unwind(AssertUnwindSafe(|| look(target, &without))) {
                Ok(_) => at += size,
                Err(_) => input = without,
            }
        }
        size /= 2;
    }
    std::panic::set_hook(hook);
    input
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/regressions").join(target)
}

fn regressions(target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = fs::read_dir(folder(target)) else { return Vec::new() };
    let read = |file: fs::DirEntry| {
        (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).expect("an input"))
    };
    let mut found: Vec<_> = files.map(|file| read(file.expect("a file"))).collect();
    found.sort();
    found
}

fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = folder(target.name).join(format!("{:016x}", hasher.finish()));
    fs::create_dir_all(folder(target.name)).expect("a folder");
    fs::write(&path, input).expect("a file");
    path
}

/// What this thread has used of a processor.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("nanoseconds"))
}

//! Configuration: the file, the environment and `--set`.

use std::collections::BTreeMap;
use std::fs;

use headwater::config::{Config, Mistake, Source, default_toml};
use serde_json::Value;

use super::runner::Target;

const WORDS: &[&[u8]] = &[
    b"[server]\n",
    b"[kafka.properties]\n",
    b"[[server]]\n",
    b"[stream]\n",
    b"grpc_addr",
    b"max_concurrent_requests = ",
    b"interest_windows = ",
    b"[\"1h\", \"24h\"]",
    b"\"90d\"",
    b"\"18446744073709551615d\"",
    b"\"512MiB\"",
    b"\"9999999999EiB\"",
    b"127.0.0.1:0",
    b"[::1]:65536",
    b"ssl.key.password",
    b"\"a\\nb\" = ",
    b"'''",
    b"\"\"\"",
    b"nan",
    b"-inf",
    b"0x",
    b"1979-05-27T07:32:00Z",
    b"= ",
    b".",
    b"\n",
    b"\"",
    b"[",
    b"{a=",
    b"}",
    b"HEADWATER_SERVER__",
    b"HEADWATER_KAFKA__PROPERTIES__",
    b"kafka.properties.",
];

pub fn target() -> Target {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |choice: u8, text: &str| [&[choice], text.as_bytes()].concat();
    let seeds = vec![
        with(0, &default_toml()),
        with(
            0,
            "[server]\ngrpc_addr = \"0.0.0.0:7400\"\nmax_concurrent_requests = 64\n[kafka]\nbrokers = \"a:9092,b:9092\"\n[kafka.properties]\n\"security.protocol\" = \"SSL\"\n\"ssl.key.password\" = \"x\"\n",
        ),
        with(
            0,
            "[stream]\nevent_types = [\"view\", \"click\"]\ninterest_windows = [\"1h\", \"2d\"]\npopularity_windows = [\"5m\"]\n[journal]\nretention_bytes = \"1GiB\"\n",
        ),
        with(
            1,
            "server.grpc_addr=127.0.0.1:0\nstream.event_types=view,click\nkafka.properties.fetch.min.bytes=1\n",
        ),
        with(
            2,
            "HEADWATER_SERVER__GRPC_ADDR=127.0.0.1:0\nHEADWATER_KAFKA__PROPERTIES__FETCH_MIN_BYTES=1\nHEADWATER_LIMITS__USERS=10\n",
        ),
    ];
    Target {
        name: "configuration",
        seeds,
        words: WORDS,
        rounds: 8_000,
        may_hold: (2048, 4 << 20),
        check: Box::new(move |input| check(input, folder.path())),
    }
}

fn check(input: &[u8], folder: &std::path::Path) -> String {
    let (choice, text) = input.split_first().unwrap_or((&0, &[]));
    let file = folder.join("headwater.toml");
    let lossy = String::from_utf8_lossy(text);
    let lines = lossy.lines().map(str::to_owned);
    let nothing = BTreeMap::new();
    let loaded = match choice % 3 {
        0 => {
            fs::write(&file, text).expect("a file");
            Config::load(Some(&file), &nothing, &[])
        }
        1 => {
            fs::write(&file, "").expect("a file");
            Config::load(Some(&file), &nothing, &lines.collect::<Vec<_>>())
        }
        _ => {
            fs::write(&file, "").expect("a file");
            let variables = lines.map(|line| match line.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (line, String::new()),
            });
            Config::load(Some(&file), &variables.collect(), &[])
        }
    };
    match loaded {
        Err(error) => {
            assert!(!error.mistakes.is_empty());
            for mistake in &error.mistakes {
                named(mistake, lossy.lines().count());
            }
            error.mistakes[0].problem_name()
        }
        Ok(config) => {
            // What is in force, written down, is in force again.
            fs::write(&file, config.to_toml()).expect("a file");
            let again = Config::load(Some(&file), &nothing, &[])
                .unwrap_or_else(|error| panic!("{error}\n{}", config.to_toml()));
            assert_eq!(values(&again.to_json()), values(&config.to_json()), "{}", config.to_toml());
            format!("valid {:?} {}", config.kafka().is_some(), config.stream.event_types.names().len())
        }
    }
}

/// A mistake says where it is and what is wrong, in a line of bearable length.
pub fn named(mistake: &Mistake, lines: usize) {
    let message = mistake.to_string();
    assert!(message.len() <= 4096, "{} bytes: {message}", message.len());
    assert!(message.split_whitespace().count() >= 3, "`{message}` says nothing");
    assert!(!message.contains('\n'), "{message:?}");
    if let Source::File { line: Some(line), .. } = mistake.source {
        assert!((1..=lines + 1).contains(&line), "line {line} of {lines}");
    }
    assert!(mistake.to_json()["message"].is_string());
}

trait Name {
    fn problem_name(&self) -> String;
}

impl Name for Mistake {
    fn problem_name(&self) -> String {
        format!("{} {:?}", self.key, std::mem::discriminant(&self.problem))
    }
}

fn values(described: &Value) -> BTreeMap<&str, &Value> {
    let options = described.as_object().expect("an object");
    options.iter().map(|(name, option)| (name.as_str(), &option["value"])).collect()
}

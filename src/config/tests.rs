//! Configuration as people meet it: what they write and what they read back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::codec::Encoding;
use crate::engine::config::StreamConfig;
use crate::engine::events::event::{EventType, EventTypeSet};
use crate::snapshot::Location;
use crate::telemetry::{LogFormat, TelemetrySettings};

/// Loads a file of this content; the environment and `--set` are lists of `name=value`.
fn load_all(file: &str, environment: &[&str], set: &[&str]) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("headwater.toml");
    fs::write(&path, file).expect("a file");
    let pair = |text: &&str| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment: BTreeMap<_, _> = environment.iter().filter_map(pair).collect();
    let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
    let short = |error: ConfigError| error.to_string().replace(&path.display().to_string(), "FILE");
    Config::load(Some(&path), &environment, &set).map_err(short)
}

fn load(file: &str) -> Result<Config, String> {
    load_all(file, &[], &[])
}

/// The one mistake of a file.
fn mistake(file: &str) -> String {
    one(load(file))
}

fn one(outcome: Result<Config, String>) -> String {
    let message = outcome.expect_err("it was taken");
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[0], "the configuration can't be used: 1 mistake", "{message}");
    lines[1].trim_start().to_owned()
}

#[test]
fn an_empty_file_gives_every_default() {
    let config = load("").unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(config.server.grpc_addr.to_string(), "127.0.0.1:7400");
    assert_eq!(config.server.http_addr.to_string(), "127.0.0.1:7401");
    assert_eq!(config.server.pool_refresh, second);
    assert_eq!(config.server.shutdown_delay, 3 * second);
    assert_eq!(config.server.shutdown_grace, 25 * second);
    assert_eq!(config.server.admission.max_concurrent_requests, 1024);
    assert_eq!(config.data.dir, Path::new("./headwater-data"));
    assert_eq!(config.kafka(), None);
    assert_eq!(config.kafka.clicks_topic, "clicks");
    assert_eq!(config.kafka.items_topic, "items");
    assert_eq!(config.kafka.dead_letters_topic, "clicks.dlq");
    assert!(config.kafka.create_topics);
    assert_eq!(config.kafka.partitions, 8);
    assert_eq!(config.kafka.properties, BTreeMap::new());
    assert_eq!(config.journal.dir, Path::new("./headwater-data/journal"));
    assert_eq!(config.journal.partitions, 4);
    assert_eq!(config.journal.retention, 30 * 86_400 * second);
    assert_eq!(config.journal.retention_bytes, 10 * 1024 * 1024 * 1024);
    assert_eq!(config.models.dir, Path::new("./models"));
    assert_eq!(config.models.default, "default");
    assert_eq!(config.models.poll_interval, second / 2);
    let folder = std::path::absolute("headwater-data/snapshots").unwrap();
    assert_eq!(config.snapshot.location, Location::Folder(folder));
    assert_eq!(config.snapshot.interval, 60 * second);
    assert_eq!(config.snapshot.keep, 3);
    assert_eq!(config.ingest.workers, 1);
    assert_eq!(config.ingest.max_lag, 1000);
    assert_eq!(config.ingest.max_silence, 10 * second);
    assert_eq!(config.ingest.clicks_format, Encoding::Json);
    assert_eq!(config.ingest.items_format, Encoding::Json);
    assert_eq!(config.stream, StreamConfig::default());
    assert_eq!(
        config.telemetry,
        TelemetrySettings { log_format: LogFormat::Text, log: "info,fjall=warn,lsm_tree=warn".into() }
    );
}

#[test]
fn every_option_can_be_written_as_it_is_shown() {
    let default = load(&default_toml()).unwrap();
    assert_eq!(format!("{:?}", default.stream), format!("{:?}", StreamConfig::default()));
    let changed = load(
        "[server]\ngrpc_addr = '0.0.0.0:1'\n[kafka]\nbrokers = 'a:1'\nproperties = { x = 1.5 }\n[journal]\n\
         retention = '90m'\nretention_bytes = 1048577\n[stream]\ninterest_windows = ['2s', '36h']\nmax_clock_skew = '0s'\n\
         [telemetry]\nlog_format = 'json'",
    );
    for config in [default, changed.unwrap()] {
        let again = load(&config.to_toml()).unwrap();
        let values = |config: &Config| {
            let options = config.to_json().as_object().unwrap().clone();
            options.into_iter().map(|(key, described)| (key, described["value"].clone())).collect::<Vec<_>>()
        };
        assert_eq!(values(&config), values(&again));
    }
}

#[test]
fn every_section_of_the_keys_is_printed() {
    let docs = docs();
    let default = default_toml();
    for key in keys::keys() {
        assert!(docs.contains(&format!("| `{}` |", key.name)), "{}", key.name);
        assert!(default.contains(&format!("{} = ", key.parts().1)), "{}", key.name);
    }
}

#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, docs()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == docs(), "docs/config.md is old: run UPDATE_DOCS=1 cargo test --lib config");
}

#[test]
fn a_misspelt_key_is_refused_with_the_nearest_one() {
    assert_eq!(
        mistake("[server]\n\ngrpc_adr = 'x'"),
        "FILE:3: `server.grpc_adr` is not an option; did you mean `server.grpc_addr`?"
    );
    assert_eq!(mistake("[sever]"), "FILE:1: `sever` is not an option; did you mean `server`?");
    assert_eq!(
        mistake("brokers = 'a:1'"),
        "FILE:1: `brokers` is not an option; did you mean `kafka.brokers`?"
    );
    assert_eq!(mistake("colour = 'red'"), "FILE:1: `colour` is not an option");
    assert_eq!(mistake("server = 1"), "FILE:1: `server` is 1, expected a table of options");
    assert_eq!(load("[server]\n[kafka.properties]").map(drop), Ok(()));
}

#[test]
fn each_layer_overrides_the_one_below() {
    let file = "[limits]\nusers = 2\nitems = 2\nevent_ids = 22\n";
    let environment = ["HEADWATER_LIMITS__ITEMS=3", "HEADWATER_LIMITS__EVENT_IDS=33"];
    let config = load_all(file, &environment, &["limits.event_ids=44"]).unwrap();
    let limits = &config.stream.limits;
    assert_eq!((limits.users, limits.items, limits.event_ids), (2, 3, 44));
    assert_eq!(limits.recent_events, StreamConfig::default().limits.recent_events);
    assert_eq!(config.source("limits.items"), Source::Environment("HEADWATER_LIMITS__ITEMS".into()));
    assert_eq!(config.source("limits.event_ids"), Source::CommandLine);
    assert_eq!(config.source("limits.recent_events"), Source::Default);
}

#[test]
fn values_from_outside_a_file_need_no_quotes() {
    let environment = [
        "HEADWATER_STREAM__EVENT_TYPES=play, skip",
        "HEADWATER_STREAM__CONTEXT_EVENT_TYPE=play",
        "HEADWATER_KAFKA__CLICKS_TOPIC=2024",
        "HEADWATER_KAFKA__CREATE_TOPICS=false",
    ];
    let set =
        ["stream.interest_windows=[\"1h\", \"2h\"]", "stream.popularity_windows=5m", "telemetry.log='debug'"];
    let config = load_all("", &environment, &set).unwrap();
    assert_eq!(config.stream.event_types.names(), ["play", "skip"]);
    assert_eq!(config.stream.interest_windows, [3_600_000, 7_200_000]);
    assert_eq!(config.stream.popularity_windows, [300_000]);
    assert_eq!(config.kafka.clicks_topic, "2024");
    assert_eq!(config.kafka.dead_letters_topic, "2024.dlq");
    assert!(!config.kafka.create_topics);
    assert_eq!(config.telemetry.log, "debug");
}

#[test]
fn variables_that_are_not_ours_are_left_alone() {
    let kubernetes = ["HEADWATER_PORT=tcp://10.0.0.1:7400", "HEADWATER_SERVICE_HOST=10.0.0.1", "PATH=/bin"];
    assert_eq!(load_all("", &kubernetes, &[]).map(drop), Ok(()));
    assert_eq!(
        one(load_all("", &["HEADWATER_SERVER_GRPC_ADDR=1.2.3.4:5"], &[])),
        "HEADWATER_SERVER_GRPC_ADDR: `HEADWATER_SERVER_GRPC_ADDR` is not an option; did you mean `HEADWATER_SERVER__GRPC_ADDR`?"
    );
}

#[test]
fn every_mistake_is_named_at_once_with_its_source() {
    let file = "[server]\ngrpc_addr = 'here'\n[kafka]\nbrokers = 9092\n[stream]\nrecent_events_per_user = 0\nwindows = []\n";
    let environment = ["HEADWATER_SNAPSHOT__URL=gs://bucket/x", "HEADWATER_LIMITS__USER=1"];
    let message = load_all(file, &environment, &["journal.retention=0s", "data.dir"]).unwrap_err();
    assert_eq!(
        message.lines().collect::<Vec<_>>(),
        [
            "the configuration can't be used: 8 mistakes",
            "  FILE:2: `server.grpc_addr` is \"here\", expected an IP address and a port, such as \"127.0.0.1:7400\", \"localhost:7400\", or \":7400\" for all addresses",
            "  FILE:4: `kafka.brokers` is 9092, expected \"host:port\", several separated by commas",
            "  FILE:6: `stream.recent_events_per_user` is 0, expected a whole number from 1 to 1024",
            "  FILE:7: `stream.windows` is not an option",
            "  HEADWATER_LIMITS__USER: `limits.user` is not an option; did you mean `limits.users`?",
            "  HEADWATER_SNAPSHOT__URL: `snapshot.url` is \"gs://bucket/x\", expected s3://BUCKET/PREFIX, a file:// URL or a path",
            "  --set: `journal.retention` is \"0s\", expected a length of time from 1m to 3650d, such as \"30s\"",
            "  --set: `data.dir` is without a value, expected section.key=value",
        ]
    );
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/x.toml")), &BTreeMap::new(), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration can't be used: 1 mistake\n  /nowhere/x.toml: can't be read: No such file or directory (os error 2)"
    );
    assert!(mistake("[server\n").starts_with("FILE:1: not TOML: "), "{}", mistake("[server\n"));
}

#[test]
fn the_two_servers_need_two_ports() {
    assert_eq!(
        mistake("server.http_addr = '0.0.0.0:7400'"),
        "FILE:1: `server.http_addr` is \"0.0.0.0:7400\", expected another port than that of `server.grpc_addr`"
    );
    assert_eq!(
        one(load_all("", &[], &["server.grpc_addr=127.0.0.1:7401"])),
        "--set: `server.grpc_addr` is \"127.0.0.1:7401\", expected another port than that of `server.http_addr`"
    );
    let both = |grpc: &str, http: &str| {
        load(&format!("server.grpc_addr = '{grpc}'\nserver.http_addr = '{http}'")).map(drop)
    };
    assert_eq!(both("127.0.0.1:0", "127.0.0.1:0"), Ok(()));
    assert_eq!(both("127.0.0.1:80", "127.0.0.2:80"), Ok(()));
}

#[test]
fn the_context_event_type_is_one_of_the_stream() {
    assert_eq!(
        mistake("stream.event_types = ['play', 'skip']"),
        "default: `stream.context_event_type` is \"click\", expected one of `stream.event_types` (play, skip)"
    );
    let config = load("stream.event_types = ['skip', 'play']\nstream.context_event_type = 'play'").unwrap();
    assert_eq!(config.stream.context_event_type, EventType(1));
    let first = load("stream.event_types = ['click', 'play']").unwrap();
    assert_eq!(first.stream.context_event_type, EventType(0));
    // A list that is refused itself says nothing about the type.
    assert!(mistake("stream.event_types = ['play', 'play']").starts_with("FILE:1: `stream.event_types` is "));
}

#[test]
fn passive_and_lasting_types_are_of_the_stream_and_by_default_those_that_are_there() {
    let of = |text: &str| {
        let stream = load(text).unwrap().stream;
        let names = |set: EventTypeSet| set.names(&stream.event_types).map(str::to_owned).collect::<Vec<_>>();
        (names(stream.passive_event_types), names(stream.limits.lasting_event_types))
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(of(""), (names(&["impression"]), names(&["purchase", "dislike", "hide"])));
    assert_eq!(of("stream.event_types = ['click', 'hide']"), (names(&[]), names(&["hide"])));
    let said = "stream.passive_event_types = ['view', 'impression']\nlimits.lasting_event_types = []";
    assert_eq!(of(said), (names(&["view", "impression"]), names(&[])));
    assert_eq!(
        mistake("limits.lasting_event_types = ['buy']"),
        "FILE:1: `limits.lasting_event_types` is \"buy\", expected names of `stream.event_types` (view, click, \
         add_to_cart, purchase, like, dislike, hide, impression)"
    );
    assert_eq!(
        mistake("stream.passive_event_types = 'view'"),
        "FILE:1: `stream.passive_event_types` is \"view\", expected different names of event types, such as \
         [\"purchase\"], or []"
    );
}

#[test]
fn topics_differ() {
    assert_eq!(
        mistake("[kafka]\nclicks_topic = 'a'\ndead_letters_topic = 'a'"),
        "FILE:3: `kafka.dead_letters_topic` is \"a\", expected another topic than that of `kafka.clicks_topic`"
    );
    assert_eq!(
        mistake("[kafka]\nitems_topic = 'clicks.dlq'"),
        "default: `kafka.dead_letters_topic` is \"clicks.dlq\", expected another topic than that of `kafka.items_topic`"
    );
    assert_eq!(
        mistake("[kafka]\nclicks_topic = 'items'"),
        "default: `kafka.items_topic` is \"items\", expected another topic than that of `kafka.clicks_topic`"
    );
    assert_eq!(
        mistake("[kafka]\nclicks_topic = 'my clicks'"),
        "FILE:2: `kafka.clicks_topic` is \"my clicks\", expected a topic name: 1 to 249 of a-z A-Z 0-9 . _ -"
    );
}

#[test]
fn the_journal_keeps_events_for_longer_than_a_snapshot_takes_to_come() {
    assert_eq!(
        mistake("journal.retention = '1h'\nsnapshot.interval = '60m'"),
        "FILE:1: `journal.retention` is \"1h\", expected longer than `snapshot.interval` (\"1h\")"
    );
}

#[test]
fn workers_are_capped_by_partitions() {
    let ingest = load("ingest.workers = 6").unwrap().ingest;
    assert_eq!([8, 6, 4, 0].map(|partitions| ingest.workers_for(partitions)), [6, 6, 4, 1]);
}

#[test]
fn any_property_of_librdkafka_passes_through() {
    let file = "[kafka]\nbrokers = 'a:1'\n[kafka.properties]\nfetch.wait.max.ms = 1\n'ssl.ca' = 'x'\n'ssl.ca.location' = 'y'\nsocket.nagle.disable = true\n";
    let environment = [
        "HEADWATER_KAFKA__PROPERTIES__FETCH_WAIT_MAX_MS=100",
        "HEADWATER_KAFKA__PROPERTIES__CLIENT__RACK=1.0",
    ];
    let config = load_all(file, &environment, &["kafka.properties.client.id='me'"]).unwrap();
    let properties: Vec<_> =
        config.kafka().unwrap().properties.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        properties,
        [
            "client.id=me",
            "client.rack=1.0",
            "fetch.wait.max.ms=100",
            "socket.nagle.disable=true",
            "ssl.ca=x",
            "ssl.ca.location=y"
        ]
    );
    assert_eq!(
        mistake("kafka.properties.'client.id' = ['a']"),
        "FILE:1: `kafka.properties.client.id` is [\"a\"], expected a text, a number, true or false"
    );
    assert_eq!(
        mistake("kafka.properties.'bootstrap.servers' = 'a:1'"),
        "FILE:1: `kafka.properties.bootstrap.servers` is \"a:1\", expected `kafka.brokers` to be used instead"
    );
}

#[test]
fn secrets_are_never_shown() {
    let file = "[kafka]\nbrokers = 'a:1'\n[kafka.properties]\n'sasl.password' = 'hunter2'\n'ssl.key.location' = '/key'\n";
    let config = load(file).unwrap();
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter2"), "{debug}");
    for shown in [config.to_toml(), config.to_json().to_string()] {
        assert!(
            !shown.contains("hunter2") && shown.contains("(hidden)") && shown.contains("/key"),
            "{shown}"
        );
    }
    let file = "[kafka.properties]\n'some.url' = 'https://ann:hunter2@host/x'\n'sasl.passwrd' = 'hunter2'\n";
    let config = load(file).unwrap();
    for shown in [config.to_toml(), config.to_json().to_string()] {
        assert!(!shown.contains("hunter2") && shown.contains("https://(hidden)@host/x"), "{shown}");
    }
    for file in [
        "kafka.properties.'sasl.password' = ['hunter2']",
        "kafka.properties = 'sasl.password=hunter2'",
        "snapshot.s3_endpoint = 'https://ann:hunter2@host'",
        "snapshot.s3_endpoint = 'http://ann:hunter2@host'",
        "snapshot.url = 's3://ann:hunter2@bucket/x'",
    ] {
        let refused = load(file).unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    let refused = load_all("", &["AWS_ENDPOINT_URL=https://ann:hunter2@host"], &[]).unwrap_err();
    assert!(refused.contains("`AWS_ENDPOINT_URL`") && !refused.contains("hunter2"), "{refused}");
}

#[test]
fn shown_values_say_where_they_come_from() {
    let config = load_all("", &["HEADWATER_SERVER__POOL_REFRESH=2s"], &["ingest.workers=2"]).unwrap();
    let shown = config.to_toml();
    assert!(shown.contains("pool_refresh = \"2s\"  # HEADWATER_SERVER__POOL_REFRESH\n"), "{shown}");
    assert!(shown.contains("workers = 2  # --set\n"), "{shown}");
    assert!(shown.contains("grpc_addr = \"127.0.0.1:7400\"\n"), "{shown}");
}

#[test]
fn a_group_needs_snapshots_that_all_reach_and_an_address_to_send_others_to() {
    let group = "[kafka]\nbrokers = 'a:1'\nassignment = 'group'\n";
    let message = one(load(group));
    assert!(
        message.starts_with("FILE:3: `kafka.assignment` is \"group\", expected `snapshot.url`"),
        "{message}"
    );
    let placed = format!("{group}[snapshot]\nurl = 's3://bucket/x'\n");
    assert_eq!(load(&placed).map(|config| config.is_shared()), Ok(true));
    let open = format!("{placed}[server]\ngrpc_addr = '0.0.0.0:7400'\n");
    let message = one(load(&open));
    assert!(
        message.contains("`server.advertised_addr` is \"\", expected \"host:port\" that others reach"),
        "{message}"
    );
    assert_eq!(load(&format!("{open}advertised_addr = 'reco-1:7400'\n")).map(drop), Ok(()));
    // Without a broker nothing is shared.
    assert_eq!(load("[kafka]\nassignment = 'group'\n").map(|config| config.is_shared()), Ok(false));
}

#[test]
fn values_at_and_past_their_bounds() {
    for good in [
        "stream.recent_events_per_user=1024",
        "stream.as_of_horizon=0s",
        "limits.users=1",
        "snapshot.keep=1",
        "server.pool_refresh=10ms",
        "kafka.brokers=",
        "kafka.clicks_format=protobuf",
        "telemetry.log=info,headwater=debug",
        "journal.retention_bytes=1MiB",
        "snapshot.url=./x",
        "snapshot.url=s3://bucket/x",
        "snapshot.s3_endpoint=https://store:9000",
        "server.grpc_addr=[::1]:0",
        "server.cors_origins=[]",
        "server.cors_origins=https://shop.example,http://localhost:3000",
        "server.grpc_addr=localhost:7500",
        "server.grpc_addr=:7500",
        "server.advertised_addr=reco-1:7400",
        "server.advertised_addr=[::1]:7400",
    ] {
        assert_eq!(load_all("", &[], &[good]).map(drop), Ok(()), "{good}");
    }
    for bad in [
        "stream.recent_events_per_user=1025",
        "stream.dedup_horizon=0s",
        "stream.interest_windows=91d",
        "limits.users=0",
        "snapshot.keep=0",
        "snapshot.s3_endpoint=http://store:9000",
        "snapshot.s3_endpoint=store:9000",
        "snapshot.s3_region=not a region",
        "server.pool_refresh=0s",
        "server.shutdown_delay=2h",
        "server.shutdown_grace=2h",
        "kafka.brokers=localhost",
        "kafka.clicks_format=avro",
        "kafka.create_topics=maybe",
        "kafka.partitions=0",
        "telemetry.log=headwater=loud",
        "telemetry.log=",
        "telemetry.log=info,",
        "telemetry.log_format=xml",
        "journal.retention_bytes=1KiB",
        "data.dir=",
        "models.default=A B",
        "server.cors_origins=*",
        "server.cors_origins=https://shop.example/",
        "server.grpc_addr=reco-1:7400",
        "server.grpc_addr=localhost",
        "server.grpc_addr=:",
        "server.advertised_addr=reco-1",
        "server.advertised_addr=reco 1:7400",
        "server.advertised_addr=reco-1:0",
        "kafka.assignment=some",
        "stream.event_types=",
        "ingest.workers=0",
        "ingest.max_lag=-1",
    ] {
        let (key, _) = bad.split_once('=').unwrap();
        let message = one(load_all("", &[], &[bad]));
        assert!(
            message.starts_with(&format!("--set: `{key}` is ")) && message.contains(", expected "),
            "{message}"
        );
    }
}

//! Rules between options. Each protects something that would break while the service runs.

use std::collections::BTreeMap;
use std::path::Path;

use super::Config;
use super::mistake::{Mistake, Source};
use super::properties;
use super::rules::{Length, Millis, Rule};
use crate::files::small::neither_file_nor_folder;
use crate::log::kafka::fixed;

/// What is wrong between the options. A rule is left out where one of its options is already
/// among `mistakes`: what it would say about the default there would mislead.
pub(super) fn check(config: &Config, mistakes: &[Mistake]) -> Vec<Mistake> {
    let sound = |keys: [&str; 2]| !mistakes.iter().any(|mistake| keys.contains(&mistake.key.as_str()));
    let mut found = Vec::new();
    let mut refuse = |key: &str, value: String, expected: String| {
        found.push(Mistake::value(config.source(key), key, value, expected));
    };

    let (http, grpc) = (config.server.http_addr, config.server.grpc_addr);
    let overlap = http.ip() == grpc.ip() || http.ip().is_unspecified() || grpc.ip().is_unspecified();
    if sound(["server.http_addr", "server.grpc_addr"])
        && http.port() == grpc.port()
        && http.port() != 0
        && overlap
    {
        // The one that someone wrote is named, rather than a default.
        let (key, value, other) = match config.sources.contains_key("server.http_addr") {
            true => ("server.http_addr", http, "server.grpc_addr"),
            false => ("server.grpc_addr", grpc, "server.http_addr"),
        };
        refuse(key, format!("\"{value}\""), format!("another port than that of `{other}`"));
    }

    let (context, types) = (&config.context_event_type, &config.stream.event_types);
    if sound(["stream.context_event_type", "stream.event_types"]) && types.get(context).is_none() {
        let expected = format!("one of `stream.event_types` ({})", types.names().join(", "));
        refuse("stream.context_event_type", format!("{context:?}"), expected);
    }

    let sets = [
        ("stream.passive_event_types", &config.passive_event_types),
        ("limits.lasting_event_types", &config.lasting_event_types),
    ];
    for (key, names) in sets {
        if sound([key, "stream.event_types"]) {
            for name in names.iter().filter(|name| types.get(name).is_none()) {
                let expected = format!("names of `stream.event_types` ({})", types.names().join(", "));
                refuse(key, format!("{name:?}"), expected);
            }
        }
    }

    // Dead letters in the topic that they came from would be read, refused and written for ever.
    let topics = [
        ("kafka.clicks_topic", &config.kafka.clicks_topic),
        ("kafka.items_topic", &config.kafka.items_topic),
        ("kafka.dead_letters_topic", &config.kafka.dead_letters_topic),
    ];
    for (index, (key, topic)) in topics.iter().enumerate() {
        for (earlier, other) in topics.iter().take(index) {
            if other == topic && sound([key, earlier]) {
                refuse(key, format!("{topic:?}"), format!("another topic than that of `{earlier}`"));
            }
        }
    }

    // What the log's contract rests on can be repeated, not changed.
    for (name, value) in &config.kafka.properties {
        if let Some((needed, why)) = fixed(name, value) {
            let needed =
                if needed.is_empty() { "it to be left out".to_owned() } else { format!("\"{needed}\"") };
            let shown = properties::shown(name, &format!("{value:?}"));
            refuse(&format!("{}.{name}", properties::SECTION), shown, format!("{needed}, as {why}"));
        }
    }

    // Or a partition that moves would begin from nothing, and those who ask would be sent nowhere.
    if config.is_shared() && sound(["kafka.assignment", "snapshot.url"]) {
        if !config.sources.contains_key("snapshot.url") {
            let expected = "`snapshot.url` to be set to what all processes of the group reach, as a partition's \
                            state moves through it";
            refuse("kafka.assignment", "\"group\"".to_owned(), expected.to_owned());
        }
        if sound(["server.grpc_addr", "server.advertised_addr"])
            && grpc.ip().is_unspecified()
            && config.server.advertised_addr.is_empty()
        {
            let expected = "\"host:port\" that others reach, as `server.grpc_addr` names no host";
            refuse("server.advertised_addr", "\"\"".to_owned(), expected.to_owned());
        }
    }

    let s3 = &config.snapshot.s3;
    if sound(["snapshot.s3_endpoint", "snapshot.s3_allow_http"])
        && s3.endpoint.starts_with("http://")
        && !s3.allow_http
    {
        let expected = "an https:// URL, or `snapshot.s3_allow_http = true`".to_owned();
        refuse("snapshot.s3_endpoint", format!("{:?}", s3.endpoint), expected);
    }

    // A start after the records that the newest snapshot lacks are gone would leave a gap.
    let (retention, interval) = (config.journal.retention, config.snapshot.interval);
    if sound(["journal.retention", "snapshot.interval"]) && retention <= interval {
        let shown = |length| Length(Millis { min: 0, max: i64::MAX }).show(&length);
        let expected = format!("longer than `snapshot.interval` ({})", shown(interval));
        refuse("journal.retention", shown(retention).to_string(), expected);
    }
    found
}

/// What is wrong with what is passed on to libraries. Of files, such as certificates: they read a FIFO or a device until
/// it ends, which may be never. Of URLs: a password in one would end up in their messages.
pub(super) fn check_passed_on(config: &Config, environment: &BTreeMap<String, String>) -> Vec<Mistake> {
    let properties = config.kafka.properties.iter().filter(|(name, _)| properties::names_a_file(name));
    let properties = properties.map(|(name, path)| {
        let key = format!("{}.{name}", properties::SECTION);
        (config.source(&key), key, path)
    });
    let ours = |name: &str| name == "SSL_CERT_FILE" || (name.starts_with("AWS_") && name.ends_with("_FILE"));
    let variables = environment.iter().filter(|(name, _)| ours(name));
    let variables = variables.map(|(name, path)| (Source::Environment(name.clone()), name.clone(), path));
    let wrong = |(source, key, path): (Source, String, &String)| {
        let what = neither_file_nor_folder(Path::new(path))?;
        Some(Mistake::value(source, &key, format!("{path:?}, {what}"), "a file"))
    };
    let mut found: Vec<Mistake> = properties.chain(variables).filter_map(wrong).collect();
    let endpoints = environment.iter().filter(|(name, _)| name.starts_with("AWS_ENDPOINT"));
    found.extend(endpoints.filter(|(_, url)| url.contains('@')).map(|(name, url)| {
        let expected = "a URL without user and password";
        Mistake::value(Source::Environment(name.clone()), name, format!("{url:?}"), expected)
    }));
    found
}

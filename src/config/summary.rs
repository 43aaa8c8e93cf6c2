//! The configuration in a line, and what is another in another.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::Config;
use super::keys::keys;
use super::mistake::Source;
use super::properties;
use crate::engine::events::event::Timestamp;
use crate::health::{About, COMMIT, VERSION};

impl Config {
    /// What a process is that was started with it, at an instant.
    pub fn about(&self, started_at: Timestamp) -> About {
        let log = self.kafka().map_or_else(
            || format!("journal in {}", self.journal.dir.display()),
            |kafka| format!("Kafka at {}", kafka.brokers),
        );
        About {
            version: VERSION,
            commit: COMMIT,
            configuration: self.origins(),
            configuration_hash: self.hash(),
            data_dir: self.data.dir.display().to_string(),
            models_dir: self.models.dir.display().to_string(),
            log,
            started_at,
        }
    }

    /// Where its values were written: `defaults`, or such as `headwater.toml, environment (2), --set (1)`.
    pub fn origins(&self) -> String {
        let count =
            |wanted: fn(&Source) -> bool| self.sources.values().filter(|source| wanted(source)).count();
        let environment = count(|source| matches!(source, Source::Environment(_)));
        let command_line = count(|source| *source == Source::CommandLine);
        let mut origins: Vec<String> = self.file.iter().map(|path| path.display().to_string()).collect();
        for (name, values) in [("environment", environment), ("--set", command_line)] {
            if values > 0 {
                origins.push(format!("{name} ({values})"));
            }
        }
        if origins.is_empty() { "defaults".to_owned() } else { origins.join(", ") }
    }

    /// A hash of the values in force, as they are shown: secrets are no part of it.
    pub fn hash(&self) -> String {
        let properties = properties::shown_all(&self.kafka);
        let properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value));
        let values = keys().into_iter().map(|key| (key.name.to_owned(), key.show(self).to_string()));
        let text: String =
            values.chain(properties).map(|(name, value)| format!("{name}={value}\n")).collect();
        format!("{:016x}", xxh3_64(text.as_bytes()))
    }

    /// The options whose values in force are others than those of `other`.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let keys = keys();
        let options =
            keys.iter().filter(|key| key.show(self) != key.show(other)).map(|key| key.name.to_owned());
        let (ours, others): (&BTreeMap<_, _>, &BTreeMap<_, _>) =
            (&self.kafka.properties, &other.kafka.properties);
        let names = ours.keys().chain(others.keys().filter(|name| !ours.contains_key(*name)));
        let properties = names.filter(|name| ours.get(*name) != others.get(*name));
        options.chain(properties.map(|name| format!("{}.{name}", properties::SECTION))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load(set: &[&str]) -> Config {
        let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
        Config::load(None, &BTreeMap::new(), &set).expect("a valid configuration")
    }

    #[test]
    fn what_is_in_force_is_named_by_where_it_was_written() {
        assert_eq!(load(&[]).origins(), "defaults");
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("c.toml");
        fs::write(&file, "").expect("a file");
        let environment = BTreeMap::from([("HEADWATER_LIMITS__USERS".to_owned(), "7".to_owned())]);
        let set = ["ingest.workers=2".to_owned(), "snapshot.keep=2".to_owned()];
        let config = Config::load(Some(&file), &environment, &set).expect("a valid configuration");
        assert_eq!(config.origins(), format!("{}, environment (1), --set (2)", file.display()));
    }

    #[test]
    fn the_hash_is_of_values_and_of_no_secret_and_differences_are_named() {
        let (one, other) = (load(&[]), load(&["ingest.workers=2"]));
        assert_ne!(one.hash(), other.hash());
        assert_eq!(one.hash(), load(&["limits.users=10000000"]).hash(), "that is the default");
        assert_eq!(one.differing(&other), ["ingest.workers"]);
        let [one, other] = ["hunter2", "hunter9"].map(|password| {
            load(&["kafka.brokers=a:1", &format!("kafka.properties.sasl.password={password}")])
        });
        assert_eq!(one.hash(), other.hash());
        assert_eq!(one.differing(&other), ["kafka.properties.sasl.password"]);
        assert_eq!(one.differing(&one.clone()), Vec::<String>::new());
    }
}

//! Writes configuration for people: every option with its default, the values in force, and
//! `docs/config.md`.

use std::fmt::Write as _;

use super::Config;
use super::keys::{Key, keys};
use super::mistake::Source;
use super::properties;

/// What a section is about.
const SECTIONS: [(&str, &str); 10] = [
    ("server", "How the service is reached, and how it stops."),
    ("data", "Where data lives."),
    ("kafka", "Where events and items come from, if from Kafka."),
    ("journal", "The embedded log that serves while `kafka.brokers` is not set."),
    ("models", "Scoring models. Files in the folder can be changed while the service runs."),
    ("snapshot", "Saved state, which makes a restart short."),
    ("ingest", "How records become state."),
    (
        "stream",
        "Which facts state keeps. A change rebuilds state from the log, but for event types that are appended, passive or not, the first passive types where there were none, `context_event_type` and `as_of_horizon`.",
    ),
    ("limits", "How much the state of one partition may hold."),
    ("telemetry", "What the service says about itself."),
];

const PROPERTIES_DOC: &str = "Any property of librdkafka, passed through as it is: \
    `security.protocol = \"SASL_SSL\"`. `config show` hides the values of secrets.";

const GUIDE: &str = "\
# Configuration

<!-- Generated from src/config/keys.rs. `UPDATE_DOCS=1 cargo test --lib config` writes it anew. -->

Everything has a default, so no file is needed. `headwater config default` prints a file with every
option, `headwater config show` the values in force and where each comes from, and
`headwater config check` names every mistake in the configuration and in the model files.

Later layers override earlier ones:

1. the defaults below;
2. the file: `--config FILE`, or `headwater.toml` in the working directory if it is there;
3. the environment: `HEADWATER_SECTION__KEY`, such as `HEADWATER_SERVER__GRPC_ADDR=0.0.0.0:7400`;
4. the command line: `--set section.key=value`, such as `--set stream.event_types=view,click`.

In the environment and on the command line a list may be written with commas, and a text without
quotes. A property of librdkafka is `--set kafka.properties.fetch.min.bytes=1`, or in the
environment, with `_` for each dot, `HEADWATER_KAFKA__PROPERTIES__FETCH_MIN_BYTES=1`. Variables
without `__` are left alone.

Lengths of time are texts such as `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"24h\"`, `\"7d\"`; sizes are texts such as
`\"512MiB\"` or numbers of bytes. Relative paths are relative to the working directory. An option that
is not listed here is refused.
";

/// A file with every option at its default, each with what it means.
pub fn default_toml() -> String {
    let config = Config::defaults();
    let mut text = String::from("# Every option of Headwater, at its default. docs/config.md says more.\n");
    for (section, about) in SECTIONS {
        let _ = write!(text, "\n# {about}\n[{section}]\n");
        for key in of(&keys(), section) {
            let (_, name) = key.parts();
            let _ = writeln!(text, "# {} Expected: {}.", key.doc, key.expected);
            let _ = match key.otherwise {
                Some(otherwise) => writeln!(text, "# {name} =    (default: {otherwise})"),
                None => writeln!(text, "{name} = {}", key.show(&config)),
            };
        }
        if section == "kafka" {
            let _ = write!(text, "\n# {PROPERTIES_DOC}\n[{}]\n", properties::SECTION);
        }
    }
    text
}

/// `docs/config.md`.
pub fn docs() -> String {
    let config = Config::defaults();
    let mut text = String::from(GUIDE);
    for (section, about) in SECTIONS {
        let _ = write!(
            text,
            "\n## `[{section}]`\n\n{about}\n\n| option | default | expected | meaning |\n|---|---|---|---|\n"
        );
        for key in of(&keys(), section) {
            let default = key.otherwise.map_or_else(|| format!("`{}`", key.show(&config)), str::to_owned);
            let _ = writeln!(text, "| `{}` | {default} | {} | {} |", key.name, key.expected, key.doc);
        }
        if section == "kafka" {
            let _ = writeln!(
                text,
                "| `{}` | none | {} | {PROPERTIES_DOC} |",
                properties::SECTION,
                properties::EXPECTED
            );
        }
    }
    text
}

fn of<'a>(keys: &'a [Key], section: &'a str) -> impl Iterator<Item = &'a Key> {
    keys.iter().filter(move |key| key.parts().0 == section)
}

impl Config {
    /// The values in force, as a file. An option that is not at its default says where it was
    /// written. Secrets are hidden.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (section, _) in SECTIONS {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
            for key in of(&keys(), section) {
                let _ = writeln!(text, "{} = {}{}", key.parts().1, key.show(self), self.origin(key.name));
            }
            if section == "kafka" {
                let _ = writeln!(text, "\n[{}]", properties::SECTION);
                for (name, value) in properties::shown_all(&self.kafka) {
                    let origin = self.origin(&format!("{}.{name}", properties::SECTION));
                    // As a table, since a name is not quoted as a value is.
                    let line = toml::Table::from_iter([(name.to_owned(), value.into())]).to_string();
                    let _ = writeln!(text, "{}{origin}", line.trim_end());
                }
            }
        }
        text
    }

    /// The values in force, `{"section.key": {"value": ..., "source": ...}}`. Secrets are hidden.
    pub fn to_json(&self) -> serde_json::Value {
        let options = keys().into_iter().map(|key| (key.name.to_owned(), json(key.show(self))));
        let properties = properties::shown_all(&self.kafka).into_iter();
        let properties =
            properties.map(|(name, value)| (format!("{}.{name}", properties::SECTION), value.into()));
        let described = options.chain(properties).map(|(name, value)| {
            let source = self.source(&name).to_string();
            (name, serde_json::json!({ "value": value, "source": source }))
        });
        serde_json::Value::Object(described.collect())
    }

    fn origin(&self, key: &str) -> String {
        match self.source(key) {
            Source::Default => String::new(),
            source => format!("  # {source}"),
        }
    }
}

fn json(value: toml::Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

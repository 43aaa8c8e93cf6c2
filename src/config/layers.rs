//! The layers of configuration, weakest first: defaults, the file, the environment, `--set`.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Value;

use super::Config;
use super::document;
use super::keys::{Key, keys};
use super::mistake::{Mistake, Problem, Source};
use super::properties;
use crate::files::small::read_text;

/// What a variable that sets an option starts with.
const PREFIX: &str = "HEADWATER_";
/// The largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A value as its layer wrote it.
enum Given<'a> {
    /// In a file, where TOML says what is a text and what is not.
    Toml(&'a Value),
    /// Elsewhere, where it is for the option to say.
    Text(&'a str),
}

impl Given<'_> {
    fn shown(&self) -> String {
        match self {
            Self::Toml(Value::Table(_)) => "a table".to_owned(),
            Self::Toml(value) => value.to_string(),
            Self::Text(text) => format!("{text:?}"),
        }
    }

    /// What the value may mean, in the order of preference.
    fn readings(&self) -> Vec<Value> {
        match self {
            Self::Toml(value) => vec![(*value).clone()],
            Self::Text(text) => {
                let list = text.split(',').map(|item| Value::from(item.trim())).collect();
                document::value(text).into_iter().chain([Value::from(*text), Value::Array(list)]).collect()
            }
        }
    }
}

/// Puts layers on top of each other and gathers what is wrong with them.
pub(super) struct Layers {
    keys: Vec<Key>,
    config: Config,
    mistakes: Vec<Mistake>,
}

impl Layers {
    pub fn new() -> Self {
        Self { keys: keys(), config: Config::defaults(), mistakes: Vec::new() }
    }

    /// The outcome, with the mistakes of single values.
    pub fn finish(self) -> (Config, Vec<Mistake>) {
        (self.config, self.mistakes)
    }

    pub fn file(&mut self, path: &Path) {
        self.config.file = Some(path.to_owned());
        let text = match read_text(path, "a configuration", MAX_BYTES) {
            Ok(text) => text,
            Err(error) => return self.mistakes.push(Mistake::file(path, None, error.to_string())),
        };
        match document::entries(&text) {
            Ok(entries) => {
                for entry in entries {
                    let source = Source::File { path: path.to_owned(), line: Some(entry.line) };
                    self.assign(&entry.key(), &Given::Toml(&entry.value), source);
                }
            }
            Err(errors) => self.mistakes.extend(
                errors
                    .into_iter()
                    .map(|e| Mistake::file(path, Some(e.line), format!("not TOML: {}", e.message))),
            ),
        }
    }

    /// `HEADWATER_SECTION__KEY=value`. Variables without `__` are not ours: Kubernetes makes some
    /// for every service, and ours may be called `headwater`.
    pub fn environment(&mut self, variables: &BTreeMap<String, String>) {
        for (variable, text) in variables {
            let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
            let source = Source::Environment(variable.clone());
            match rest.to_ascii_lowercase().split_once("__") {
                Some((section, key)) => self.assign(&dotted(section, key), &Given::Text(text), source),
                None => {
                    let meant =
                        self.keys.iter().find(|key| variable_name(key.name).replace("__", "_") == *variable);
                    if let Some(nearest) = meant.map(|key| variable_name(key.name)) {
                        let problem = Problem::UnknownKey { nearest: Some(nearest) };
                        self.mistakes.push(Mistake { source, key: variable.clone(), problem });
                    }
                }
            }
        }
    }

    /// `section.key=value`.
    pub fn command_line(&mut self, settings: &[String]) {
        for setting in settings {
            match setting.split_once('=') {
                Some((key, text)) => self.assign(key.trim(), &Given::Text(text.trim()), Source::CommandLine),
                None => {
                    self.mistakes.push(Mistake::value(
                        Source::CommandLine,
                        setting,
                        "without a value",
                        "section.key=value",
                    ));
                }
            }
        }
    }

    fn assign(&mut self, name: &str, given: &Given<'_>, source: Source) {
        if let Some(property) = properties::name(name) {
            return self.assign_property(name, property, given, source);
        }
        let Some(key) = self.keys.iter().find(|key| key.name == name) else {
            return self.refuse(name, given, source);
        };
        if given.readings().iter().any(|value| key.set(&mut self.config, value)) {
            self.config.sources.insert(name.to_owned(), source);
        } else {
            self.mistakes.push(Mistake::value(source, name, given.shown(), key.expected.as_str()));
        }
    }

    fn assign_property(&mut self, key: &str, property: &str, given: &Given<'_>, source: Source) {
        if let Some(option) = properties::replaced_by(property) {
            let expected = format!("`{option}` to be used instead");
            return self.mistakes.push(Mistake::value(source, key, given.shown(), expected));
        }
        let text = match given {
            Given::Toml(value) => properties::read(value),
            Given::Text(text) => Some(properties::read_text(text)),
        };
        match text {
            Some(text) => {
                self.config.kafka.properties.insert(property.to_owned(), text);
                self.config.sources.insert(key.to_owned(), source);
            }
            None => {
                let shown = properties::shown(property, &given.shown());
                self.mistakes.push(Mistake::value(source, key, shown, properties::EXPECTED));
            }
        }
    }

    /// A section that is empty is fine, one that is no table is not, anything else is unknown.
    fn refuse(&mut self, name: &str, given: &Given<'_>, source: Source) {
        let sections = self.keys.iter().map(|key| key.parts().0).chain([properties::SECTION]);
        if sections.clone().any(|section| section == name) {
            if !matches!(given, Given::Toml(Value::Table(_))) {
                // It may hold all properties, secrets too, in one text.
                let shown =
                    if name == properties::SECTION { "not a table".to_owned() } else { given.shown() };
                self.mistakes.push(Mistake::value(source, name, shown, "a table of options"));
            }
            return;
        }
        let known = self.keys.iter().map(|key| key.name).chain([properties::SECTION]);
        let mistake = match given {
            Given::Toml(Value::Table(_)) => Mistake::unknown(source, name, name, sections),
            _ => Mistake::unknown(source, name, name, known),
        };
        self.mistakes.push(mistake);
    }
}

/// The variable that sets an option.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// The key that a variable names. The names of librdkafka's properties are words with dots between
/// them, which a variable writes as underscores.
fn dotted(section: &str, key: &str) -> String {
    let name = format!("{section}.{}", key.replace("__", "."));
    match properties::name(&name) {
        Some(property) => format!("{}.{}", properties::SECTION, property.replace('_', ".")),
        None => name,
    }
}

//! The models that are loaded, and the folder that they come from.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::mistake::{Mistake, Source, write_list};
use crate::engine::config::StreamConfig;
use crate::engine::rank::model::Model;
pub use crate::engine::rank::models::ModelSet;
use crate::models::file::{self, Written};

/// The default model's file as the program was built with it.
pub const BUILT_IN_MODEL: &str = include_str!("../../models/default.toml");

/// The name of the built-in model.
const BUILT_IN_NAME: &str = "default";
/// The most models that are loaded at once.
pub(super) const MAX_MODELS: usize = 64;

/// Why models can't be loaded: every mistake in every file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelsError {
    /// File by file.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ModelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "the models can't be used", &self.mistakes)
    }
}

impl std::error::Error for ModelsError {}

impl ModelSet {
    /// Reads every `*.toml` of a folder. A folder that does not exist gives the built-in model.
    ///
    /// # Errors
    /// Every mistake in every file; the folder can't be read; there is no model `default_name`.
    pub fn load(dir: &Path, default_name: &str, stream: &StreamConfig) -> Result<Self, ModelsError> {
        Self::from_files(&read_folder(dir), dir, default_name, stream)
    }

    pub(super) fn from_files(
        folder: &io::Result<Files>,
        dir: &Path,
        default_name: &str,
        stream: &StreamConfig,
    ) -> Result<Self, ModelsError> {
        let mut mistakes = Vec::new();
        let mut models = BTreeMap::new();
        match folder {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match built_in(stream) {
                Ok(model) => drop(models.insert(model.name.clone(), Arc::new(model))),
                Err(found) => mistakes.extend(found),
            },
            Err(error) => mistakes.push(unreadable(dir, error)),
            Ok(files) => {
                for (name, content) in files {
                    match model_of(dir, name, content, stream) {
                        Ok(model) => drop(models.insert(name.clone(), Arc::new(model))),
                        Err(found) => mistakes.extend(found),
                    }
                }
                if files.len() > MAX_MODELS {
                    mistakes.push(Mistake::file(dir, None, too_many(files.len())));
                }
            }
        }
        let there = models.contains_key(default_name)
            || folder.as_ref().is_ok_and(|files| files.contains_key(default_name));
        if !there && mistakes.is_empty() {
            let here = if models.is_empty() { "none".to_owned() } else { names(&models) };
            let what = format!(
                "there is no default model `{default_name}` (see `models.default`); models here: {here}"
            );
            mistakes.push(Mistake::file(dir, None, what));
        }
        match Self::new(models, default_name) {
            Some(set) if mistakes.is_empty() => Ok(set),
            _ => Err(ModelsError { mistakes }),
        }
    }
}

impl ModelsError {
    /// That a model is named which is not there, by a key of the configuration.
    pub fn missing(name: &str, key: &str, dir: &Path, models: &ModelSet) -> Self {
        let here = models.iter().map(|model| format!("`{}`", model.name)).collect::<Vec<_>>().join(", ");
        let what = format!("there is no model `{name}` (see `{key}`); models here: {here}");
        Self { mistakes: vec![Mistake::file(dir, None, what)] }
    }
}

fn names(models: &BTreeMap<String, Arc<Model>>) -> String {
    models.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

pub(super) fn too_many(found: usize) -> String {
    format!("holds {found} models, expected at most {MAX_MODELS}")
}

/// The built-in model fits the default stream. For another one, what an empty file means does.
fn built_in(stream: &StreamConfig) -> Result<Model, Vec<Mistake>> {
    let source = |_| Source::BuiltIn;
    let read = |text: &str| {
        let written = Written { text: text.to_owned(), forest: None };
        file::read(BUILT_IN_NAME, &written, stream, &source)
    };
    read(BUILT_IN_MODEL).or_else(|_| read(""))
}

/// The contents of the model files of a folder by name, each with what went wrong in reading it.
pub(super) type Files = BTreeMap<String, Result<Written, String>>;

/// Reads the files whose names end in `.toml`, except hidden ones, and the forests that they name.
pub(super) fn read_folder(dir: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".toml").filter(|stem| !stem.is_empty() && !stem.starts_with('.'))
        else {
            continue;
        };
        match Written::read(&dir.join(&name)) {
            // It went away between the two looks.
            Err(error) if error.is_not_found() => {}
            content => drop(files.insert(stem.to_owned(), content.map_err(|error| error.to_string()))),
        }
    }
    Ok(files)
}

/// The model that a file holds.
pub(super) fn model_of(
    dir: &Path,
    name: &str,
    content: &Result<Written, String>,
    stream: &StreamConfig,
) -> Result<Model, Vec<Mistake>> {
    let path = file_of(dir, name);
    if !is_model_name(name) {
        let what = "its name can't be a model's, expected 1 to 64 of a-z 0-9 _ - before `.toml`";
        return Err(vec![Mistake::file(path, None, what)]);
    }
    match content {
        Ok(written) => file::parse_written(name, &path, written, stream).map_err(|error| error.mistakes),
        Err(what) => Err(vec![Mistake::file(path, None, what.as_str())]),
    }
}

pub(super) fn file_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.toml"))
}

/// All that is wrong, for a line of a log.
pub(super) fn in_a_line(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("; ")
}

pub(super) fn unreadable(dir: &Path, error: &io::Error) -> Mistake {
    Mistake::file(dir, None, format!("the folder of models can't be read: {error}"))
}

/// Whether a model can have this name.
pub(crate) fn is_model_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(dir: &Path, default: &str) -> Result<ModelSet, String> {
        let message = |error: ModelsError| error.to_string().replace(&dir.display().to_string(), "DIR");
        ModelSet::load(dir, default, &StreamConfig::default()).map_err(message)
    }

    #[test]
    fn without_a_folder_the_built_in_model_serves() {
        let models = load(Path::new("/nowhere/at/all"), "default").unwrap();
        assert_eq!(models.len(), 1);
        assert_eq!(models.get("").unwrap().source, BUILT_IN_MODEL);
        assert_eq!(models.get(""), models.get("default"));
        assert_eq!(models.get("other"), None);
    }

    #[test]
    fn four_models_are_shipped_each_for_what_it_is_named_after() {
        let models = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), "default").unwrap();
        let names: Vec<&str> = models.iter().map(|model| &*model.name).collect();
        assert_eq!(names, ["default", "news", "retail", "sessions"]);
        let [default, news, sessions] = ["default", "news", "sessions"].map(|name| models.get(name).unwrap());
        let minutes = |model: &Model| model.popularity_windows[..2].iter().sum::<f64>();
        assert!(minutes(news) > minutes(default));
        let retail = models.get("retail").unwrap();
        assert!(retail.asks_for_own() && !default.asks_for_own());
        let asks = |model: &Model| model.asks_for_neighbours();
        assert_eq!([default, news, sessions].map(|model| asks(model)), [false, false, true]);
    }

    #[test]
    fn the_built_in_model_adapts_to_other_windows() {
        let stream = StreamConfig { interest_windows: vec![1000, 2000], ..StreamConfig::default() };
        let models = ModelSet::load(Path::new("/nowhere/at/all"), "default", &stream).unwrap();
        assert_eq!(models.get("").unwrap().interest_windows, [0.5, 0.5]);
    }

    #[test]
    fn the_built_in_model_says_when_it_does_not_know_the_event_types() {
        let event_types = crate::engine::events::event::EventTypes::new(["play", "skip"]);
        let stream = StreamConfig { event_types, ..StreamConfig::default() };
        let error = ModelSet::load(Path::new("/nowhere/at/all"), "default", &stream).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the models can't be used: 1 mistake\n  built-in model: `event_weights` is without a positive weight, \
             expected a positive weight for at least one event type (play, skip)"
        );
    }

    #[test]
    fn every_mistake_of_every_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("default.toml"), "[weights]\ninterest = 11\npopularty = 1\n").unwrap();
        fs::write(dir.path().join("b.toml"), "weights = [").unwrap();
        fs::write(dir.path().join("C d.toml"), "").unwrap();
        fs::write(dir.path().join("e.toml"), [0xff, 0xfe]).unwrap();
        fs::write(dir.path().join(".hidden.toml"), "nonsense").unwrap();
        fs::write(dir.path().join("f.toml~"), "nonsense").unwrap();
        let message = load(dir.path(), "default").unwrap_err();
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines[0], "the models can't be used: 5 mistakes");
        assert_eq!(
            lines[1],
            "  DIR/C d.toml: its name can't be a model's, expected 1 to 64 of a-z 0-9 _ - before `.toml`"
        );
        assert!(lines[2].starts_with("  DIR/b.toml:1: not TOML: "), "{message}");
        assert_eq!(
            lines[3],
            "  DIR/default.toml:2: `weights.interest` is 11, expected a number from -10 to 10"
        );
        assert_eq!(
            lines[4],
            "  DIR/default.toml:3: `weights.popularty` is not an option; did you mean `weights.popularity`?"
        );
        assert_eq!(lines[5], "  DIR/e.toml: not UTF-8: invalid utf-8 sequence of 1 bytes from index 0");
    }

    #[test]
    fn the_default_model_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let error = load(dir.path(), "default").unwrap_err();
        assert!(
            error.ends_with(
                "DIR: there is no default model `default` (see `models.default`); models here: none"
            ),
            "{error}"
        );
        fs::write(dir.path().join("a.toml"), "").unwrap();
        let error = load(dir.path(), "main").unwrap_err();
        assert!(
            error.ends_with("DIR: there is no default model `main` (see `models.default`); models here: `a`"),
            "{error}"
        );
        assert_eq!(load(dir.path(), "a").unwrap().default_name(), "a");
    }

    #[test]
    fn the_number_and_the_size_of_models_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for place in 0..=MAX_MODELS {
            fs::write(dir.path().join(format!("m{place}.toml")), "").unwrap();
        }
        assert!(load(dir.path(), "m0").unwrap_err().contains("DIR: holds 65 models, expected at most 64"));
        let large = tempfile::tempdir().unwrap();
        fs::write(large.path().join("a.toml"), "#".repeat((1 << 20) + 1)).unwrap();
        assert!(
            load(large.path(), "a")
                .unwrap_err()
                .contains("a.toml: is larger than a model can be (1048576 bytes)")
        );
    }
}

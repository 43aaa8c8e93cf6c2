//! Rereads models while the service runs.
//!
//! It compares contents, not modification times, so it notices whatever way a file changes:
//! written in place, renamed over, or behind a symbolic link that is swapped, as Kubernetes does.
//! The caller owns the timer and publishes [`ModelWatcher::current`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::config::mistake::Mistake;
use crate::engine::config::StreamConfig;
use crate::models::file::Written;
use crate::models::last_good::LastGood;
use crate::models::load::{
    Files, MAX_MODELS, ModelSet, ModelsError, file_of, in_a_line, model_of, read_folder, too_many, unreadable,
};
use crate::models::{ModelError, ModelsSettings};

/// What a reload found. Each is told once for each content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelEvent {
    /// A new or changed file is in force.
    Loaded {
        /// The model's name.
        name: String,
        /// The model's version.
        version: String,
    },
    /// A file can't be used. The model that it was before, if any, goes on.
    Refused {
        /// The model's name.
        name: String,
        /// Every mistake.
        error: ModelError,
    },
    /// A file is gone, and its model with it.
    Removed {
        /// The model's name.
        name: String,
    },
    /// The folder can't be read. All models go on.
    Unreadable {
        /// Why.
        error: ModelsError,
    },
    /// The folder that was configured is not there, and nothing was kept of it: the built-in model serves.
    BuiltIn {
        /// The folder.
        dir: PathBuf,
    },
    /// The files can't be used as they are: those that served last go on. What is wrong with them is told by other
    /// events.
    Resumed {
        /// Where they were kept.
        kept: PathBuf,
    },
    /// What was kept can't be used, and nobody has named a folder: the built-in model serves.
    KeptUnusable {
        /// Where it is.
        kept: PathBuf,
        /// Why.
        error: String,
    },
    /// The models could not be kept: a next start has only the files.
    NotKept {
        /// Where they were to be kept.
        kept: PathBuf,
        /// Why.
        error: String,
    },
}

/// Stands for the folder among the names of models.
const WHOLE_FOLDER: &str = "";

/// Keeps a [`ModelSet`] equal to a folder, as far as the folder is valid.
#[derive(Debug)]
pub struct ModelWatcher {
    dir: PathBuf,
    stream: StreamConfig,
    current: Arc<ModelSet>,
    /// The content of each file that was last taken or refused, hashed.
    seen: BTreeMap<String, u64>,
    /// Files that were empty or gone at the last look. Editors pass through such a state when they
    /// save, so it counts only when the next look finds it too.
    fading: BTreeSet<String>,
    /// Why the folder could not be read at the last look.
    unreadable: Option<String>,
    /// Why files are not what serves, by their models' names; why the folder as a whole is not, under an empty one.
    not_served: BTreeMap<String, String>,
    keeper: Option<Keeper>,
}

/// Keeps what serves.
#[derive(Debug)]
struct Keeper {
    last_good: LastGood,
    /// What need not be kept any more, as it is, or must not be.
    kept: Option<Arc<ModelSet>>,
    /// Why it could not be done when it was last tried.
    failed: Option<String>,
}

impl ModelWatcher {
    /// Loads the models as [`ModelSet::load`] does.
    ///
    /// # Errors
    /// As [`ModelSet::load`].
    pub fn new(
        dir: impl Into<PathBuf>,
        default_name: &str,
        stream: &StreamConfig,
    ) -> Result<Self, ModelsError> {
        let dir = dir.into();
        let folder = read_folder(&dir);
        let models = ModelSet::from_files(&folder, &dir, default_name, stream)?;
        Ok(Self::of(&dir, stream, models, &folder))
    }

    /// Loads the models of a folder. Where its files can't be used, or it is not there, those that served last are
    /// loaded and the files are looked at as if they had just changed. `is_configured` says whether someone has named
    /// the folder, and would want to know that it is not there.
    ///
    /// # Errors
    /// As [`ModelSet::load`], if none of that folder is kept, or what is kept can't be used either and there is no
    /// built-in model to go on with.
    pub fn start(
        settings: &ModelsSettings,
        is_configured: bool,
        stream: &StreamConfig,
        last_good: LastGood,
    ) -> Result<(Self, Vec<ModelEvent>), ModelsError> {
        let (dir, default_name) = (&settings.dir, &*settings.default);
        let folder = read_folder(dir);
        let loaded = ModelSet::from_files(&folder, dir, default_name, stream);
        let (mut watcher, mut events, kept) = match (&folder, loaded) {
            (Ok(_), Ok(models)) => (Self::of(dir, stream, models, &folder), Vec::new(), None),
            (_, loaded) => match resumed(&last_good, dir, default_name, stream) {
                Ok(Some((models, files))) => {
                    let mut watcher = Self::of(dir, stream, models, &Ok(files));
                    let kept = Some(watcher.current());
                    let mut events = vec![ModelEvent::Resumed { kept: last_good.path().to_owned() }];
                    // What is blank or gone has been so for longer than an editor needs.
                    for _ in 0..2 {
                        events.extend(watcher.reload());
                    }
                    (watcher, events, kept)
                }
                Ok(None) => {
                    let mut watcher = Self::of(dir, stream, loaded?, &folder);
                    // It must not serve for a folder that has mistakes once it is there.
                    let kept = Some(watcher.current());
                    let built_in = is_configured.then(|| ModelEvent::BuiltIn { dir: dir.clone() });
                    built_in.iter().for_each(|event| watcher.note(event));
                    (watcher, built_in.into_iter().collect(), kept)
                }
                // What was kept is no reason to refuse a start that would go without it.
                Err(unusable) if !is_configured && loaded.is_ok() => {
                    let mut watcher = Self::of(dir, stream, loaded?, &folder);
                    let kept = Some(watcher.current());
                    let error = in_a_line(&unusable);
                    let event = ModelEvent::KeptUnusable { kept: last_good.path().to_owned(), error };
                    watcher.note(&event);
                    (watcher, vec![event], kept)
                }
                Err(unusable) => {
                    let mut error = loaded.err().unwrap_or(ModelsError { mistakes: Vec::new() });
                    error.mistakes.extend(unusable);
                    return Err(error);
                }
            },
        };
        watcher.keeper = Some(Keeper { last_good, kept, failed: None });
        events.extend(watcher.keep());
        Ok((watcher, events))
    }

    fn of(dir: &Path, stream: &StreamConfig, models: ModelSet, folder: &io::Result<Files>) -> Self {
        Self {
            dir: dir.to_owned(),
            stream: stream.clone(),
            current: Arc::new(models),
            seen: folder.iter().flatten().map(|(name, content)| (name.clone(), hash(content))).collect(),
            fading: BTreeSet::new(),
            // Only a folder that does not exist gets here as an error: it is not news.
            unreadable: folder.as_ref().err().map(ToString::to_string),
            not_served: BTreeMap::new(),
            keeper: None,
        }
    }

    /// Why files are not what serves, by the names of their models; why the folder as a whole is not, under an empty
    /// name.
    pub fn not_served(&self) -> &BTreeMap<String, String> {
        &self.not_served
    }

    /// The models in force.
    pub fn current(&self) -> Arc<ModelSet> {
        Arc::clone(&self.current)
    }

    /// Looks at the folder once. What changed is in [`Self::current`] when this returns.
    pub fn reload(&mut self) -> Vec<ModelEvent> {
        let mut events = match read_folder(&self.dir) {
            Ok(files) => {
                self.unreadable = None;
                self.not_served.remove(WHOLE_FOLDER);
                self.compare(&files)
            }
            Err(error) => self.folder_failed(&error).into_iter().collect(),
        };
        events.iter().for_each(|event| self.note(event));
        events.extend(self.keep());
        events
    }

    /// Remembers what serves and what does not.
    fn note(&mut self, event: &ModelEvent) {
        let (name, reason) = match event {
            ModelEvent::Loaded { name, .. } | ModelEvent::Removed { name } => {
                self.not_served.remove(name);
                return;
            }
            ModelEvent::Refused { name, error } => (name.as_str(), in_a_line(&error.mistakes)),
            ModelEvent::Unreadable { error } => (WHOLE_FOLDER, in_a_line(&error.mistakes)),
            ModelEvent::BuiltIn { dir } => (
                WHOLE_FOLDER,
                format!("{}: there is no such folder, the built-in model serves", dir.display()),
            ),
            ModelEvent::KeptUnusable { kept, error } => {
                let kept = kept.display();
                (WHOLE_FOLDER, format!("{kept} can't be used, the built-in model serves: {error}"))
            }
            ModelEvent::Resumed { .. } | ModelEvent::NotKept { .. } => return,
        };
        self.not_served.insert(name.to_owned(), reason);
    }

    /// Keeps what serves, if that is not done yet. That it can't be is told once for each reason.
    fn keep(&mut self) -> Option<ModelEvent> {
        let Keeper { last_good, kept, failed } = self.keeper.as_mut()?;
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &self.current)) {
            return None;
        }
        match last_good.write(&self.dir, &self.current) {
            Ok(()) => {
                *kept = Some(Arc::clone(&self.current));
                *failed = None;
                None
            }
            Err(error) => {
                let error = error.to_string();
                let is_known = failed.as_ref() == Some(&error);
                *failed = Some(error.clone());
                (!is_known).then(|| ModelEvent::NotKept { kept: last_good.path().to_owned(), error })
            }
        }
    }

    fn folder_failed(&mut self, error: &io::Error) -> Option<ModelEvent> {
        let reason = error.to_string();
        if self.unreadable.as_ref() == Some(&reason) {
            return None;
        }
        self.unreadable = Some(reason);
        Some(ModelEvent::Unreadable { error: ModelsError { mistakes: vec![unreadable(&self.dir, error)] } })
    }

    fn compare(&mut self, files: &Files) -> Vec<ModelEvent> {
        let mut events = Vec::new();
        let mut next = ModelSet::clone(&self.current);
        let faded = std::mem::take(&mut self.fading);
        for name in self.seen.keys().filter(|name| !files.contains_key(*name)).cloned().collect::<Vec<_>>() {
            if faded.contains(&name) {
                self.seen.remove(&name);
                self.not_served.remove(&name);
                events.extend(self.gone(&name, &mut next));
            } else {
                self.fading.insert(name);
            }
        }
        for (name, content) in files {
            let hash = hash(content);
            if self.seen.get(name) == Some(&hash) {
                continue;
            }
            let blank = content.as_ref().is_ok_and(|written| written.text.trim().is_empty());
            if blank && !faded.contains(name) {
                self.fading.insert(name.clone());
                continue;
            }
            self.seen.insert(name.clone(), hash);
            events.push(self.take(name, content, &mut next));
        }
        if *self.current != next {
            self.current = Arc::new(next);
        }
        events
    }

    fn take(&self, name: &str, content: &Result<Written, String>, next: &mut ModelSet) -> ModelEvent {
        let outcome = match next.get(name).is_none() && next.len() >= MAX_MODELS {
            true => Err(vec![Mistake::file(&self.dir, None, too_many(next.len() + 1))]),
            false => model_of(&self.dir, name, content, &self.stream),
        };
        match outcome {
            Ok(model) => {
                let version = model.version.clone();
                next.put(model);
                ModelEvent::Loaded { name: name.to_owned(), version }
            }
            Err(mistakes) => refused(name, mistakes),
        }
    }

    /// A model goes with its file, except the default one: requests that name no model need it.
    fn gone(&self, name: &str, next: &mut ModelSet) -> Option<ModelEvent> {
        if name == next.default_name() {
            let what = "the file of the default model is gone; the model goes on until a new file comes";
            return Some(refused(name, vec![Mistake::file(file_of(&self.dir, name), None, what)]));
        }
        next.get(name)?;
        next.remove(name);
        Some(ModelEvent::Removed { name: name.to_owned() })
    }
}

/// The models that served last from a folder, and the files that they were; none if none are kept.
fn resumed(
    last_good: &LastGood,
    dir: &Path,
    default_name: &str,
    stream: &StreamConfig,
) -> Result<Option<(ModelSet, Files)>, Vec<Mistake>> {
    let unusable = |what: String| vec![Mistake::file(last_good.path(), None, what)];
    let Some(kept) = last_good.read(dir).map_err(|error| unusable(error.to_string()))? else {
        return Ok(None);
    };
    let files: io::Result<Files> = Ok(kept.into_iter().map(|(name, written)| (name, Ok(written))).collect());
    // It can only be the configuration that has changed.
    let stale = |error: ModelsError| {
        let why = in_a_line(&error.mistakes);
        unusable(format!("the models that served last can't serve with this configuration either: {why}"))
    };
    let models = ModelSet::from_files(&files, dir, default_name, stream).map_err(stale)?;
    Ok(files.ok().map(|files| (models, files)))
}

fn refused(name: &str, mistakes: Vec<Mistake>) -> ModelEvent {
    ModelEvent::Refused { name: name.to_owned(), error: ModelError { name: name.to_owned(), mistakes } }
}

fn hash(content: &Result<Written, String>) -> u64 {
    match content {
        Ok(Written { text, forest: None }) => xxh3_64(text.as_bytes()),
        Ok(Written { text, forest: Some(forest) }) => {
            let of_forest = match &forest.content {
                Ok(content) => xxh3_64(content.as_bytes()),
                Err(reason) => !xxh3_64(reason.as_bytes()),
            };
            xxh3_64_with_seed(text.as_bytes(), of_forest)
        }
        Err(reason) => !xxh3_64(reason.as_bytes()),
    }
}

#[cfg(test)]
mod tests;

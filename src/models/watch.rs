//! Rereads models while the service runs.
//!
//! It compares contents, not modification times, so it notices whatever way a file changes:
//! written in place, renamed over, or behind a symbolic link that is swapped, as Kubernetes does.
//! The caller owns the timer and publishes [`ModelWatcher::current`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::config::mistake::Mistake;
use crate::engine::config::StreamConfig;
use crate::models::ModelError;
use crate::models::load::{
    Files, MAX_MODELS, ModelSet, ModelsError, file_of, model_of, read_folder, too_many, unreadable,
};

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
}

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
        let current = Arc::new(ModelSet::from_files(&folder, &dir, default_name, stream)?);
        let seen = folder.iter().flatten().map(|(name, content)| (name.clone(), hash(content))).collect();
        // Only a folder that does not exist gets here as an error: it is not news.
        let unreadable = folder.err().map(|error| error.to_string());
        Ok(Self { dir, stream: stream.clone(), current, seen, fading: BTreeSet::new(), unreadable })
    }

    /// The models in force.
    pub fn current(&self) -> Arc<ModelSet> {
        Arc::clone(&self.current)
    }

    /// Looks at the folder once. What changed is in [`Self::current`] when this returns.
    pub fn reload(&mut self) -> Vec<ModelEvent> {
        match read_folder(&self.dir) {
            Ok(files) => {
                self.unreadable = None;
                self.compare(&files)
            }
            Err(error) => self.folder_failed(&error).into_iter().collect(),
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
            let blank = content.as_ref().is_ok_and(|text| text.trim().is_empty());
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

    fn take(&self, name: &str, content: &Result<String, String>, next: &mut ModelSet) -> ModelEvent {
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

fn refused(name: &str, mistakes: Vec<Mistake>) -> ModelEvent {
    ModelEvent::Refused { name: name.to_owned(), error: ModelError { name: name.to_owned(), mistakes } }
}

fn hash(content: &Result<String, String>) -> u64 {
    match content {
        Ok(text) => xxh3_64(text.as_bytes()),
        Err(reason) => !xxh3_64(reason.as_bytes()),
    }
}

#[cfg(test)]
mod tests;

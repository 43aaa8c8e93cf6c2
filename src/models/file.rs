//! Reads one model file. Every section may be left out; what holds then is what the edition says that the file
//! names: for the first one, which holds for files that name none, it is in `models/default.toml`, for the second one in
//! `file/second_edition.toml`. A test compares them with files that name nothing else.

mod defaults;
mod keys;
mod reader;
mod rules;
mod whole;

use std::fmt;
use std::path::Path;

use crate::config::document;
use crate::config::mistake::{Mistake, Source, write_list};
use crate::config::rules::Rule;
use crate::engine::config::StreamConfig;
use crate::engine::rank::model::Model;
use reader::Reader;
use rules::EDITION;

/// Why a model can't be used: every mistake in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    /// The model's name.
    pub name: String,
    /// In the order of the file.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, &format!("model `{}` can't be used", self.name), &self.mistakes)
    }
}

impl std::error::Error for ModelError {}

/// The model that a file's content describes, for a stream. `path` is what mistakes name.
///
/// # Errors
/// Every mistake, with its line, key, value and what was expected.
pub fn parse_model(name: &str, path: &Path, text: &str, stream: &StreamConfig) -> Result<Model, ModelError> {
    let in_file = |line| Source::File { path: path.to_owned(), line };
    read(name, text, stream, &in_file).map_err(|mistakes| ModelError { name: name.to_owned(), mistakes })
}

/// [`parse_model`] for a model of which `source` tells where a line of it is written.
pub(super) fn read(
    name: &str,
    text: &str,
    stream: &StreamConfig,
    source: &dyn Fn(Option<usize>) -> Source,
) -> Result<Model, Vec<Mistake>> {
    let entries = document::entries(text).map_err(|errors| {
        let what = |error: document::SyntaxError| Mistake {
            source: source(Some(error.line)),
            key: String::new(),
            problem: crate::config::Problem::File(format!("not TOML: {}", error.message)),
        };
        errors.into_iter().map(what).collect::<Vec<_>>()
    })?;
    let edition = entries.iter().find(|entry| entry.path == ["edition"]);
    let edition = edition.and_then(|entry| EDITION.read(&entry.value)).unwrap_or(1);
    let mut reader = Reader::new(name, text, stream, source, edition);
    entries.iter().for_each(|entry| reader.entry(entry));
    reader.finish()
}

#[cfg(test)]
mod tests;

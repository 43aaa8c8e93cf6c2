//! Reads one model file. Every section may be left out; what holds then is in `docs/models.md`, which a test compares
//! with an empty file. It is what held before there was the key, so that old files go on to mean what they meant.

mod defaults;
mod keys;
mod reader;
mod rules;
mod whole;
mod written;

use std::fmt;
use std::path::Path;

use crate::config::document;
use crate::config::mistake::{Mistake, Source, write_list};
use crate::engine::config::StreamConfig;
use crate::engine::rank::model::Model;
use reader::Reader;
pub use written::{MAX_BYTES, Written};

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
    parse_written(name, path, &Written { text: text.to_owned(), forest: None }, stream)
}

/// The same of a file that may name a forest.
///
/// # Errors
/// As [`parse_model`], and what is wrong with the forest's file.
pub fn parse_written(
    name: &str,
    path: &Path,
    written: &Written,
    stream: &StreamConfig,
) -> Result<Model, ModelError> {
    let in_file = |line| Source::File { path: path.to_owned(), line };
    read(name, written, stream, &in_file).map_err(|mistakes| ModelError { name: name.to_owned(), mistakes })
}

/// [`parse_model`] for a model of which `source` tells where a line of it is written.
pub(super) fn read(
    name: &str,
    written: &Written,
    stream: &StreamConfig,
    source: &dyn Fn(Option<usize>) -> Source,
) -> Result<Model, Vec<Mistake>> {
    let entries = document::entries(&written.text).map_err(|errors| {
        let what = |error: document::SyntaxError| Mistake {
            source: source(Some(error.line)),
            key: String::new(),
            problem: crate::config::Problem::File(format!("not TOML: {}", error.message)),
        };
        errors.into_iter().map(what).collect::<Vec<_>>()
    })?;
    let mut reader = Reader::new(name, written, stream, source);
    entries.iter().for_each(|entry| reader.entry(entry));
    reader.finish()
}

#[cfg(test)]
mod tests;

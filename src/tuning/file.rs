//! A model file as a table whose numbers may be put in place of others, with everything else as it is.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::engine::config::StreamConfig;
use crate::engine::rank::model::Model;
use crate::models::{ModelError, parse_model};

/// A model file that was read.
#[derive(Clone, Debug)]
pub struct ModelFile {
    path: PathBuf,
    table: Table,
    model: Model,
}

impl ModelFile {
    /// Reads a file's text by the rules of all models. `path` is what mistakes name.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read(name: &str, path: &Path, text: &str, stream: &StreamConfig) -> Result<Self, ModelError> {
        let model = parse_model(name, path, text, stream)?;
        // A text that is a model is a table.
        let table = text.parse().unwrap_or_default();
        Ok(Self { path: path.to_owned(), table, model })
    }

    /// What it says.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The number that the file itself gives by a path of keys, if it gives one.
    pub(super) fn number(&self, path: &[&str]) -> Option<f64> {
        let (last, tables) = path.split_last()?;
        let mut table = &self.table;
        for name in tables {
            table = table.get(*name)?.as_table()?;
        }
        let value = table.get(*last)?;
        value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
    }

    /// The same file with other values; the tables that they are in are made where there are none.
    ///
    /// # Errors
    /// It is no model any more, as its mistakes say.
    pub fn with(
        &self,
        values: impl Iterator<Item = (Vec<String>, Value)>,
        name: &str,
        stream: &StreamConfig,
    ) -> Result<Self, ModelError> {
        let mut table = self.table.clone();
        values.for_each(|(path, value)| put(&mut table, &path, value));
        Self::read(name, &self.path, &table.to_string(), stream)
    }

    /// The file's text, without the comments that it may have had.
    pub fn text(&self) -> String {
        self.table.to_string()
    }
}

fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

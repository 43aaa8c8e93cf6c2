//! Why a data set can't be written.

use std::io;
use std::path::PathBuf;

use crate::generate::InvalidSettings;

/// Why nothing, or not everything, was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// An option is out of its range.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// A file is in the way.
    #[error("{0} exists; choose another --out, or add --force to overwrite it")]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The summary cannot be printed.
    #[error("cannot print the summary: {0}")]
    Print(io::Error),
}

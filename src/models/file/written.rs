//! What the files of a model hold.

use std::path::Path;

use crate::files::small::{SmallFileError, read_text};
use crate::models::forest::{self, ForestFile};

/// The largest model file, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// What a model's file holds, and that of the forest that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The model's file.
    pub text: String,
    /// The forest's, if it names one.
    pub forest: Option<ForestFile>,
}

impl Written {
    /// Reads a model's file, and that of its forest, which lies beside it.
    ///
    /// # Errors
    /// The model's file can't be read. Where the forest's can't, it says so itself.
    pub fn read(path: &Path) -> Result<Self, SmallFileError> {
        let text = read_text(path, "a model", MAX_BYTES)?;
        let dir = path.parent().unwrap_or(Path::new(""));
        let forest = forest::named(&text).map(|name| ForestFile::read(dir, &name));
        Ok(Self { text, forest })
    }
}

//! The file of a forest beside that of its model.

use std::path::{Path, PathBuf};

use crate::config::document;
use crate::files::small::read_text;

/// The largest file of a forest.
pub const MAX_BYTES: u64 = 8 << 20;
/// The longest name of such a file.
const MAX_NAME: usize = 128;

/// The file of a forest, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForestFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds, or what went wrong in reading it.
    pub content: Result<String, String>,
}

impl ForestFile {
    /// Reads the file of that name in a folder.
    pub fn read(dir: &Path, name: &str) -> Self {
        let path = dir.join(name);
        let content = read_text(&path, "a forest", MAX_BYTES).map_err(|error| error.to_string());
        Self { path, content }
    }
}

/// Whether a model may name its forest so: a file beside its own, that none of another kind is called.
pub fn is_file_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let ending = Path::new(name).extension().is_some_and(|ending| ending == "json");
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(legal) && !name.starts_with('.') && ending
}

/// The name of the forest's file that the content of a model's file names. None: it names none, or none that may be.
pub fn named(text: &str) -> Option<String> {
    // Most have none, and are looked at twice a second.
    if !text.contains("forest") {
        return None;
    }
    let entries = document::entries(text).ok()?;
    let file = entries.iter().find(|entry| entry.path == ["forest", "file"])?;
    file.value.as_str().filter(|name| is_file_name(name)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forest_is_a_file_beside_its_model_and_nowhere_else() {
        for name in ["news.forest.json", "a.json", "A_1-b.json"] {
            assert!(is_file_name(name), "{name}");
            assert_eq!(named(&format!("[forest]\nfile = \"{name}\"")).as_deref(), Some(name));
        }
        let long = format!("{}.json", "a".repeat(124));
        for name in
            ["", "../a.json", "/a.json", "b/a.json", "..", ".a.json", "a.toml", ".json", "a\0.json", &long]
        {
            assert!(!is_file_name(name), "{name}");
        }
        for text in ["", "forest = 1", "[forest]\nrerank = 5", "[forest]\nfile = 7", "[forest"] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}

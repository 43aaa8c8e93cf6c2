//! The models that served last, kept beside the data: a start that finds their files refused or gone goes on with them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::file::{MAX_BYTES, Written};
use super::forest::{self, ForestFile};
use super::load::{MAX_MODELS, ModelSet};
use crate::engine::rank::model::Model;
use crate::files::small::{SmallFileError, read_text};

/// As many models as there may be, each with a forest, with each of their bytes written as two.
const MAX_KEPT: u64 = 2 * MAX_MODELS as u64 * (MAX_BYTES + forest::MAX_BYTES) + 4096;

/// Where they are kept.
#[derive(Clone, Debug)]
pub struct LastGood {
    path: PathBuf,
}

#[derive(Deserialize, Serialize)]
struct Kept {
    /// The folder that they came from.
    dir: String,
    /// What their files held, by their names.
    models: BTreeMap<String, String>,
    /// What the files of their forests held, by the names of the models.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    forests: BTreeMap<String, String>,
    /// The hash of all that.
    xxh3: String,
}

/// Why what was kept can't be used. It reads on after the name of the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum LastGoodError {
    #[error(transparent)]
    File(#[from] SmallFileError),
    #[error("is damaged: {0}")]
    Json(#[from] serde_json::Error),
    #[error("is damaged: it has another hash than it says")]
    Hash,
}

impl LastGood {
    /// Keeps them in a folder, which is there.
    pub fn in_folder(dir: &Path) -> Self {
        Self { path: dir.join("models.json") }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the files of a folder held when they served last; none if none of that folder is kept.
    pub(super) fn read(&self, dir: &Path) -> Result<Option<BTreeMap<String, Written>>, LastGoodError> {
        let text = match read_text(&self.path, "what is kept of models", MAX_KEPT) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let kept: Kept = serde_json::from_str(&text)?;
        if kept.xxh3 != hash(&kept.dir, &kept.models, &kept.forests) {
            return Err(LastGoodError::Hash);
        }
        if kept.dir != name(dir) {
            return Ok(None);
        }
        let mut forests = kept.forests;
        let written = |(name, text): (String, String)| {
            let file = forest::named(&text).zip(forests.remove(&name));
            let forest =
                file.map(|(file, content)| ForestFile { path: dir.join(file), content: Ok(content) });
            (name, Written { text, forest })
        };
        Ok(Some(kept.models.into_iter().map(written).collect()))
    }

    /// Keeps models that came from a folder, on disk when this returns.
    pub(super) fn write(&self, dir: &Path, models: &ModelSet) -> io::Result<()> {
        let dir = name(dir);
        let reranking =
            |model: &Arc<Model>| Some((model.name.clone(), model.reranking.as_ref()?.source.clone()));
        let forests = models.iter().filter_map(reranking).collect();
        let models = models.iter().map(|model| (model.name.clone(), model.source.clone())).collect();
        let kept = Kept { xxh3: hash(&dir, &models, &forests), dir, models, forests };
        // Whole or not at all, wherever it breaks off.
        let partial = self.path.with_extension("json.partial");
        let mut file = File::create(&partial)?;
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
        file.sync_all()?;
        fs::rename(&partial, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

fn name(dir: &Path) -> String {
    dir.display().to_string()
}

fn hash(dir: &str, models: &BTreeMap<String, String>, forests: &BTreeMap<String, String>) -> String {
    let mut text = String::from(dir);
    for (name, source) in models {
        text.push_str(&format!("\0{name}\0{source}"));
    }
    // No model has an empty name: so where the models end is seen.
    for (name, source) in forests {
        text.push_str(&format!("\0\0{name}\0{source}"));
    }
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::StreamConfig;

    #[test]
    fn what_was_kept_of_a_folder_is_read_for_it_alone_and_nothing_that_is_damaged() {
        let dir = tempfile::tempdir().expect("a folder");
        let last_good = LastGood::in_folder(dir.path());
        let folder = dir.path().join("models");
        assert!(last_good.read(&folder).is_ok_and(|kept| kept.is_none()), "nothing was kept");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("default.toml"), "# \"mine\"\n").expect("a model");
        let models = ModelSet::load(&folder, "default", &StreamConfig::default()).expect("a model");
        last_good.write(&folder, &models).expect("it is kept");
        let written = Written { text: "# \"mine\"\n".to_owned(), forest: None };
        let kept = BTreeMap::from([("default".to_owned(), written)]);
        assert_eq!(last_good.read(&folder).expect("sound"), Some(kept));
        assert!(last_good.read(dir.path()).is_ok_and(|kept| kept.is_none()), "that is another folder");

        let text = fs::read_to_string(last_good.path()).expect("text");
        for (from, to) in [("mine", "yours"), ("\"default\"", "\"other\""), ("/models", "/m0dels")] {
            fs::write(last_good.path(), text.replacen(from, to, 1)).expect("written");
            assert!(matches!(last_good.read(&folder), Err(LastGoodError::Hash)), "{from}");
        }
        for cut in 0..text.len() {
            fs::write(last_good.path(), &text[..cut]).expect("written");
            assert!(matches!(last_good.read(&folder), Err(LastGoodError::Json(_))), "cut at {cut}");
        }
    }
}

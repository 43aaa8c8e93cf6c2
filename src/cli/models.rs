//! `headwater models check`: validates model files without a server.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::config::{CheckError, ConfigArgs, named_folder, report};
use crate::config::ModelSet;

/// Check model files and say everything that is wrong with them
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  headwater models check\n  headwater models check my-models --json")]
pub struct CheckModels {
    /// The folder of model files [default: models.dir of the configuration]
    dir: Option<PathBuf>,
    #[command(flatten)]
    from: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CheckModels {
    /// Runs the command. The stream's event types and windows are those of the configuration. With
    /// `--json`, mistakes are written to `out` too.
    ///
    /// # Errors
    /// The configuration or a model can't be used, or `out` can't be written.
    pub fn run(&self, environment: &BTreeMap<String, String>, out: &mut dyn Write) -> Result<(), CheckError> {
        let models = report(self.load(environment), self.json, out)?;
        if self.json {
            let listed: Vec<_> =
                models.iter().map(|model| json!({ "name": model.name, "version": model.version })).collect();
            writeln!(out, "{:#}", json!({ "ok": true, "mistakes": [], "models": listed }))?;
        } else {
            for model in models.iter() {
                let default = if model.name == models.default_name() { "  (default)" } else { "" };
                writeln!(out, "ok: {} {}{default}", model.name, model.version)?;
            }
        }
        Ok(())
    }

    fn load(&self, environment: &BTreeMap<String, String>) -> Result<ModelSet, CheckError> {
        let config = self.from.load(environment)?;
        if let Some(dir) = &self.dir {
            named_folder(dir)?;
        }
        let dir = self.dir.as_deref().unwrap_or(&config.models.dir);
        Ok(ModelSet::load(dir, &config.models.default, &config.stream)?)
    }
}

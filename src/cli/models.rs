//! `headwater models`: the models of a running server, and whether files are valid ones.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::client::{ClientError, ServerArgs};
use super::config::{CheckError, ConfigArgs, named_folder, report};
use super::error::CliError;
use super::print::{show_instant, write_json, write_table};
use super::runtime::block_on;
use super::terminal::visible;
use crate::models::ModelSet;
use crate::proto;
use crate::proto::model_service_client::ModelServiceClient;

/// Show the models of a running server, or check model files
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  headwater models list\n  headwater models show default\n  headwater models check models"
)]
pub struct ModelsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum Action {
    /// List the models that a server has loaded
    List {
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a model as a server has loaded it
    Show {
        /// Its name [default: the server's default]
        #[arg(default_value = "", hide_default_value = true)]
        name: String,
        #[command(flatten)]
        server: ServerArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Check(CheckModels),
}

impl ModelsCommand {
    pub(super) fn run(
        &self,
        environment: &BTreeMap<String, String>,
        out: &mut dyn Write,
    ) -> Result<(), CliError> {
        match &self.action {
            Action::Check(check) => Ok(check.run(environment, out)?),
            Action::List { server, json } => block_on(list(server, *json, out)),
            Action::Show { name, server, json } => block_on(show(name, server, *json, out)),
        }
    }
}

async fn list(server: &ServerArgs, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let mut client = ModelServiceClient::new(server.connect().await?);
    let answer =
        client.list_models(proto::ListModelsRequest {}).await.map_err(ClientError::from)?.into_inner();
    if json {
        return write_json("ListModelsResponse", &answer, out);
    }
    let mut rows = vec![vec!["model".to_owned(), "version".to_owned()]];
    rows.extend(answer.models.into_iter().map(|model| {
        let default = if model.name == answer.default_model { "(default)" } else { "" };
        vec![model.name, model.version, default.to_owned()]
    }));
    write_table(&rows, out)?;
    for file in answer.files_not_served {
        writeln!(out, "not served since {}: {}", show_instant(file.since.as_ref()), file.reason)?;
    }
    Ok(())
}

async fn show(name: &str, server: &ServerArgs, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let mut client = ModelServiceClient::new(server.connect().await?);
    let request = proto::GetModelRequest { name: name.to_owned() };
    let answer = client.get_model(request).await.map_err(ClientError::from)?.into_inner();
    if json {
        return write_json("GetModelResponse", &answer, out);
    }
    let model = answer.model.unwrap_or_default();
    writeln!(out, "# {} {}", visible(&model.name), visible(&model.version))?;
    // Line by line, as their ends may be those of another system.
    Ok(answer.toml.lines().try_for_each(|line| writeln!(out, "{line}"))?)
}

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

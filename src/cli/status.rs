//! `headwater status`: how a running server is.

use std::io::Write;

use super::client::{ClientError, ServerArgs, patiently};
use super::error::CliError;
use super::print::{show_instant, write_json, write_table};
use crate::proto;
use crate::proto::status_service_client::StatusServiceClient;

/// Show what a running server is and how it is: version, configuration, log, models, partitions, and what is wrong
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  headwater status\n  headwater status --json | jq .reasons")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    pub(super) async fn run(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let client = StatusServiceClient::new(self.server.connect().await?);
        // Who asks wants to know most of all when it is overloaded.
        let ask = || {
            let mut client = client.clone();
            async move { client.get_status(proto::GetStatusRequest {}).await }
        };
        let status: Result<_, ClientError> = patiently(ask).await;
        match self.json {
            true => write_json("GetStatusResponse", &status?, out),
            false => write(&status?, out),
        }
    }
}

fn write(status: &proto::GetStatusResponse, out: &mut dyn Write) -> Result<(), CliError> {
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let model = |model: &proto::ModelRef| match model.name == status.default_model {
        true => format!("{} {} (default)", model.name, model.version),
        false => format!("{} {}", model.name, model.version),
    };
    let models: Vec<String> = status.models.iter().map(model).collect();
    let state = format!("{} since {}", status.state, show_instant(status.since.as_ref()));
    let mut rows = vec![row("state", state)];
    rows.extend(status.reasons.iter().map(|reason| row("", reason.clone())));
    rows.extend([
        row("version", format!("{}, commit {}", status.version, status.commit)),
        row("started", show_instant(status.started_at.as_ref())),
        row("configuration", format!("{}, hash {}", status.configuration, status.configuration_hash)),
        row("log", status.log.clone()),
        row("data", status.data_dir.clone()),
        row("models", format!("{} from {}", models.join(", "), status.models_dir)),
    ]);
    rows.extend(status.model_files_not_served.iter().map(|file| {
        let since = show_instant(file.since.as_ref());
        row("", format!("not served since {since}: {}", file.reason))
    }));
    rows.push(row("catalog", format!("{} items, lag {}", status.catalog_items, status.items_lag)));
    rows.push(row("partitions", format!("{} of {}", status.partitions.len(), status.partitions_total)));
    write_table(&rows, out)?;
    if status.partitions.is_empty() {
        return Ok(());
    }
    let titles =
        ["partition", "next offset", "lag", "users", "in a snapshot until"].map(str::to_owned).to_vec();
    let mut rows = vec![titles];
    rows.extend(status.partitions.iter().map(|partition| {
        let numbers = [u64::from(partition.partition), partition.next_offset, partition.lag, partition.users];
        let mut row: Vec<String> = numbers.iter().map(u64::to_string).collect();
        row.push(show_instant(partition.in_snapshot_until.as_ref()));
        row
    }));
    writeln!(out)?;
    Ok(write_table(&rows, out)?)
}

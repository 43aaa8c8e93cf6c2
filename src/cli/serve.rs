//! `headwater serve`: runs the service until it is told to stop.

use std::collections::BTreeMap;

use tokio::signal::unix::{SignalKind, signal};

use super::config::ConfigArgs;
use super::error::CliError;
use crate::app::App;
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  headwater serve                                            embedded journal under ./headwater-data
  headwater serve --set kafka.brokers=127.0.0.1:9092         topics `clicks` and `items`
  headwater serve --config headwater.toml
  HEADWATER_SERVER__GRPC_ADDR=0.0.0.0:7400 headwater serve

`headwater config default` prints every option. SIGTERM and ctrl-c drain: no new requests, a last
snapshot, exit code 0.";

/// Run the service
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    from: ConfigArgs,
}

pub(super) async fn run(args: &ServeArgs, environment: &BTreeMap<String, String>) -> Result<(), CliError> {
    let config = args.from.load(environment)?;
    telemetry::init(config.telemetry.log_format, &config.telemetry.log).map_err(CliError::Failed)?;
    // Installed before anything is started, so that an early signal is not missed.
    let stop = stop_signal()?;
    let app = App::start(&config).await?;
    let log = config
        .kafka()
        .map_or_else(|| config.journal.dir.display().to_string(), |kafka| kafka.brokers.clone());
    tracing::info!(grpc = %app.grpc_addr(), http = %app.http_addr(), log, "serving");
    Ok(app.run_until(stop).await?)
}

/// Resolves at SIGTERM or ctrl-c.
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

//! `headwater serve`: runs the service until it is told to stop.

use std::collections::BTreeMap;
use std::pin::pin;

use super::config::ConfigArgs;
use super::error::CliError;
use super::signals::stop_signal;
use crate::app::App;
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  headwater serve                                            embedded journal under ./headwater-data
  headwater serve --set kafka.brokers=127.0.0.1:9092         topics `clicks` and `items`
  headwater serve --config headwater.toml
  HEADWATER_SERVER__GRPC_ADDR=0.0.0.0:7400 headwater serve

`headwater config default` prints every option. SIGTERM and ctrl-c stop it in order: health says so,
requests are served on for server.shutdown_delay, those under way are finished, state is saved, exit
code 0. A second signal ends it at once, exit code 1.";

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
    let mut stop = pin!(stop_signal()?);
    let app = tokio::select! {
        app = App::start(&config) => app?,
        // Nothing was served yet, and nothing is to be saved.
        () = &mut stop => {
            tracing::info!("stopped before it was started");
            return Ok(());
        }
    };
    let log = config
        .kafka()
        .map_or_else(|| config.journal.dir.display().to_string(), |kafka| kafka.brokers.clone());
    tracing::info!(grpc = %app.grpc_addr(), http = %app.http_addr(), log, "serving");
    Ok(app.run_until(stop).await?)
}

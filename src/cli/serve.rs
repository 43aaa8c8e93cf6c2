//! `headwater serve`: runs the service until it is told to stop.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::config::ConfigArgs;
use super::error::CliError;
use super::runtime::keep_files_private;
use super::signals::stop_signal;
use crate::app::App;
use crate::config::Config;
use crate::telemetry::{self, LogFormat, LogLevels};

const EXAMPLES: &str = "\
Examples:
  headwater serve                                            embedded journal under ./headwater-data
  headwater serve --set kafka.brokers=127.0.0.1:9092         topics `clicks` and `items`
  headwater serve --config headwater.toml
  HEADWATER_SERVER__GRPC_ADDR=0.0.0.0:7400 headwater serve

`headwater config default` prints every option. SIGTERM and ctrl-c stop it in order: health says so,
requests are served on for server.shutdown_delay, those under way are finished, state is saved, exit
code 0. A second signal ends it at once, exit code 1. SIGHUP has it look at its model files at once, and at its
configuration: telemetry.log changes, and the log names what else has changed and needs a restart.";

/// What changes without a restart.
const LIVE: &str = "telemetry.log";

/// Run the service
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    from: ConfigArgs,
}

pub(super) async fn run(args: &ServeArgs, environment: &BTreeMap<String, String>) -> Result<(), CliError> {
    let config = args.from.load(environment).map_err(|error| {
        let format = args.from.log_format(environment);
        not_started(format, error.into())
    })?;
    let format = config.telemetry.log_format;
    let levels = telemetry::init(format, &config.telemetry.log).map_err(CliError::Failed)?;
    keep_files_private();
    // Installed before anything is started, so that an early signal is not missed, and none ends it.
    let hangups = signal(SignalKind::hangup())?;
    let mut stop = pin!(stop_signal()?);
    let app = tokio::select! {
        app = App::start(&config) => app.map_err(|error| not_started(format, error.into()))?,
        // Nothing was served yet, and nothing is to be saved.
        () = &mut stop => {
            tracing::info!("stopped before it was started");
            return Ok(());
        }
    };
    tracing::info!(grpc = %app.grpc_addr(), http = %app.http_addr(), models = app.models(), "serving");
    let reload = reload(hangups, args, environment, config, app.look_at_models(), levels);
    let ended = tokio::select! {
        ended = app.run_until(stop) => ended,
        never = reload => match never {},
    };
    ended.map_err(|error| told(format, error.into(), "ended"))
}

fn not_started(format: LogFormat, error: CliError) -> CliError {
    told(format, error, "not started")
}

/// Where each line is JSON, so is the last one, which says why.
fn told(format: LogFormat, error: CliError, what: &str) -> CliError {
    if format == LogFormat::Text || telemetry::init(format, "error").is_err() {
        return error;
    }
    // What is logged may leave it out.
    if !tracing::enabled!(tracing::Level::ERROR) {
        return error;
    }
    tracing::error!(%error, "{what}");
    CliError::Told
}

/// Does what may be done without a restart, whenever it is told to.
async fn reload(
    mut hangups: Signal,
    args: &ServeArgs,
    environment: &BTreeMap<String, String>,
    mut config: Config,
    models: Arc<Notify>,
    levels: LogLevels,
) -> Infallible {
    loop {
        if hangups.recv().await.is_none() {
            // No signals come any more.
            std::future::pending::<()>().await;
        }
        models.notify_one();
        let new = match args.from.load(environment) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(%error, "reload: the configuration goes on as it was");
                continue;
            }
        };
        let changed = config.differing(&new);
        let (live, restart): (Vec<&str>, Vec<&str>) =
            changed.iter().map(String::as_str).partition(|key| *key == LIVE);
        if !live.is_empty() {
            match levels.set(&new.telemetry.log) {
                Ok(()) => config.telemetry.log.clone_from(&new.telemetry.log),
                Err(error) => tracing::error!(error, "reload: what is logged goes on as it was"),
            }
        }
        let (changed, needs_restart) = (live.join(", "), restart.join(", "));
        match restart.is_empty() {
            true => tracing::info!(changed, "reload: model files are looked at"),
            false => tracing::warn!(changed, needs_restart, "reload: not all takes effect without a restart"),
        }
    }
}

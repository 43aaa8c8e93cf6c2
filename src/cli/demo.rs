//! `headwater demo`: starts the service, fills it, and shows how one person's list follows her
//! clicks. Everything goes through the real ports: what is shown is what any client would get.

mod crowd;
mod frame;
mod screen;
mod script;
mod service;
mod story;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use super::signals::stop_signal;
use crate::app::App;
use crate::clock::wall_clock;
use crate::config::Config;
use crate::telemetry;
use screen::Screen;
use story::Story;

const EXAMPLES: &str = "\
Examples:
  headwater demo
  headwater demo --pace 3000 --clicks 20
  headwater demo --kafka 127.0.0.1:9092
  headwater demo --set server.grpc_addr=127.0.0.1:0 --set server.http_addr=127.0.0.1:0 --exit

Everything is generated: nothing is fetched. Data goes to a temporary folder that is removed at the
end. If ./models is there, its models rank: change a weight while the demo runs and watch the list.";

/// Only what goes wrong: anything else would disturb the picture. What librdkafka says of its work
/// with a broker that is busy is not for here: if a log stays away, we say so ourselves.
const LOG: &str = "warn,rdkafka=off,librdkafka=off";

/// The topics of a demo, so that it leaves the real ones alone.
const CLICKS_TOPIC: &str = "headwater-demo-clicks";
const ITEMS_TOPIC: &str = "headwater-demo-items";

/// See it work: one person's list follows her clicks
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DemoArgs {
    /// Send and read events through this Kafka rather than the embedded journal, in topics
    /// `headwater-demo-clicks` and `headwater-demo-items`
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Milliseconds from one click to the next
    #[arg(long, value_name = "MS", default_value_t = 1500)]
    pace: u64,
    /// How many clicks the story has
    #[arg(long, value_name = "N", default_value_t = 10)]
    clicks: usize,
    /// Names the catalog, the crowd and what she likes
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Stop after the story rather than serve on until ctrl-c
    #[arg(long)]
    exit: bool,
    /// Keep data in this folder [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Override an option, such as --set server.grpc_addr=127.0.0.1:7500; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

pub(super) async fn run(
    args: &DemoArgs,
    environment: &BTreeMap<String, String>,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let folder = Folder::new(args.data.as_deref());
    let config = args.config(&folder, environment)?;
    telemetry::init(telemetry::LogFormat::Text, LOG).map_err(CliError::Failed)?;
    let stop = stop_signal()?;
    // A terminal that is closed must not leave data behind.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut screen = Screen::new(out);
    let app = App::start(&config).await?;
    let mut story = Story::new(args, &config, &app);
    let mut told = Ok(());
    let ran = app
        .run_until(async {
            tokio::select! {
                () = stop => {}
                _ = hangup.recv() => {}
                result = story.tell(&mut screen) => told = result,
            }
            // Back to the shell's own screen at once: the service may take a moment to drain.
            told = std::mem::replace(&mut told, Ok(())).and(screen.leave().map_err(CliError::from));
        })
        .await;
    drop(folder);
    ran?;
    told
}

impl DemoArgs {
    /// What is given here counts more than the environment, and `--set` more than that. The file
    /// of the working directory is left out: it may name a Kafka that is no place for a demo.
    fn config(&self, folder: &Folder, environment: &BTreeMap<String, String>) -> Result<Config, CliError> {
        let mut set = vec![
            format!("data.dir={}", folder.path.display()),
            format!("kafka.brokers={}", self.kafka.as_deref().unwrap_or_default()),
            format!("kafka.clicks_topic={CLICKS_TOPIC}"),
            format!("kafka.items_topic={ITEMS_TOPIC}"),
            "server.pool_refresh=250ms".to_owned(),
            // Nobody spreads requests over demos.
            "server.shutdown_delay=0s".to_owned(),
        ];
        set.extend(self.set.iter().cloned());
        Ok(Config::load(Some(Path::new("/dev/null")), environment, &set)?)
    }
}

/// Where the data is. Dropped, a temporary one is removed.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(asked: Option<&Path>) -> Self {
        let own =
            || std::env::temp_dir().join(format!("headwater-demo-{}-{}", std::process::id(), wall_clock()));
        Self { path: asked.map_or_else(own, Path::to_owned), temporary: asked.is_none() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // It may not have been made yet; what can't be removed is the system's to clean.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The command as it was called, for people to call it again.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "headwater".to_owned())
}

/// How long something may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(30);

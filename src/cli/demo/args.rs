//! How a demo is asked for, and the configuration that it makes of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError};

const EXAMPLES: &str = "\
Examples:
  headwater demo
  headwater demo --pace 3000 --clicks 20
  headwater demo --kafka 127.0.0.1:9092
  headwater demo --set server.grpc_addr=127.0.0.1:0 --set server.http_addr=127.0.0.1:0 --exit

Everything is generated: nothing is fetched. Data goes to a temporary folder that is removed at the
end. If ./models is there, its models rank: change a weight while the demo runs and watch the list.";

/// The topics of a demo, so that it leaves the real ones alone.
const CLICKS_TOPIC: &str = "headwater-demo-clicks";
const ITEMS_TOPIC: &str = "headwater-demo-items";

/// See it work: one person's list follows her clicks
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Send and read events through this Kafka rather than the embedded journal, in topics
    /// `headwater-demo-clicks` and `headwater-demo-items`
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// Milliseconds from one click to the next
    #[arg(long, value_name = "MS", default_value_t = 1500)]
    pub pace: u64,
    /// How many clicks the story has
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub clicks: usize,
    /// Names the catalog, the crowd and what she likes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Stop after the story rather than serve on until ctrl-c
    #[arg(long)]
    pub exit: bool,
    /// Keep data in this folder [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Override an option, such as --set server.grpc_addr=127.0.0.1:7500; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

impl DemoArgs {
    /// What is given here counts more than the environment, and `--set` more than that. The file
    /// of the working directory is left out: it may name a Kafka that is no place for a demo.
    pub fn config(
        &self,
        folder: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Config, ConfigError> {
        let mut set = vec![
            format!("data.dir={}", folder.display()),
            format!("kafka.brokers={}", self.kafka.as_deref().unwrap_or_default()),
            format!("kafka.clicks_topic={CLICKS_TOPIC}"),
            format!("kafka.items_topic={ITEMS_TOPIC}"),
            "server.pool_refresh=250ms".to_owned(),
            // Nobody spreads requests over demos.
            "server.shutdown_delay=0s".to_owned(),
        ];
        set.extend(self.set.iter().cloned());
        Config::load(Some(Path::new("/dev/null")), environment, &set)
    }
}

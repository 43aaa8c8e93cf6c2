//! The settings that each part of the program receives, and their defaults. A part gets its own
//! struct, never the whole [`Config`](super::Config).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::ingest::breaker::BreakerSettings;
pub use crate::ingest::journal::JournalSettings;
pub use crate::ingest::kafka::{Assignment, KafkaSettings};
use crate::serving::admission::AdmissionSettings;
pub use crate::snapshot::{AwsEnvironment, Place, S3Settings};

/// How the service is reached and how it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where gRPC listens.
    pub grpc_addr: SocketAddr,
    /// Where other processes and their clients reach gRPC, `host:port`; empty for `grpc_addr`.
    pub advertised_addr: String,
    /// Where metrics and health are served over HTTP.
    pub http_addr: SocketAddr,
    /// How old the candidate pools of a live answer may be.
    pub pool_refresh: Duration,
    /// How long a stop may take: draining, a last snapshot, leaving the group.
    pub shutdown_grace: Duration,
    /// How much is taken on at once.
    pub admission: AdmissionSettings,
}

/// Where data lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSettings {
    /// The folder of the journal and of local snapshots.
    pub dir: PathBuf,
}

/// Stands for a secret wherever settings are shown.
pub(super) const HIDDEN: &str = "(hidden)";

/// Whether the librdkafka property of this name may hold a secret.
/// The properties for people to see: secrets are hidden.
pub(super) fn shown_properties(settings: &KafkaSettings) -> BTreeMap<&str, &str> {
    let shown = |name: &str, value| if is_secret(name) { HIDDEN } else { value };
    settings.properties.iter().map(|(name, value)| (name.as_str(), shown(name, value))).collect()
}

pub(super) fn is_secret(name: &str) -> bool {
    ["password", "passphrase", "secret", "pem", "sasl.oauthbearer.config", "ssl.key"]
        .iter()
        .any(|part| name.contains(part))
        && !name.ends_with(".location")
}

/// Where scoring models come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelsSettings {
    /// The folder of `*.toml` files.
    pub dir: PathBuf,
    /// The model that answers when a request names none.
    pub default: String,
    /// How often the folder is looked at.
    pub poll_interval: Duration,
}

/// Where and how often state is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// A folder or a bucket.
    pub place: Place,
    /// How a bucket is reached.
    pub s3: S3Settings,
    /// The time between two snapshots of a partition.
    pub interval: Duration,
    /// How many snapshots of a partition are kept.
    pub keep: usize,
}

/// How records become state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestSettings {
    /// The wanted number of threads that apply records; see [`Self::workers_for`].
    pub workers: u32,
    /// The service is ready once every partition is within this many records of the log's end.
    pub max_lag: u64,
    /// For how long the log may be silent before the service is not ready any more.
    pub max_silence: Duration,
    /// When a flood of bad records stops a partition.
    pub breaker: BreakerSettings,
    /// The encoding of events that have no `content-type` header.
    pub clicks_format: RecordFormat,
    /// The encoding of items that have no `content-type` header.
    pub items_format: RecordFormat,
}

impl IngestSettings {
    /// How many threads to start for that many partitions. A partition has one writer, so more
    /// threads than partitions would idle.
    pub fn workers_for(&self, partitions: u32) -> u32 {
        self.workers.min(partitions).max(1)
    }
}

/// The encoding of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFormat {
    /// A JSON object.
    Json,
    /// A message of `headwater.v1`.
    Protobuf,
}

/// What the service says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What is logged, as a filter of `tracing-subscriber`.
    pub log: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Loopback, so that nothing is open to a network before someone says so.
fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            grpc_addr: loopback(7400),
            advertised_addr: String::new(),
            http_addr: loopback(7401),
            pool_refresh: Duration::from_secs(1),
            // Kubernetes kills after 30 s.
            shutdown_grace: Duration::from_secs(25),
            admission: AdmissionSettings::default(),
        }
    }
}

impl Default for DataSettings {
    fn default() -> Self {
        Self { dir: "./headwater-data".into() }
    }
}

impl Default for ModelsSettings {
    fn default() -> Self {
        Self { dir: "./models".into(), default: "default".into(), poll_interval: Duration::from_millis(500) }
    }
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self {
            place: Place::Folder("./headwater-data/snapshots".into()),
            s3: S3Settings::default(),
            interval: Duration::from_secs(60),
            keep: 3,
        }
    }
}

impl Default for IngestSettings {
    fn default() -> Self {
        let format = RecordFormat::Json;
        let breaker = BreakerSettings::default();
        Self {
            workers: 1,
            max_lag: 1000,
            max_silence: Duration::from_secs(10),
            breaker,
            clicks_format: format,
            items_format: format,
        }
    }
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { log_format: LogFormat::Text, log: "info,fjall=warn,lsm_tree=warn".into() }
    }
}

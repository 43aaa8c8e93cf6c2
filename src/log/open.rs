//! Opens the log that is configured.

use std::sync::Arc;

use super::journal::{JournalLog, JournalSettings};
use super::kafka::{KafkaLog, KafkaSettings};
use super::{Log, LogError};
use crate::clock::wall_clock;
use crate::telemetry::LogTrouble;

/// Kafka where its settings are given, or else the journal. Blocks: it may wait for a broker or a disk. What brokers
/// don't do is told to `trouble`.
///
/// # Errors
/// The log can't be reached, or is not as the settings say.
pub fn open(
    kafka: Option<KafkaSettings>,
    journal: JournalSettings,
    trouble: Arc<LogTrouble>,
) -> Result<Arc<dyn Log>, LogError> {
    Ok(match kafka {
        Some(settings) => Arc::new(KafkaLog::open_with(settings, trouble)?),
        None => Arc::new(JournalLog::open(journal, Arc::new(wall_clock))?),
    })
}

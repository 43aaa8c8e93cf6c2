//! Partitions and offsets as Kafka's protocol has them: signed, with other meanings below zero.

use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};

use crate::log::{LogError, Offset, Partition, Positions};

/// A partition as Kafka numbers it.
///
/// # Errors
/// Kafka can't have that many.
pub fn to_kafka(partition: Partition) -> Result<i32, LogError> {
    i32::try_from(partition.0).map_err(|_| LogError::Fatal(format!("Kafka has no partition {partition}")))
}

/// A partition that Kafka names; none below zero, where it stands for no partition.
pub fn partition(number: i32) -> Option<Partition> {
    u32::try_from(number).ok().map(Partition)
}

/// An offset that Kafka names; none below zero, where it stands for something else.
pub fn offset(number: i64) -> Option<Offset> {
    u64::try_from(number).ok().map(Offset)
}

/// Positions in a topic, for a client to start from or to commit.
///
/// # Errors
/// Kafka can't have such a partition or offset.
pub fn list(topic: &str, positions: &Positions) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, position) in positions.iter() {
        let refused = |error: &dyn std::fmt::Display| {
            LogError::Fatal(format!(
                "Kafka takes no offset {position} of partition {partition} of `{topic}`: {error}"
            ))
        };
        let offset = i64::try_from(position.0).map_err(|error| refused(&error))?;
        list.add_partition_offset(topic, to_kafka(partition)?, KafkaOffset::Offset(offset))
            .map_err(|error: KafkaError| refused(&error))?;
    }
    Ok(list)
}

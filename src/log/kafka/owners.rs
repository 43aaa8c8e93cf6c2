//! Who has which partition: what the group's coordinator knows of its members.
//!
//! A member's client id ends with `@` and the address at which it answers; what it was assigned is
//! written in Kafka's consumer protocol (`ConsumerProtocolAssignment`, version 0 and later: a
//! version, the topics with their partitions, user data).

use std::collections::BTreeMap;

use bytes::Buf;
use rdkafka::groups::GroupList;

use crate::log::Partition;

/// Addresses by partition.
pub type Owners = BTreeMap<Partition, String>;

/// The owners of a topic's partitions, as far as its group's members say where they answer.
pub fn owners(list: &GroupList, topic: &str) -> Owners {
    let members = list.groups().iter().flat_map(|group| group.members());
    let mut owners = Owners::new();
    for member in members {
        let Some((_, address)) = member.client_id().rsplit_once('@') else { continue };
        let assigned = member.assignment().and_then(|bytes| assigned(bytes, topic));
        owners.extend(assigned.into_iter().flatten().map(|partition| (partition, address.to_owned())));
    }
    owners
}

/// The partitions of a topic in an assignment; none if it can't be read.
fn assigned(bytes: &[u8], topic: &str) -> Option<Vec<Partition>> {
    let mut partitions = Vec::new();
    let mut rest = bytes.get(2..)?;
    for _ in 0..rest.try_get_u32().ok()? {
        let length = rest.try_get_u16().ok()?;
        let (name, after) = rest.split_at_checked(usize::from(length))?;
        rest = after;
        for _ in 0..rest.try_get_u32().ok()? {
            let partition = rest.try_get_u32().ok()?;
            if name == topic.as_bytes() {
                partitions.push(Partition(partition));
            }
        }
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_gives_the_partitions_of_the_topic() {
        let bytes = b"\0\x01\0\0\0\x02\0\x05other\0\0\0\x01\0\0\0\x09\0\x06clicks\0\0\0\x02\0\0\0\x00\0\0\0\x07\xff\xff\xff\xff";
        assert_eq!(assigned(bytes, "clicks"), Some(vec![Partition(0), Partition(7)]));
        assert_eq!(assigned(bytes, "other"), Some(vec![Partition(9)]));
        assert_eq!(assigned(bytes, "none"), Some(vec![]));
    }

    #[test]
    fn one_that_breaks_off_gives_nothing_and_asks_for_nothing() {
        let bytes = b"\0\x01\0\0\0\x01\0\x06clicks\0\0\0\x02\0\0\0\x00\0\0\0\x07";
        for length in 0..bytes.len() {
            assert_eq!(assigned(&bytes[..length], "clicks"), None, "{length}");
        }
        assert_eq!(assigned(b"\0\0\xff\xff\xff\xff\xff\xff", "clicks"), None);
    }
}

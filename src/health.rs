//! What the service says of itself: whether requests should be sent to it, and what is wrong.

use std::collections::BTreeMap;
use std::fmt::Write;

use parking_lot::Mutex;

use crate::log::{Offset, Partition};

/// How the service is. Swapped in whole by whoever watches it; every answer reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether requests should be sent here.
    pub ready: bool,
    /// What is wrong, in words for people. It may be ready all the same, for as long as what is wrong
    /// has not lasted for too long.
    pub reasons: Vec<String>,
}

impl Condition {
    /// One that has not looked at the log yet.
    pub fn starting() -> Self {
        Self { ready: false, reasons: vec!["state has not caught up with the log yet".to_owned()] }
    }

    /// One that takes no new requests; nothing is wrong with what it still answers.
    pub fn stopping() -> Self {
        Self::default()
    }

    /// Why answers are less than they should be, if they are.
    pub fn degraded(&self) -> Option<String> {
        (!self.reasons.is_empty()).then(|| self.reasons.join("; "))
    }

    /// The page for load balancers and people: a line for each thing that is wrong.
    pub fn page(&self) -> String {
        let mut page = String::new();
        let begins = if self.ready { "degraded" } else { "not ready" };
        if self.ready {
            page.push_str("ready\n");
        } else if self.reasons.is_empty() {
            page.push_str("not ready: stopping\n");
        }
        for reason in &self.reasons {
            // Writing to a string can't fail.
            let _ = writeln!(page, "{begins}: {reason}");
        }
        page
    }
}

/// The partitions that were stopped, and the first record that each did not take. Shared with those
/// who tell of it.
#[derive(Debug, Default)]
pub struct Stopped(Mutex<BTreeMap<Partition, Offset>>);

impl Stopped {
    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Which were, and where.
    pub fn all(&self) -> BTreeMap<Partition, Offset> {
        self.0.lock().clone()
    }

    /// Remembers that a partition was stopped right before a record.
    pub fn stop(&self, partition: Partition, offset: Offset) {
        self.0.lock().insert(partition, offset);
    }

    /// Forgets a partition that somebody else answers for now; whether it was stopped.
    pub fn forget(&self, partition: Partition) -> bool {
        self.0.lock().remove(&partition).is_some()
    }

    /// Why the service is not what it should be; none if no partition was stopped.
    pub fn reason(&self) -> Option<String> {
        let stopped = self.0.lock();
        let places: Vec<String> =
            stopped.iter().map(|(partition, offset)| format!("{partition} at offset {offset}")).collect();
        (!places.is_empty()).then(|| {
            format!(
                "too many bad records (`ingest.breaker_rejected`): stopped partition {}",
                places.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_is_wrong_has_a_line_and_all_of_them_are_in_answers() {
        let reasons = vec!["one".to_owned(), "two".to_owned()];
        let mut condition = Condition { ready: false, reasons };
        assert_eq!(condition.page(), "not ready: one\nnot ready: two\n");
        assert_eq!(condition.degraded().as_deref(), Some("one; two"));
        condition.ready = true;
        assert_eq!(condition.page(), "ready\ndegraded: one\ndegraded: two\n");
        assert_eq!(condition.degraded().as_deref(), Some("one; two"));
    }

    #[test]
    fn what_is_answered_while_it_stops_is_as_good_as_ever() {
        assert_eq!(Condition::stopping().page(), "not ready: stopping\n");
        assert_eq!(Condition::stopping().degraded(), None);
    }
}

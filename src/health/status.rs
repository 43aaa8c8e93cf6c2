//! Whether the service is ready, by what is known: the catalog is read, every partition is within reach
//! of the end of its log, none was stopped, and the log has told so lately.

use std::fmt::Write;
use std::time::Duration;

use crate::engine::events::event::Timestamp;
use crate::log::{Offset, Partition, Topic};

/// How many partitions that are behind are told one by one.
const NAMED: usize = 3;

/// How the service is. Swapped in whole by whoever watches it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServingStatus {
    /// Whether requests should be sent here.
    pub ready: bool,
    /// What is wrong, in words for people. It may be ready all the same, for as long as what is wrong
    /// has not lasted for too long.
    pub reasons: Vec<String>,
}

/// In which of three ways a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// All is well.
    Ready,
    /// Requests should be sent to it, and answers are less than they should be.
    Degraded,
    /// Requests should not be sent to it.
    NotReady,
}

impl Phase {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::NotReady => "not ready",
        }
    }
}

/// What is bearable.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Records between a partition's state and the end of its log.
    pub max_lag: u64,
    /// For how long the log may leave questions unanswered.
    pub max_silence: Duration,
    /// How far events may be ahead of the wall clock, in ms.
    pub max_clock_skew: i64,
    /// For how long a transaction may hold back what comes behind its beginning.
    pub max_open_transaction: Duration,
}

/// How far a partition is behind.
#[derive(Clone, Copy, Debug)]
pub struct Lag {
    /// The partition's topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
    /// Records between its reader and its end.
    pub records: u64,
    /// Its end: where what may be read ends.
    pub end: Offset,
    /// Where what was written ends: further than that behind a transaction that is still open.
    pub written: Offset,
}

/// A log that does not tell how far it goes.
#[derive(Clone, Copy, Debug)]
pub struct Silence<'a> {
    /// How long ago it was asked what it has answered last.
    pub lasted: Duration,
    /// The same by the wall clock.
    pub since: Timestamp,
    /// What became of the last question.
    pub error: &'a str,
}

/// What is known of the service.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// How far each partition is behind; none before the log has told.
    pub lags: Option<&'a [Lag]>,
    /// Whether all items are read that the log held at the start.
    pub catalog_complete: bool,
    /// What became of the last question to the log, if it was not answered.
    pub silence: Option<Silence<'a>>,
    /// Which partitions were stopped, in words.
    pub stopped: Option<String>,
    /// Why it is not one to ask in its group, in words.
    pub unassigned: Option<String>,
    /// Partitions of events that are not read, in words.
    pub unread: Option<String>,
    /// How far the events of some partition are ahead of the wall clock, in ms; negative if they are behind.
    pub ahead: Option<i64>,
    /// Transactions that have been open for too long, in words.
    pub held_back: Option<String>,
}

impl ServingStatus {
    /// One of which nothing is known yet.
    pub fn starting() -> Self {
        Self { ready: false, reasons: vec!["state has not caught up with the log yet".to_owned()] }
    }

    /// One that takes no new requests; nothing is wrong with what it still answers.
    pub fn stopping() -> Self {
        Self::default()
    }

    /// How the service is, by what is known. `name` tells what a topic is called.
    pub fn evaluate<'a>(observed: Observed<'_>, limits: Limits, name: impl Fn(Topic) -> &'a str) -> Self {
        let mut status = Self { ready: true, reasons: Vec::new() };
        let far = |lag: &&Lag| lag.records > limits.max_lag;
        let mut behind: Vec<&Lag> = observed.lags.iter().copied().flatten().filter(far).collect();
        if observed.lags.is_none() || !behind.is_empty() || !observed.catalog_complete {
            behind.sort_by_key(|lag| std::cmp::Reverse(lag.records));
            status = Self::starting();
            status.reasons.iter_mut().for_each(|text| say_what_is_missing(text, &observed, &behind, &name));
        }
        if let Some(Silence { lasted, since, error }) = observed.silence {
            status.ready &= lasted <= limits.max_silence;
            status.reasons.push(format!("the log has not told how far it goes since {since}: {error}"));
        }
        if let Some(stopped) = observed.stopped {
            status.ready = false;
            status.reasons.push(stopped);
        }
        for reason in [observed.unassigned, observed.unread].into_iter().flatten() {
            status.ready = false;
            status.reasons.push(reason);
        }
        // The records are not there for anybody: other processes know no more.
        status.reasons.extend(observed.held_back);
        if let Some(ahead) = observed.ahead.filter(|ahead| *ahead > limits.max_clock_skew) {
            status.reasons.push(format!(
                "events of some partition are {} s ahead of this machine's clock: what came before them may count in no \
                 window (is the clock right? do producers set the time of records? see `stream.max_clock_skew`)",
                ahead / 1000
            ));
        }
        status
    }

    /// In which way it is.
    pub fn phase(&self) -> Phase {
        match (self.ready, self.reasons.is_empty()) {
            (true, true) => Phase::Ready,
            (true, false) => Phase::Degraded,
            (false, _) => Phase::NotReady,
        }
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

/// Adds to a reason what state waits for: `behind`, the furthest first.
fn say_what_is_missing<'a>(
    text: &mut String,
    observed: &Observed<'_>,
    behind: &[&Lag],
    name: impl Fn(Topic) -> &'a str,
) {
    let mut sep = ": ";
    // Writing to a string can't fail.
    if !observed.catalog_complete {
        let _ = write!(text, "{sep}the catalog has not been read whole");
        sep = ", ";
    }
    for Lag { topic, partition, records, .. } in behind.iter().take(NAMED) {
        let _ = write!(text, "{sep}partition {partition} of `{}` lags by {records}", name(*topic));
        sep = ", ";
    }
    if let Some(more) = behind.len().checked_sub(NAMED).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more lag");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_lag: 10,
        max_silence: Duration::from_secs(5),
        max_clock_skew: 300_000,
        max_open_transaction: Duration::from_secs(60),
    };

    fn lags(records: &[u64]) -> Vec<Lag> {
        let lag = |(index, records): (u32, &u64)| Lag {
            topic: Topic::Clicks,
            partition: Partition(index),
            records: *records,
            end: Offset(*records),
            written: Offset(*records),
        };
        (0..).zip(records).map(lag).collect()
    }

    fn silence(seconds: u64, error: &str) -> Option<Silence<'_>> {
        let lasted = Duration::from_secs(seconds);
        Some(Silence { lasted, since: Timestamp(1_700_000_000_000), error })
    }

    fn evaluated(
        records: Option<&[u64]>,
        silence: Option<Silence<'_>>,
        stopped: Option<&str>,
    ) -> (bool, Vec<String>) {
        let lags = records.map(lags);
        let (lags, stopped) = (lags.as_deref(), stopped.map(str::to_owned));
        let observed = Observed {
            lags,
            catalog_complete: true,
            silence,
            stopped,
            unassigned: None,
            unread: None,
            ahead: None,
            held_back: None,
        };
        let ServingStatus { ready, reasons } = ServingStatus::evaluate(observed, LIMITS, |_| "clicks");
        (ready, reasons)
    }

    #[test]
    fn it_is_ready_once_the_log_has_told_that_no_partition_is_far_behind() {
        let text = "state has not caught up with the log yet";
        assert_eq!(evaluated(None, None, None), (false, vec![text.to_owned()]));
        assert_eq!(evaluated(Some(&[10, 0]), None, None), (true, vec![]));
        let (ready, reasons) = evaluated(Some(&[10, 11]), None, None);
        assert_eq!((ready, reasons), (false, vec![format!("{text}: partition 1 of `clicks` lags by 11")]));
    }

    #[test]
    fn the_partitions_that_are_furthest_behind_are_named() {
        let (_, reasons) = evaluated(Some(&[11, 15, 12, 14, 13]), None, None);
        let named = "partition 1 of `clicks` lags by 15, partition 3 of `clicks` lags by 14, \
                     partition 4 of `clicks` lags by 13 and 2 more lag";
        assert_eq!(reasons, [format!("state has not caught up with the log yet: {named}")]);
    }

    #[test]
    fn without_the_whole_catalog_it_is_not_ready() {
        let lags = lags(&[0]);
        let observed = Observed {
            lags: Some(&lags),
            catalog_complete: false,
            silence: None,
            stopped: None,
            unassigned: None,
            unread: None,
            ahead: None,
            held_back: None,
        };
        let status = ServingStatus::evaluate(observed, LIMITS, |_| "clicks");
        assert!(!status.ready);
        let text = "state has not caught up with the log yet: the catalog has not been read whole";
        assert_eq!(status.reasons, [text]);
    }

    #[test]
    fn a_silent_log_degrades_answers_at_once_and_readiness_after_its_time() {
        let text = "the log has not told how far it goes since 2023-11-14T22:13:20.000Z: no answer yet";
        let silent = |seconds| evaluated(Some(&[0]), silence(seconds, "no answer yet"), None);
        assert_eq!(silent(5), (true, vec![text.to_owned()]));
        assert_eq!(silent(6), (false, vec![text.to_owned()]));
    }

    #[test]
    fn events_that_are_further_ahead_than_clocks_may_be_degrade_answers() {
        let at = |ahead| {
            let lags = lags(&[0]);
            let observed = Observed {
                lags: Some(&lags),
                catalog_complete: true,
                silence: None,
                stopped: None,
                unassigned: None,
                unread: None,
                ahead: Some(ahead),
                held_back: None,
            };
            ServingStatus::evaluate(observed, LIMITS, |_| "clicks")
        };
        assert_eq!(at(300_000), ServingStatus { ready: true, reasons: Vec::new() });
        assert!(at(-1).reasons.is_empty());
        let status = at(301_000);
        assert!(status.ready, "it answers as well as anybody could");
        let [reason] = status.reasons.as_slice() else { panic!("one reason") };
        assert!(
            reason.starts_with("events of some partition are 301 s ahead of this machine's clock"),
            "{reason}"
        );
    }

    #[test]
    fn a_transaction_that_stays_open_degrades_answers_and_nobody_else_knows_more() {
        let lags = lags(&[0]);
        let observed = Observed {
            lags: Some(&lags),
            catalog_complete: true,
            silence: None,
            stopped: None,
            unassigned: None,
            unread: None,
            ahead: None,
            held_back: Some("open".to_owned()),
        };
        let status = ServingStatus::evaluate(observed, LIMITS, |_| "clicks");
        assert_eq!(status, ServingStatus { ready: true, reasons: vec!["open".to_owned()] });
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let (ready, reasons) = evaluated(Some(&[11]), silence(0, "gone"), Some("stopped partition 0"));
        assert!(!ready);
        assert_eq!(reasons.len(), 3, "{reasons:?}");
        let (ready, reasons) = evaluated(Some(&[0]), None, Some("stopped partition 0"));
        assert_eq!((ready, reasons), (false, vec!["stopped partition 0".to_owned()]));
        let lags = lags(&[0]);
        let observed = Observed {
            lags: Some(&lags),
            catalog_complete: true,
            silence: None,
            stopped: None,
            unassigned: Some("no partition".to_owned()),
            unread: Some("eight".to_owned()),
            ahead: None,
            held_back: None,
        };
        let ServingStatus { ready, reasons } = ServingStatus::evaluate(observed, LIMITS, |_| "clicks");
        assert_eq!((ready, reasons), (false, vec!["no partition".to_owned(), "eight".to_owned()]));
    }

    #[test]
    fn each_thing_that_is_wrong_has_a_line_and_all_of_them_are_in_answers() {
        let reasons = vec!["one".to_owned(), "two".to_owned()];
        let mut status = ServingStatus { ready: false, reasons };
        assert_eq!(status.page(), "not ready: one\nnot ready: two\n");
        assert_eq!(status.degraded().as_deref(), Some("one; two"));
        status.ready = true;
        assert_eq!(status.page(), "ready\ndegraded: one\ndegraded: two\n");
        assert_eq!(status.degraded().as_deref(), Some("one; two"));
    }

    #[test]
    fn what_is_answered_while_it_stops_is_as_good_as_ever() {
        assert_eq!(ServingStatus::stopping().page(), "not ready: stopping\n");
        assert_eq!(ServingStatus::stopping().degraded(), None);
    }
}

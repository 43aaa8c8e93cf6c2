//! Whether the service is ready: the catalog is read, every partition is within reach of the end of
//! its log, none was stopped, and the log has told so lately.
//!
//! Nothing here decides whether a question is answered: what is in state is always answered from,
//! and what is wrong is said in the answer.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinError;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::engine::events::event::Timestamp;
use crate::engine::index::layout::Partitions;
use crate::ingest::apply::Progress;
use crate::log::{LogError, Partition, Topic};
use crate::serving::server::SERVICES;
use crate::serving::{Condition, Shared};
use crate::state::NotHeld;
use crate::telemetry::TopicPartition;
use crate::telemetry::events::{LogUnavailable, ReadinessChanged};

/// How often to ask the log while catching up, and once ready or while it does not answer.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(1);
/// How often to look at the clock while a question is under way.
const LOOK: Duration = Duration::from_millis(250);
/// How long a question may take before answers say that the log is silent.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many partitions that are behind are told one by one.
const NAMED: usize = 3;

/// What is bearable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Records between a partition's state and the end of its log.
    pub max_lag: u64,
    /// For how long the log may leave questions unanswered.
    pub max_silence: Duration,
}

/// How far a partition is behind.
struct Lag {
    topic: Topic,
    partition: Partition,
    records: u64,
}

/// What the log has told.
struct Known {
    /// Of every partition; none before the first answer.
    lags: Option<Vec<Lag>>,
    /// When the last question that was answered was asked: what it told holds for then.
    at: Instant,
    /// The same by the wall clock.
    since: Timestamp,
    /// What became of the last question, if it was not answered.
    error: Option<String>,
}

/// Watches the lag and tells health, metrics and answers.
pub(super) async fn watch(
    shared: Arc<Shared>,
    progress: Arc<Progress>,
    limits: Limits,
    health: HealthReporter,
) -> Result<Infallible, JoinError> {
    let clock = || Timestamp((shared.clock)());
    let mut known = Known { lags: None, at: Instant::now(), since: clock(), error: None };
    let mut told = None;
    loop {
        let (asked, since) = (Instant::now(), clock());
        let (asking, reached) = (Arc::clone(&shared), Arc::clone(&progress));
        let mut question = tokio::task::spawn_blocking(move || lags(&asking, &reached));
        let answer = loop {
            if let Ok(answer) = tokio::time::timeout(LOOK, &mut question).await {
                break answer?;
            }
            if asked.elapsed() >= PATIENCE {
                known.error.get_or_insert_with(|| "no answer yet".to_owned());
                tell(&shared, &progress, limits, &known, &mut told, &health).await;
            }
        };
        match answer {
            Ok(lags) => known = Known { lags: Some(lags), at: asked, since, error: None },
            Err(error) => {
                let error = error.to_string();
                LogUnavailable { what: "lag", error: &error }.emit(&shared.metrics);
                known.error = Some(error);
            }
        }
        let ready = tell(&shared, &progress, limits, &known, &mut told, &health).await;
        tokio::time::sleep(if ready || known.error.is_some() { LATER } else { SOON }).await;
    }
}

/// Tells how the service is to whoever asks it.
async fn tell(
    shared: &Shared,
    progress: &Progress,
    limits: Limits,
    known: &Known,
    told: &mut Option<bool>,
    health: &HealthReporter,
) -> bool {
    let silent = known.error.as_ref().map_or(Duration::ZERO, |_| known.at.elapsed());
    shared.metrics.log_silence.set(silent.as_secs_f64());
    let name = |topic| shared.log.name(topic);
    let condition = judge(known, silent, progress.is_complete(), shared.stopped.reason(), limits, name);
    let ready = condition.ready;
    if *told != Some(ready) {
        *told = Some(ready);
        let reasons = condition.degraded().unwrap_or_default();
        ReadinessChanged { ready, reasons: &reasons, watermark: shared.store.watermark() }
            .emit(&shared.metrics);
        report(health, ready).await;
    }
    if **shared.condition.load() != condition {
        shared.condition.store(Arc::new(condition));
    }
    ready
}

/// How the service is, by what is known.
fn judge<'a>(
    known: &Known,
    silent: Duration,
    catalog_complete: bool,
    stopped: Option<String>,
    limits: Limits,
    name: impl Fn(Topic) -> &'a str,
) -> Condition {
    let mut condition = Condition { ready: true, reasons: Vec::new() };
    let far = |lag: &&Lag| lag.records > limits.max_lag;
    let mut behind: Vec<&Lag> = known.lags.iter().flatten().filter(far).collect();
    if known.lags.is_none() || !behind.is_empty() || !catalog_complete {
        condition = Condition::starting();
    }
    if let Some(text) = condition.reasons.first_mut() {
        behind.sort_by_key(|lag| std::cmp::Reverse(lag.records));
        let mut sep = ": ";
        // Writing to a string can't fail.
        if !catalog_complete {
            let _ = write!(text, "{sep}the catalog has not been read whole");
            sep = ", ";
        }
        for Lag { topic, partition, records } in behind.iter().take(NAMED) {
            let _ = write!(text, "{sep}partition {partition} of `{}` lags by {records}", name(*topic));
            sep = ", ";
        }
        if let Some(more) = behind.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ = write!(text, " and {more} more lag");
        }
    }
    if let Some(error) = &known.error {
        condition.ready &= silent <= limits.max_silence;
        condition
            .reasons
            .push(format!("the log has not told how far it goes since {}: {error}", known.since));
    }
    if let Some(stopped) = stopped {
        condition.ready = false;
        condition.reasons.push(stopped);
    }
    condition
}

/// Tells the health of every service. What is told by nobody counts as serving, so the first call
/// comes before the server takes requests.
pub(super) async fn report(health: &HealthReporter, ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

/// Ends what those see who watch health, so that they hold up no connection that is to close.
pub(super) async fn dismiss_watchers(health: &mut HealthReporter) {
    for service in SERVICES {
        health.clear_service_status(service).await;
    }
}

/// How far each partition is behind.
fn lags(shared: &Shared, progress: &Progress) -> Result<Vec<Lag>, LogError> {
    let mut lags = Vec::new();
    for (topic, label) in [(Topic::Items, "items"), (Topic::Clicks, "clicks")] {
        for partition in 0..shared.log.partitions(topic)? {
            let reached = match (topic, shared.store.held(partition)) {
                (Topic::Items, _) => progress.position(partition),
                (_, Ok(())) => shared.store.position(partition),
                // One that the topic has got since the start: nobody reads it.
                (_, Err(_)) if partition as usize >= shared.store.len() => 0,
                // None of our business.
                (_, Err(NotHeld { restoring: false, .. })) => continue,
                (_, Err(NotHeld { restoring: true, .. })) => 0,
            };
            let bounds = shared.log.bounds(topic, partition)?;
            let records = if bounds.high == bounds.low { 0 } else { bounds.high.saturating_sub(reached) };
            let label = TopicPartition { topic: label, partition };
            shared.metrics.lag.get_or_create(&label).set(i64::try_from(records).unwrap_or(i64::MAX));
            lags.push(Lag { topic, partition, records });
        }
    }
    Ok(lags)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_lag: 10, max_silence: Duration::from_secs(5) };

    fn known(lags: Option<&[u64]>, error: Option<&str>) -> Known {
        let lag =
            |(partition, records): (u32, &u64)| Lag { topic: Topic::Clicks, partition, records: *records };
        Known {
            lags: lags.map(|lags| (0..).zip(lags).map(lag).collect()),
            at: Instant::now(),
            since: Timestamp(1_700_000_000_000),
            error: error.map(str::to_owned),
        }
    }

    fn judged(known: &Known, silent: u64, stopped: Option<&str>) -> (bool, Vec<String>) {
        let stopped = stopped.map(str::to_owned);
        let silent = Duration::from_secs(silent);
        let Condition { ready, reasons } = judge(known, silent, true, stopped, LIMITS, |_| "clicks");
        (ready, reasons)
    }

    #[test]
    fn it_is_ready_once_the_log_has_told_that_no_partition_is_far_behind() {
        let text = "state has not caught up with the log yet";
        assert_eq!(judged(&known(None, None), 0, None), (false, vec![text.to_owned()]));
        assert_eq!(judged(&known(Some(&[10, 0]), None), 0, None), (true, vec![]));
        let (ready, reasons) = judged(&known(Some(&[10, 11]), None), 0, None);
        assert_eq!((ready, reasons), (false, vec![format!("{text}: partition 1 of `clicks` lags by 11")]));
    }

    #[test]
    fn the_partitions_that_are_furthest_behind_are_named() {
        let (_, reasons) = judged(&known(Some(&[11, 15, 12, 14, 13]), None), 0, None);
        let named = "partition 1 of `clicks` lags by 15, partition 3 of `clicks` lags by 14, \
                     partition 4 of `clicks` lags by 13 and 2 more lag";
        assert_eq!(reasons, [format!("state has not caught up with the log yet: {named}")]);
    }

    #[test]
    fn without_the_whole_catalog_it_is_not_ready() {
        let known = known(Some(&[0]), None);
        let Condition { ready, reasons } = judge(&known, Duration::ZERO, false, None, LIMITS, |_| "clicks");
        assert!(!ready);
        assert_eq!(
            reasons,
            ["state has not caught up with the log yet: the catalog has not been read whole"]
        );
    }

    #[test]
    fn a_silent_log_degrades_answers_at_once_and_readiness_after_its_time() {
        let known = known(Some(&[0]), Some("no answer yet"));
        let text = "the log has not told how far it goes since 2023-11-14T22:13:20.000Z: no answer yet";
        assert_eq!(judged(&known, 5, None), (true, vec![text.to_owned()]));
        assert_eq!(judged(&known, 6, None), (false, vec![text.to_owned()]));
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let (ready, reasons) = judged(&known(Some(&[11]), Some("gone")), 0, Some("stopped partition 0"));
        assert!(!ready);
        assert_eq!(reasons.len(), 3, "{reasons:?}");
        let (ready, reasons) = judged(&known(Some(&[0]), None), 0, Some("stopped partition 0"));
        assert_eq!((ready, reasons), (false, vec!["stopped partition 0".to_owned()]));
    }
}

//! Watches how far the service is behind its log, and tells gRPC health, metrics and answers.
//!
//! Nothing here decides whether a question is answered: what is in state is always answered from,
//! and what is wrong is said in the answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinError;

use crate::clock::Clock;
use crate::engine::events::event::Timestamp;
use crate::health::{
    Health, Lag, Limits, Observed, OpenTransactions, PhaseChange, Phases, ServingStatus, Silence,
};
use crate::ingest::apply::Progress;
use crate::ingest::lag::{lags, unread};
use crate::log::Log;
use crate::serving::GrpcHealth;
use crate::state::ranker::Ranker;
use crate::telemetry::events::{LogUnavailable, ReadinessChanged};
use crate::telemetry::{Metrics, TopicPartition};

/// How often to ask the log while catching up, and once ready or while it does not answer.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(1);
/// How often to look at the clock while a question is under way.
const LOOK: Duration = Duration::from_millis(250);
/// How long a question may take before answers say that the log is silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// What readiness is watched by, and whom it is told.
pub(super) struct Readiness {
    pub log: Arc<dyn Log>,
    pub ranker: Arc<Ranker>,
    pub progress: Arc<Progress>,
    pub clock: Clock,
    pub limits: Limits,
    pub health: Arc<Health>,
    pub metrics: Arc<Metrics>,
    pub grpc: GrpcHealth,
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
    /// The transactions that are open.
    open: OpenTransactions,
}

impl Readiness {
    /// Watches for ever.
    pub async fn watch(self) -> Result<Infallible, JoinError> {
        let clock = || Timestamp((self.clock)());
        let open = OpenTransactions::default();
        let mut known = Known { lags: None, at: Instant::now(), since: clock(), error: None, open };
        let mut phases = Phases::default();
        loop {
            let (asked, since) = (Instant::now(), clock());
            let (log, state) = (Arc::clone(&self.log), Arc::clone(self.ranker.state()));
            let progress = Arc::clone(&self.progress);
            let mut question = tokio::task::spawn_blocking(move || lags(&*log, &state, &progress));
            let answer = loop {
                if let Ok(answer) = tokio::time::timeout(LOOK, &mut question).await {
                    break answer?;
                }
                if asked.elapsed() >= PATIENCE {
                    known.error.get_or_insert_with(|| "no answer yet".to_owned());
                    self.tell(&known, &mut phases).await?;
                }
            };
            match answer {
                Ok(lags) => {
                    self.metrics.log_trouble.answered();
                    let mut open = known.open;
                    open.observe(&lags, asked, since);
                    lags.iter()
                        .for_each(|lag| self.measure(lag, open.lasted(lag.topic, lag.partition, asked)));
                    known = Known { lags: Some(lags), at: asked, since, error: None, open };
                }
                Err(error) => {
                    let error = error.to_string();
                    LogUnavailable { what: "lag", error: &error }.emit(&self.metrics);
                    known.error = Some(error);
                }
            }
            let ready = self.tell(&known, &mut phases).await?;
            tokio::time::sleep(if ready || known.error.is_some() { LATER } else { SOON }).await;
        }
    }

    /// Tells how the service is to whoever asks it; whether it is ready.
    async fn tell(&self, known: &Known, phases: &mut Phases) -> Result<bool, JoinError> {
        let lasted = known.at.elapsed();
        let silence = known.error.as_deref().map(|error| Silence { lasted, since: known.since, error });
        self.metrics.watermark_ahead.set(self.ahead().unwrap_or_default() as f64 / 1e3);
        self.metrics.log_silence.set(silence.map_or(0.0, |silence| silence.lasted.as_secs_f64()));
        let evaluate = || {
            let observed = Observed {
                lags: known.lags.as_deref(),
                catalog_complete: self.progress.is_complete(),
                silence,
                stopped: self.health.stopped().reason(),
                unassigned: self.ranker.state().unassigned(),
                ahead: self.ahead(),
                unread: known.lags.as_deref().and_then(|lags| unread(lags, &*self.log, self.ranker.state())),
                held_back: known
                    .open
                    .reason(known.at, self.limits.max_open_transaction, |topic| self.log.name(topic)),
            };
            ServingStatus::evaluate(observed, self.limits, |topic| self.log.name(topic))
        };
        let mut status = evaluate();
        let was_ready = phases.is_ready();
        if status.ready && !was_ready {
            // Lists are made from pools, and these may be of before the state and the catalog had come so far.
            let (ranker, clock) = (Arc::clone(&self.ranker), Arc::clone(&self.clock));
            tokio::task::spawn_blocking(move || ranker.refresh(ranker.now(&clock))).await?;
            // That may have taken long.
            status = evaluate();
        }
        let ready = status.ready;
        if let Some(change) = phases.enter(status.phase(), Instant::now()) {
            self.changed(&status, change);
            if change.was.is_none() || ready != was_ready {
                self.grpc.set_ready(ready).await;
            }
        }
        self.health.set(status, Timestamp((self.clock)()));
        Ok(ready)
    }

    /// How far the greatest watermark is ahead of the wall clock, in ms.
    fn ahead(&self) -> Option<i64> {
        self.ranker.state().watermark().map(|watermark| watermark.0.saturating_sub((self.clock)()))
    }

    /// Tells that it is in another phase than it was.
    fn changed(&self, status: &ServingStatus, change: PhaseChange) {
        ReadinessChanged {
            ready: status.ready,
            state: status.phase().name(),
            was: change.was.map(|(phase, lasted)| (phase.name(), lasted)),
            again_after: change.again_after,
            reasons: &status.degraded().unwrap_or_default(),
            watermark: self.ranker.state().watermark(),
        }
        .emit(&self.metrics);
    }

    fn measure(&self, lag: &Lag, open: Duration) {
        let label = TopicPartition { topic: lag.topic.row().name, partition: lag.partition.0 };
        self.metrics.lag.get_or_create(&label).set(i64::try_from(lag.records).unwrap_or(i64::MAX));
        self.metrics.open_transaction.get_or_create(&label).set(open.as_secs_f64());
    }
}

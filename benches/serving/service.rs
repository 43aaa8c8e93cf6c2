//! The service: state filled with the data, pools refreshed each second, the real gRPC server.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headwater::clock::Clock;
use headwater::engine::config::StreamConfig;
use headwater::engine::events::event::Timestamp;
use headwater::engine::events::item::ItemChange;
use headwater::engine::rank::model::CandidateLimits;
use headwater::engine::rank::models::ModelSet;
use headwater::health::{Health, ServingStatus};
use headwater::log::journal::{JournalLog, JournalSettings};
use headwater::log::{Offset, partition_of};
use headwater::serving::admission::{Admission, AdmissionSettings};
use headwater::serving::{ServerSettings, ServingParts, server};
use headwater::state::State;
use headwater::state::ranker::Ranker;
use headwater::telemetry::{Exposition, Metrics};

use super::common::{self, Data};

const PARTITIONS: u32 = 4;
const REFRESH: Duration = Duration::from_secs(1);
/// Of the popular items at most 64, the exact events of a user, are left out as seen: each request
/// scores a thousand or more.
const CANDIDATES: CandidateLimits =
    CandidateLimits { categories: 4, per_category: 10, popular: 1064, trending: 10, fresh: 10, related: 10 };

/// Serves until our input is closed, then tells what was scored.
pub async fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    let parts = parts(&Data::news(), folder.path());
    let (ranker, now) = (Arc::clone(&parts.ranker), Timestamp((parts.clock)()));
    tokio::spawn(async move {
        loop {
            let ranker = Arc::clone(&ranker);
            let refresh = move || ranker.refresh(now);
            tokio::task::spawn_blocking(refresh).await.expect("a refresh");
            tokio::time::sleep(REFRESH).await;
        }
    });
    let (_reporter, health) = tonic_health::server::health_reporter();
    let listener = super::listener().await;
    let metrics = Arc::clone(&parts.metrics);
    let admission = Arc::new(Admission::new(AdmissionSettings::default(), &metrics.shed));
    let server = server::Server::new(parts, admission, health, 0).expect("the descriptors are valid");
    server.serve(listener, super::closed()).await.expect("the server runs");

    let metrics = metrics.encode(Exposition::Text);
    let sum = |name: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    let (candidates, requests) = (sum("headwater_candidates_total"), sum("headwater_requests_total"));
    let each = candidates / requests;
    assert!(each >= 1000.0, "only {each:.0} candidates scored a request");
    println!("{each:.0} candidates scored live a request on average, {requests:.0} requests");
}

fn parts(data: &Data, folder: &Path) -> ServingParts {
    let config = Arc::new(StreamConfig::default());
    let state = Arc::new(State::empty(Arc::clone(&config), PARTITIONS));
    for item in &data.items {
        state.apply_item(ItemChange::Put(item.clone()));
    }
    for (offset, draft) in (0..).map(Offset).zip(&data.events) {
        let event = draft.check(&config.event_types).expect("a valid event");
        state.apply(partition_of(event.user_id.as_bytes(), PARTITIONS), offset, None, &event);
    }
    // The data is of the past: its end is now.
    let now = state.watermark().expect("some events").0;
    let clock: Clock = Arc::new(move || now);
    let settings =
        JournalSettings { dir: folder.join("journal"), partitions: PARTITIONS, ..JournalSettings::default() };
    let log = JournalLog::open(settings, Arc::clone(&clock)).expect("a journal");
    let model = common::model(&config, CANDIDATES);
    let models = ModelSet::new(BTreeMap::from([(model.name.clone(), model)]), "default");
    let ranker = Ranker::new(state, Arc::new(models.expect("a default model")));
    ranker.refresh(Timestamp(now));
    ServingParts {
        ranker: Arc::new(ranker),
        log: Arc::new(log),
        health: Arc::new(Health::new(ServingStatus { ready: true, reasons: Vec::new() }, Timestamp(0))),
        about: Arc::default(),
        metrics: Arc::new(Metrics::new()),
        clock,
        slow_request: ServerSettings::default().slow_request,
        shadow: None,
    }
}

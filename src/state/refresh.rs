//! Keeps the pools of now fresh.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinError;

use super::ranker::Ranker;
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// Recomputes the pools of now, again and again, on a thread of its own: it takes milliseconds of
/// computing, which would hold up requests.
///
/// # Errors
/// A refresh panicked.
pub async fn refresh_pools(
    (ranker, clock, metrics): (Arc<Ranker>, Clock, Arc<Metrics>),
    interval: Duration,
) -> Result<Infallible, JoinError> {
    loop {
        let started = Instant::now();
        let (refreshing, clock) = (Arc::clone(&ranker), Arc::clone(&clock));
        let refresh = move || refreshing.refresh(refreshing.now(&clock));
        tokio::task::spawn_blocking(refresh).await?;
        metrics.pool_refresh.set(started.elapsed().as_secs_f64());
        // What comes right after a refresh has begun is in the pools once the next one has ended: within the
        // interval, if that takes as long. Where it takes long, as during a replay, it must not be all that is
        // done.
        let took = started.elapsed();
        tokio::time::sleep(2 * took).await;
        // A partition that has come does not answer before the next refresh.
        let _ = tokio::time::timeout(interval.saturating_sub(4 * took), ranker.state().arrival()).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::engine::config::StreamConfig;
    use crate::engine::facts::state::PartitionState;
    use crate::engine::position::{Offset, Partition};
    use crate::engine::rank::models::ModelSet;
    use crate::models::{BUILT_IN_MODEL, parse_model};
    use crate::state::{Positioned, State};

    const LOOK: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_partition_that_comes_does_not_wait_for_the_next_refresh() {
        let config = Arc::new(StreamConfig::default());
        let state = Arc::new(State::away(Arc::clone(&config), 1));
        let model = parse_model("m", "m.toml".as_ref(), BUILT_IN_MODEL, &config).expect("a valid model");
        let models = ModelSet::new([("m".to_owned(), Arc::new(model))].into(), "m");
        let ranker = Arc::new(Ranker::new(Arc::clone(&state), Arc::new(models.expect("a default model"))));
        let clock: Clock = Arc::new(|| 1_700_000_000_000);
        let metrics = Arc::new(Metrics::new());
        let parts = (Arc::clone(&ranker), clock, Arc::clone(&metrics));
        let refreshing = tokio::spawn(refresh_pools(parts, Duration::from_secs(3600)));
        let minute = Duration::from_secs(60);
        let first = async {
            while metrics.pool_refresh.get() == 0.0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        timeout(minute, first).await.expect("the first refresh");
        state
            .hold(Partition(0), Positioned { state: PartitionState::new(config), next_offset: Offset::ZERO });
        let known = || {
            let (pools, held) = (ranker.pools("").expect("the default model"), state.partition(Partition(0)));
            !pools.maps.is_empty() && pools.know(0, &held.expect("it is held").state)
        };
        let second = async {
            while !known() {
                tokio::time::sleep(LOOK).await;
            }
        };
        timeout(minute, second).await.expect("a refresh for the partition");
        refreshing.abort();
    }
}

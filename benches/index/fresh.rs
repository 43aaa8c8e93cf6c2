//! How soon an item that gets a hundred clicks at once is among what is popular.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use headwater::clock::wall_clock;
use headwater::proto;
use tonic::Code;

use super::fill::{probe_id, publish};
use super::sandbox::messages::{event, recommend};
use super::sandbox::service::{Clients, DEADLINE};
use super::{ONLY_POPULAR, PROBES};

const CLICKS: u32 = 100;
/// Between two samples: in no step with a refresh each second.
const APART: Duration = Duration::from_millis(211);
/// Between two looks, which a sample may be too long by.
const LOOK: Duration = Duration::from_millis(10);
/// The length of the popular pool, as in the shipped model: a longer list would have items from elsewhere.
pub const POPULAR: u32 = 500;

/// From the acknowledgement of each item's hundredth click to its place among the popular, in ms.
pub async fn samples(clients: &Clients) -> Vec<f64> {
    assert!(popular(clients).await.iter().all(|item| !item.starts_with("probe")), "nobody has clicked yet");
    let watching = tokio::spawn(watch(clients.clone()));
    let mut clicking = Vec::new();
    for number in 0..PROBES {
        let clients = clients.clone();
        // All at once: with fewer of them it would be among the popular as well.
        clicking.push(tokio::spawn(async move {
            publish(&clients, clicks(&probe_id(number))).await;
            Instant::now()
        }));
        tokio::time::sleep(APART).await;
    }
    let seen = watching.await.expect("all were seen");
    let mut samples = Vec::new();
    for (number, clicked) in (0..PROBES).zip(clicking) {
        let acknowledged = clicked.await.expect("the clicks are taken");
        samples.push(seen[&probe_id(number)].saturating_duration_since(acknowledged).as_secs_f64() * 1e3);
    }
    samples
}

fn clicks(item: &str) -> Vec<proto::Event> {
    let now = wall_clock();
    (0..CLICKS).map(|user| event(&format!("clicker-{user}"), item, "click", now)).collect()
}

/// Looks until all of them were among the popular: when each was first.
async fn watch(clients: Clients) -> HashMap<String, Instant> {
    let (started, mut seen) = (Instant::now(), HashMap::new());
    while seen.len() < PROBES as usize {
        assert!(started.elapsed() < DEADLINE, "{} of {PROBES} were seen", seen.len());
        let items = popular(&clients).await;
        let now = Instant::now();
        for item in items.into_iter().filter(|item| item.starts_with("probe")) {
            seen.entry(item).or_insert(now);
        }
        tokio::time::sleep(LOOK).await;
    }
    seen
}

/// What is recommended to somebody of whom nothing is known, by a model that draws on what is popular and
/// on nothing else.
async fn popular(clients: &Clients) -> Vec<String> {
    let request =
        proto::RecommendRequest { model: ONLY_POPULAR.to_owned(), ..recommend("nobody", POPULAR, None) };
    match clients.recommender().recommend(request).await {
        Ok(answer) => answer.into_inner().items.into_iter().map(|item| item.item_id.into()).collect(),
        // Too much at once for a moment: it is asked again.
        Err(status) if status.code() == Code::ResourceExhausted => Vec::new(),
        Err(status) => panic!("{status}"),
    }
}

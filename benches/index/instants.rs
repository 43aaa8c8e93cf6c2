//! What requests of now notice of one client that asks for one past instant after the other.

use std::time::{Duration, Instant};

use headwater::clock::wall_clock;
use tokio::task::JoinSet;
use tonic::Code;

use super::common::percentile;
use super::sandbox::messages::recommend;
use super::sandbox::service::Clients;

const WHILE: Duration = Duration::from_secs(15);
const OF_NOW_A_SECOND: u32 = 200;
const OF_INSTANTS_A_SECOND: u32 = 500;
/// Between two instants that are asked for: no two are the same.
const APART: i64 = 1;

/// The p99 of requests of now beside a client that asks for instants, against that without it.
pub async fn slowdown(clients: &Clients) -> f64 {
    let alone = of_now(clients).await;
    let asking = tokio::spawn(ask(clients.clone()));
    let beside = of_now(clients).await;
    let (answered, refused) = asking.await.expect("it asks until its time is over");
    assert!(answered > 0, "no instant was answered");
    let [alone, beside] = [alone, beside].map(|mut times| {
        let of = |times: &mut Vec<f64>, share| percentile(times, share) * 1e3;
        (of(&mut times, 0.5), of(&mut times, 0.99))
    });
    println!(
        "       requests of now: p50 {:.2} ms, p99 {:.2} ms; beside {OF_INSTANTS_A_SECOND}/s for as many instants: \
         p50 {:.2} ms, p99 {:.2} ms ({answered} of those answered, {refused} refused)",
        alone.0, alone.1, beside.0, beside.1
    );
    beside.1 / alone.1
}

/// How long requests of now take, in seconds, each timed from when it was due.
async fn of_now(clients: &Clients) -> Vec<f64> {
    let mut asked = JoinSet::new();
    let started = tokio::time::Instant::now();
    for number in 0..OF_NOW_A_SECOND * WHILE.as_secs() as u32 {
        let due = started + Duration::from_secs(1) / OF_NOW_A_SECOND * number;
        tokio::time::sleep_until(due).await;
        let clients = clients.clone();
        asked.spawn(async move {
            let request = recommend(&format!("user-{}", number % 1000), 20, None);
            clients.recommender().recommend(request).await.expect("nobody who asks for now is refused");
            due.elapsed().as_secs_f64()
        });
    }
    asked.join_all().await
}

/// Asks for one instant after the other at a steady pace; how many were answered, and how many refused.
async fn ask(clients: Clients) -> (usize, usize) {
    let mut asked = JoinSet::new();
    let (started, now) = (Instant::now(), wall_clock());
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / OF_INSTANTS_A_SECOND);
    for number in 0.. {
        ticks.tick().await;
        if started.elapsed() >= WHILE {
            break;
        }
        let clients = clients.clone();
        asked.spawn(async move {
            let request = recommend("one", 20, Some(now - APART * number));
            match clients.recommender().recommend(request).await {
                Ok(_) => true,
                Err(status) if status.code() == Code::ResourceExhausted => false,
                Err(status) => panic!("{status}"),
            }
        });
    }
    let answered = asked.join_all().await;
    let all = answered.len();
    let answered = answered.into_iter().filter(|answered| *answered).count();
    (answered, all - answered)
}

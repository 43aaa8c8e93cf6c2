//! What goes on meanwhile: questions at a steady pace, and events that make every partition worth
//! saving.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headwater::clock::wall_clock;
use headwater::proto;
use tokio::task::JoinHandle;

use super::common::micros;
use super::sandbox::messages::{event, recommend};
use super::sandbox::service::Clients;

/// The pace of the questions.
const EVERY: Duration = Duration::from_millis(2);
/// The pace of the batches of events.
const EVENTS_EVERY: Duration = Duration::from_millis(50);
const EVENTS: u32 = 20;

/// Events that come in until they are stopped.
pub struct Load {
    clients: Clients,
    users: u32,
    stop: Arc<AtomicBool>,
    events: JoinHandle<()>,
}

impl Load {
    /// Starts the events.
    pub fn start(clients: &Clients, users: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, clients_of_events) = (Arc::clone(&stop), clients.clone());
        let events = tokio::spawn(async move {
            let mut batch = 0;
            while !told.load(Ordering::Acquire) {
                let one =
                    |place: u32| event(&user(batch * EVENTS + place, users), "item-1", "click", wall_clock());
                let request = proto::PublishRequest { events: (0..EVENTS).map(one).collect() };
                clients_of_events.events().publish(request).await.expect("events are taken");
                batch += 1;
                tokio::time::sleep(EVENTS_EVERY).await;
            }
        });
        Self { clients: clients.clone(), users, stop, events }
    }

    /// The latency in us of each question of some time, from when it was due.
    pub async fn latencies(&self, duration: Duration) -> Vec<f64> {
        let mut client = self.clients.recommender();
        let mut latencies = Vec::new();
        let started = Instant::now();
        let mut due = started;
        let mut asked = 0;
        while due < started + duration {
            // A question that has to wait for the one before it is late from when it was due. That our
            // own timer wakes us late is no fault of the service.
            let mut from = due;
            if Instant::now() < due {
                tokio::time::sleep_until(due.into()).await;
                from = Instant::now();
            }
            let request = recommend(&user(asked, self.users), 20, None);
            client.recommend(request).await.expect("an answer");
            latencies.push(micros(from.elapsed()));
            asked += 1;
            due += EVERY;
        }
        latencies
    }

    /// Ends the events.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.events.await.expect("the events went well");
    }
}

/// One of the users, another for each number, in no order.
fn user(number: u32, users: u32) -> String {
    format!("u{}", (u64::from(number) * 7_919) % u64::from(users))
}

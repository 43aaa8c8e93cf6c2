//! What goes on meanwhile: the same questions again and again at a steady pace, each with the answer that is
//! expected; and events of later, which change none of these.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::clock::wall_clock;
use headwater::codec::encode_event;
use headwater::engine::events::event::{EventDraft, Timestamp};
use headwater::log::{Log, NewRecord, Topic};
use headwater::proto::RecommendResponse;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::balancer::Balancer;
use super::common::micros;
use super::sandbox::messages::recommend;
use super::sandbox::service::Clients;

/// The pace of the questions.
pub const REQUESTS_A_SECOND: u32 = 500;
/// After how long one counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);
const N: u32 = 20;
/// The pace of the events.
const EVENTS_EVERY: Duration = Duration::from_millis(50);
const EVENTS: u32 = 10;
/// What did not go well is told of so many.
const TOLD: usize = 5;

/// A question about a user as of some instant, and its answer.
pub struct Question {
    user: String,
    as_of: Timestamp,
    answer: RecommendResponse,
}

impl Question {
    /// Asks for the answer that is to stay.
    pub async fn ask(clients: &Clients, user: String, as_of: Timestamp) -> Self {
        let answer = answer(clients, &user, as_of).await.expect("an answer");
        assert!(answer.profile_as_of.is_some() && !answer.items.is_empty(), "{user} is known: {answer:?}");
        Self { user, as_of, answer }
    }

    /// Asks again: none if the answer is what it was, or how it differs.
    pub async fn differs(&self, clients: &Clients) -> Result<Option<String>, String> {
        let answer = answer(clients, &self.user, self.as_of).await?;
        let same = answer == self.answer;
        Ok((!same).then(|| format!("of {}: {}, it was {}", self.user, list(&answer), list(&self.answer))))
    }
}

/// What an answer says of a user, without what names the one answer and how fresh it is known to be.
async fn answer(clients: &Clients, user: &str, as_of: Timestamp) -> Result<RecommendResponse, String> {
    let (mut client, request) = (clients.recommender(), recommend(user, N, Some(as_of.0)));
    let asked = tokio::time::timeout(PATIENCE, client.recommend(request)).await;
    let answered = asked.map_err(|_| format!("no answer within {PATIENCE:?}"))?;
    let answer = answered.map_err(|status| status.to_string())?.into_inner();
    Ok(RecommendResponse {
        recommendation_id: String::new(),
        degraded: false,
        degraded_reason: String::new(),
        ..answer
    })
}

/// The best of an answer, for people.
fn list(answer: &RecommendResponse) -> String {
    let best = answer.items.iter().take(3).map(|item| format!("{} {}", item.item_id, item.score));
    best.collect::<Vec<_>>().join(", ")
}

/// What has become of the questions.
#[derive(Default)]
pub struct Tally {
    /// By replica.
    pub answered: [usize; 2],
    pub differing: usize,
    pub failed: usize,
    /// Of those that were answered, from when they were due, in us.
    pub latencies: Vec<f64>,
    /// The first ones that did not go well.
    pub wrong: Vec<String>,
}

impl Tally {
    fn note(&mut self, replica: Option<usize>, due: Instant, outcome: Result<Option<String>, String>) {
        if let (Some(replica), Ok(_)) = (replica, &outcome) {
            self.answered[replica] += 1;
            self.latencies.push(micros(due.elapsed()));
        }
        let wrong = match outcome {
            Ok(None) => return,
            Ok(Some(difference)) => {
                self.differing += 1;
                difference
            }
            Err(error) => {
                self.failed += 1;
                error
            }
        };
        if self.wrong.len() < TOLD {
            let who = replica.map_or_else(|| "nobody".to_owned(), |replica| format!("replica {replica}"));
            self.wrong.push(format!("{who}: {wrong}"));
        }
    }
}

/// Questions by way of a balancer until they are stopped.
pub struct Load {
    tally: Arc<Mutex<Tally>>,
    asking: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Load {
    pub fn start(balancer: Arc<Balancer>, questions: Arc<Vec<Question>>) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = watch::channel(false);
        let noted = Arc::clone(&tally);
        let asking = tokio::spawn(async move {
            let every = Duration::from_secs(1) / REQUESTS_A_SECOND;
            let (mut due, mut number) = (Instant::now(), 0);
            let mut under_way = JoinSet::new();
            while !*stopped.borrow() {
                tokio::time::sleep_until(due.into()).await;
                let (balancer, questions, noted) =
                    (Arc::clone(&balancer), Arc::clone(&questions), Arc::clone(&noted));
                under_way.spawn(async move {
                    let question = &questions[number % questions.len()];
                    // Whatever fails is asked no second time.
                    let (replica, outcome) = match balancer.next() {
                        Some((replica, clients)) => (Some(replica), question.differs(&clients).await),
                        None => (None, Err("no replica was ready".to_owned())),
                    };
                    noted.lock().note(replica, due, outcome);
                });
                while let Some(asked) = under_way.try_join_next() {
                    asked.expect("a question is asked");
                }
                (due, number) = (due + every, number + 1);
            }
            under_way.join_all().await;
        });
        Self { tally, asking, stop }
    }

    /// What has become of them since this was asked last.
    pub fn so_far(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock())
    }

    /// Ends them, and waits for those that are under way.
    pub async fn stop(self) -> Tally {
        self.stop.send_replace(true);
        self.asking.await.expect("questions are asked");
        std::mem::take(&mut *self.tally.lock())
    }
}

/// Events of now on the log, until the handle ends them. Users and items are there already.
pub fn events(log: Arc<dyn Log>, users: u32, items: Vec<String>) -> AbortHandle {
    let appending = async move {
        let mut number = 0;
        loop {
            let records = (number..number + EVENTS).map(|number| {
                let (user, item) = (user(number, users), &items[number as usize % items.len()]);
                let event = EventDraft {
                    user_id: Some(user.as_str().into()),
                    item_id: Some(item.as_str().into()),
                    kind: Some("click".into()),
                    ts: Some(wall_clock()),
                    ..EventDraft::default()
                };
                NewRecord { value: Some(encode_event(&event)), key: user.into_bytes(), headers: Vec::new() }
            });
            log.append(Topic::Clicks, records.collect()).await.expect("events are appended");
            number += EVENTS;
            tokio::time::sleep(EVENTS_EVERY).await;
        }
    };
    tokio::spawn(appending).abort_handle()
}

/// One of the users, another for each number, in no order.
pub fn user(number: u32, users: u32) -> String {
    format!("u{}", (u64::from(number) * 7_919) % u64::from(users))
}

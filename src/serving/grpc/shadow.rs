//! What a second model would have listed (`models.shadow`): asked for one list in so many, and compared with it.
//!
//! Nobody waits for that. A list is handed over when it is answered, and asked for again by the other model on a thread that
//! may be blocked, one after the other. Where there are more than can be asked for, some are left out, and counted.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use compact_str::CompactString;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::Status;

use super::question::Question;
use crate::background::aside;
use crate::clock::Clock;
use crate::engine::rank::pipeline::Scratch;
use crate::proto;
use crate::state::ranker::Ranker;
use crate::telemetry::{Metrics, OutcomeLabel};

/// How many lists may wait to be compared.
const WAITING: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Hands lists over to be compared.
#[derive(Debug)]
pub struct Shadow {
    model: String,
    every: u64,
    answered: AtomicU64,
    lists: Sender<Served>,
    metrics: Arc<Metrics>,
}

/// Compares the lists that are handed over.
#[derive(Debug)]
pub struct Shadowing {
    model: String,
    lists: Receiver<Served>,
    metrics: Arc<Metrics>,
}

/// A list that was answered.
#[derive(Debug)]
struct Served {
    request: proto::RecommendRequest,
    items: Vec<CompactString>,
}

impl Shadow {
    /// The shadow of this model, if one is named, for one in so many lists; and what compares for it.
    pub fn of(model: &str, every: usize, metrics: &Arc<Metrics>) -> Option<(Self, Shadowing)> {
        if model.is_empty() {
            return None;
        }
        // What has not happened yet is told, too.
        for outcome in ["same_first", "other_first", "failed", "left_out"] {
            drop(metrics.shadow_lists.get_or_create(&OutcomeLabel { outcome }));
        }
        let (sender, lists) = channel(WAITING);
        let (model, every, answered) = (model.to_owned(), every as u64, AtomicU64::new(0));
        let shadowing = Shadowing { model: model.clone(), lists, metrics: Arc::clone(metrics) };
        Some((Self { model, every, answered, lists: sender, metrics: Arc::clone(metrics) }, shadowing))
    }

    /// Hands a list of now over, if it is its turn.
    pub(super) fn see(&self, request: &proto::RecommendRequest, response: &proto::RecommendResponse) {
        let of_itself = response.model.as_ref().is_some_and(|model| model.name == self.model);
        if of_itself || request.as_of.is_some() || response.items.is_empty() {
            return;
        }
        if !self.answered.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every) {
            return;
        }
        let items = response.items.iter().map(|item| item.item_id.clone()).collect();
        let request = proto::RecommendRequest { explain: false, with_item: false, ..request.clone() };
        if self.lists.try_send(Served { request, items }).is_err() {
            self.metrics.shadow_lists.get_or_create(&OutcomeLabel { outcome: "left_out" }).inc();
        }
    }
}

impl Shadowing {
    /// Compares what is handed over, for as long as somebody does.
    ///
    /// # Errors
    /// The runtime ends.
    pub async fn run(mut self, ranker: Arc<Ranker>, clock: Clock) -> std::io::Result<()> {
        let model: Arc<str> = self.model.into();
        while let Some(served) = self.lists.recv().await {
            let (ranker, clock, model) = (Arc::clone(&ranker), Arc::clone(&clock), Arc::clone(&model));
            let compared = aside(move || {
                let listed = listed(&ranker, &clock, &model, &served.request)?;
                Ok::<_, Status>(compared(&served.items, &listed))
            });
            let outcome = match compared.await? {
                Ok((overlap, first)) => {
                    self.metrics.shadow_overlap.observe(overlap);
                    if first { "same_first" } else { "other_first" }
                }
                // The model is gone, or the user's partition is.
                Err(_) => "failed",
            };
            self.metrics.shadow_lists.get_or_create(&OutcomeLabel { outcome }).inc();
        }
        Ok(())
    }
}

/// What a model lists now.
fn listed(
    ranker: &Ranker,
    clock: &Clock,
    model: &str,
    request: &proto::RecommendRequest,
) -> Result<Vec<CompactString>, Status> {
    let question = Question::of(request)?;
    let pools = ranker.pools(model).ok_or_else(|| Status::not_found(model))?;
    let t = ranker.now(clock).max(pools.as_of).max(pools.floor);
    let query = question.query(ranker.state().config().context_event_type, t);
    let rank = |scratch: &mut Scratch| ranker.recommend(&pools, &request.user_id, &query, scratch);
    let answer = SCRATCH.with_borrow_mut(rank).map_err(|error| Status::unavailable(format!("{error:?}")))?;
    Ok(answer.items.iter().map(|ranked| pools.layout.id(ranked.row).into()).collect())
}

/// The part of a list that is in another one, too, and whether both begin with the same item.
fn compared(served: &[CompactString], other: &[CompactString]) -> (f64, bool) {
    let others: HashSet<&CompactString> = other.iter().collect();
    let common = served.iter().filter(|item| others.contains(item)).count();
    (common as f64 / served.len() as f64, served.first() == other.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_both_lists_counts_wherever_it_stands() {
        let list = |items: &[&str]| items.iter().map(|item| CompactString::from(*item)).collect::<Vec<_>>();
        assert_eq!(compared(&list(&["a", "b", "c", "d"]), &list(&["c", "a", "x", "y"])), (0.5, false));
        assert_eq!(compared(&list(&["a", "b"]), &list(&["a", "b"])), (1.0, true));
        assert_eq!(compared(&list(&["a"]), &[]), (0.0, false));
    }
}

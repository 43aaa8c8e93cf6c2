//! What every service needs that answers from state.

use std::sync::Arc;

use tonic::Status;

use super::{OWNER, convert};
use crate::clock::Clock;
use crate::engine::events::catalog_item::CatalogItem;
use crate::engine::events::event::Timestamp;
use crate::engine::index::pools::Pools;
use crate::health::Health;
use crate::log::{Log, Topic};
use crate::state::ranker::{Ranker, Unanswerable};
use crate::state::{NotHeld, State};

/// Reads state and what ranks it.
#[derive(Clone)]
pub struct Reader {
    ranker: Arc<Ranker>,
    health: Arc<Health>,
    /// Asked who holds what is not held here.
    log: Arc<dyn Log>,
    clock: Clock,
}

impl Reader {
    /// Reads what a ranker ranks.
    pub fn new(ranker: Arc<Ranker>, health: Arc<Health>, log: Arc<dyn Log>, clock: Clock) -> Self {
        Self { ranker, health, log, clock }
    }

    /// What ranks state.
    pub fn ranker(&self) -> &Arc<Ranker> {
        &self.ranker
    }

    /// State.
    pub fn state(&self) -> &State {
        self.ranker.state()
    }

    /// The model that a request names, or the default one, with its pools of now.
    pub fn pools(&self, name: &str) -> Result<Arc<Pools>, Status> {
        self.ranker.pools(name).ok_or_else(|| {
            let models = self.ranker.models();
            let known: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
            Status::not_found(format!("`model` is `{name}`, loaded are: {}", known.join(", ")))
        })
    }

    /// The instant that a request which names none is answered for.
    pub fn now(&self) -> Timestamp {
        self.ranker.now(&self.clock)
    }

    /// Why answers are less than they should be, if they are.
    pub fn degraded(&self) -> Option<String> {
        let missing = || self.state().missing().map(|missing| String::clone(&missing));
        self.health.status().degraded().or_else(missing)
    }

    /// Items as the catalog has them now, in the order of their ids; none for one that it does not have.
    pub fn items<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<Option<Arc<CatalogItem>>> {
        let catalog = self.state().catalog();
        ids.map(|id| catalog.get(id).cloned()).collect()
    }

    /// The status of a request about a user that can't be answered.
    pub fn refusal(&self, error: Unanswerable) -> Status {
        let NotHeld { partition, restoring } = match error {
            Unanswerable::TooOld(error) => return convert::too_old(error),
            Unanswerable::NotHeld(error) => error,
        };
        let topic = self.log.name(Topic::Clicks);
        if restoring {
            return Status::unavailable(format!(
                "partition {partition} of `{topic}`, where `user_id` lives, is being restored here: try again"
            ));
        }
        let lives = format!("`user_id` lives in partition {partition} of `{topic}`, which is not held here");
        match self.log.owner(partition) {
            None => Status::failed_precondition(format!("{lives}: ask the other processes of the group")),
            Some(owner) => {
                let mut status = Status::failed_precondition(format!("{lives}: ask {owner}"));
                if let Ok(owner) = owner.parse() {
                    status.metadata_mut().insert(OWNER, owner);
                }
                status
            }
        }
    }
}

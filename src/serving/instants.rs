//! Pools of instants that requests name, made for few of them at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::background::in_background;
use crate::engine::events::event::Timestamp;
use crate::engine::index::pools::Pools;
use crate::engine::rank::model::Model;
use crate::state::ranker::Ranker;
use crate::telemetry::{Counter, Shed, ShedRequests};

/// How many questions may be worked on at once whose pools have to be made first.
const AT_ONCE: usize = 4;

/// Makes pools of instants.
pub struct Instants {
    ranker: Arc<Ranker>,
    room: Semaphore,
    refused: Counter,
}

impl Instants {
    /// What is refused is counted in `shed`.
    pub fn new(ranker: Arc<Ranker>, shed: &ShedRequests) -> Self {
        let refused = shed.get_or_create_owned(&Shed { reason: "as_of" });
        Self { ranker, room: Semaphore::new(AT_ONCE), refused }
    }

    /// The pools of an instant for a model. They may have to be made, on a thread of their own that leaves
    /// the processors to those that serve.
    pub async fn pools(&self, model: &Arc<Model>, instant: Timestamp) -> Result<Arc<Pools>, Status> {
        if let Some(known) = self.ranker.known_at(model, instant) {
            return Ok(known);
        }
        let _permit = self.room.try_acquire().map_err(|_| self.refuse())?;
        let (ranker, model) = (Arc::clone(&self.ranker), Arc::clone(model));
        let made = in_background("instant", move || ranker.at(&model, instant)).await;
        made.map_err(|error| Status::internal(format!("the pools of `as_of` could not be made: {error}")))
    }

    fn refuse(&self) -> Status {
        self.refused.inc();
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(100)));
        let message = format!(
            "{AT_ONCE} requests with an `as_of` that nobody has asked for lately are being worked on: try again in \
             100 ms, or ask for the same instant again rather than for one after the other"
        );
        Status::with_error_details(Code::ResourceExhausted, message, details)
    }
}

//! Pools of instants that requests name, made for few of them at a time.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::Status;

use crate::background::{Niceness, begin_in_background};
use crate::engine::events::event::Timestamp;
use crate::engine::index::pools::Pools;
use crate::engine::rank::model::Model;
use crate::serving::admission::exhausted;
use crate::state::ranker::Ranker;
use crate::telemetry::{Counter, Shed, ShedRequests};

/// How many instants may be worked on, or wait for that, at once.
const AT_ONCE: usize = 4;
/// How many requests may wait for them: each is in flight, where those of now are to find room.
const WAITING: usize = 64;

/// A model's name and version, and an instant.
type Key = (String, String, Timestamp);

/// Pools that are being made, once they are; closed without any if that failed.
type Made = watch::Receiver<Option<Arc<Pools>>>;
type Making = watch::Sender<Option<Arc<Pools>>>;

/// Work on an instant, for all who ask for it meanwhile.
struct Flight {
    made: Made,
    /// Whether facts are being looked at. Those of later may be missing in what is made.
    begun: bool,
    /// What is made after that, if somebody has come since it began.
    next: Option<Making>,
}

impl Flight {
    fn new(made: Made) -> Self {
        Self { made, begun: false, next: None }
    }
}

/// By what is asked for.
#[derive(Default)]
struct Flights(Mutex<HashMap<Key, Flight>>);

impl Flights {
    /// What an asker is to wait for: and if that had begun, for what.
    fn join(flight: &mut Flight) -> (Made, Option<Made>) {
        let next =
            flight.begun.then(|| flight.next.get_or_insert_with(|| watch::channel(None).0).subscribe());
        (flight.made.clone(), next)
    }

    fn begin(&self, key: &Key) {
        if let Some(flight) = self.0.lock().get_mut(key) {
            flight.begun = true;
        }
    }

    /// It is made: whoever has come since it began gets what is made next. None: nobody has, and the place is given
    /// back before anybody can see that it is not taken any more.
    fn end(&self, key: &Key, place: &mut Option<OwnedSemaphorePermit>) -> Option<Making> {
        let mut flights = self.0.lock();
        let Some(making) = flights.get_mut(key).and_then(|flight| flight.next.take()) else {
            flights.remove(key);
            place.take();
            return None;
        };
        flights.insert(key.clone(), Flight::new(making.subscribe()));
        Some(making)
    }
}

/// The work on one instant, on its own thread.
struct Work {
    ranker: Arc<Ranker>,
    model: Arc<Model>,
    flights: Arc<Flights>,
    key: Key,
    /// It goes with the work, whoever still waits for that.
    place: Option<OwnedSemaphorePermit>,
}

impl Work {
    fn run(mut self, mut making: Making) {
        loop {
            let begun = || self.flights.begin(&self.key);
            let pools = self.ranker.at(&self.model, self.key.2, begun);
            let next = self.flights.end(&self.key, &mut self.place);
            making.send_replace(Some(pools));
            match next {
                Some(next) => making = next,
                None => return,
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Those who wait for what comes next hear of it, too.
            self.flights.0.lock().remove(&self.key);
        }
    }
}

/// Makes pools of instants.
pub struct Instants {
    ranker: Arc<Ranker>,
    flights: Arc<Flights>,
    room: Arc<Semaphore>,
    waiting: Semaphore,
    refused: Counter,
}

impl Instants {
    /// What is refused is counted in `shed`.
    pub fn new(ranker: Arc<Ranker>, shed: &ShedRequests) -> Self {
        let refused = shed.get_or_create_owned(&Shed { reason: "as_of" });
        let (room, waiting) = (Arc::new(Semaphore::new(AT_ONCE)), Semaphore::new(WAITING));
        Self { ranker, flights: Arc::default(), room, waiting, refused }
    }

    /// The pools of an instant for a model, with all that was applied before this was called. They may have to be
    /// made, on a thread of their own that leaves the processors to those that serve.
    pub async fn pools(&self, model: &Arc<Model>, instant: Timestamp) -> Result<Arc<Pools>, Status> {
        if let Some(known) = self.ranker.known_at(model, instant) {
            return Ok(known);
        }
        let Ok(_waits) = self.waiting.try_acquire() else { return Err(self.refuse()) };
        let Some((made, next)) = self.join(model, instant)? else {
            // Others may have made them since we looked.
            return self.ranker.known_at(model, instant).ok_or_else(|| self.refuse());
        };
        let pools = landed(made).await?;
        let Some(next) = next else { return Ok(pools) };
        // It had begun when we came, and may lack what was applied in between.
        match self.ranker.known_at(model, instant) {
            Some(known) => Ok(known),
            None => landed(next).await,
        }
    }

    /// The work on an instant that is under way, or else some that begins now; none if there is no room for it.
    fn join(&self, model: &Arc<Model>, instant: Timestamp) -> Result<Option<(Made, Option<Made>)>, Status> {
        let key = (model.name.clone(), model.version.clone(), instant);
        let mut flights = self.flights.0.lock();
        if let Some(flight) = flights.get_mut(&key) {
            return Ok(Some(Flights::join(flight)));
        }
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else { return Ok(None) };
        let (making, made) = watch::channel(None);
        let work = Work {
            ranker: Arc::clone(&self.ranker),
            model: Arc::clone(model),
            flights: Arc::clone(&self.flights),
            key: key.clone(),
            place: Some(place),
        };
        begin_in_background("instant", Niceness::Less, move || work.run(making))
            .map_err(|error| Status::internal(format!("the pools of `as_of` can't be made: {error}")))?;
        // Its beginning waits for the table that we hold.
        flights.insert(key, Flight::new(made.clone()));
        Ok(Some((made, None)))
    }

    fn refuse(&self) -> Status {
        self.refused.inc();
        exhausted(&format!(
            "{AT_ONCE} instants (`as_of`) that nobody has asked for lately are being worked on, or {WAITING} requests \
             wait for some: try again in 100 ms, or ask for the same instant again rather than for one after the other"
        ))
    }
}

async fn landed(mut made: Made) -> Result<Arc<Pools>, Status> {
    let failed = || Status::internal("the pools of `as_of` could not be made, as the log says");
    made.wait_for(Option::is_some).await.map_err(|_| failed())?.clone().ok_or_else(failed)
}

#[cfg(test)]
mod tests;

//! The log in trouble: whatever fails, it is one outage, and one line at a time that tells of it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{debug, info, warn};

use super::seldom::{Saying, Seldom, Spell, in_words};
use crate::clock::wall_clock;
use crate::engine::events::event::Timestamp;

/// What is asked of a log that has to take dead letters before anything else happens.
pub const DEAD_LETTER: &str = "dead_letter";

/// Tells of a log that does not answer, for everybody who asks it something.
#[derive(Debug, Default)]
pub struct LogTrouble(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    outage: Spell,
    /// Whether dead letters wait to be appended: that the log answers something else is no end of it then.
    stuck: bool,
    client: Seldom,
    turned_away: Seldom,
}

impl LogTrouble {
    /// It did not do `what` it was asked: that will be asked again.
    pub fn failed(&self, what: &'static str, error: &str) {
        let mut state = self.0.lock();
        state.stuck |= what == DEAD_LETTER;
        match state.outage.fails(Instant::now()) {
            None => debug!(what, error, "the log does not answer"),
            Some(Saying::Lasts { lasted, failures }) => {
                let (since, lasted) = (ago(lasted), in_words(lasted));
                warn!(what, error, failures, %since, "the log still does not answer, for {lasted} by now");
            }
            Some(_) => warn!(what, error, "the log does not answer, trying again"),
        }
    }

    /// It told what there is of each partition, for which it needs all that there is of it.
    pub fn answered(&self) {
        let mut state = self.0.lock();
        if state.stuck {
            return;
        }
        if let Some(Saying::Ends { lasted, failures }) = state.outage.succeeds(Instant::now()) {
            info!(failures, "the log answers again after {}", in_words(lasted));
        }
    }

    /// Dead letters that had waited were appended.
    pub fn appended(&self) {
        self.0.lock().stuck = false;
    }

    /// The client of its brokers is not content. While the log does not answer, that says it all.
    pub fn client_says(&self, reason: &str) {
        let mut state = self.0.lock();
        let said = if state.outage.lasts() { None } else { state.client.says(Instant::now()) };
        match said {
            Some(left_out) => warn!(target: "librdkafka", reason, left_out, "librdkafka"),
            None => debug!(target: "librdkafka", reason, "librdkafka"),
        }
    }

    /// The brokers do not let it in, or it does not trust them: that is told also while the log does not answer, as it is
    /// why.
    pub fn turned_away(&self, reason: &str) {
        match self.0.lock().turned_away.says(Instant::now()) {
            Some(left_out) => warn!(
                target: "librdkafka",
                reason,
                left_out,
                "the brokers do not let this client in, or it does not trust them: look at `[kafka.properties]`"
            ),
            None => debug!(target: "librdkafka", reason, "librdkafka"),
        }
    }
}

/// The instant that was so long ago.
fn ago(length: Duration) -> Timestamp {
    Timestamp(wall_clock()).minus(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
}

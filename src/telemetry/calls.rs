//! What is said of the calls of RPCs and of the batches that are applied: a span for each, at `debug`, and
//! a line at `info` for one that was slow or failed.
//!
//! Spans are off by default, and cost next to nothing then. Nobody is named: of a user there is the XXH3
//! hash of the id, 16 hexadecimal digits, as `xxhsum -H3` tells it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::span::EnteredSpan;
use tracing::{Span, debug_span, info};
use xxhash_rust::xxh3::xxh3_64;

use super::rpc::Rpc;

/// Lines about calls a second: a client whose every request fails must not fill the disk.
const LINES_A_SECOND: u64 = 10;

/// The most bytes of a text that a line holds: what is wrong with a request may be that it is long.
const MAX_TEXT: usize = 256;

/// A call on its way, as far as it is known what it asks for.
#[derive(Debug)]
pub struct Call<'a> {
    /// What is called.
    pub rpc: Rpc,
    /// What the client calls it.
    pub request_id: &'a str,
    /// Who it is about.
    pub user_id: &'a str,
    /// Where its answer is shown.
    pub surface: &'a str,
    /// The model that it names, empty for the default one.
    pub model: &'a str,
    /// How many candidates there were.
    pub candidates: AtomicUsize,
}

impl<'a> Call<'a> {
    /// A call of which nothing else is known.
    pub fn of(rpc: Rpc) -> Self {
        Self { rpc, request_id: "", user_id: "", surface: "", model: "", candidates: AtomicUsize::new(0) }
    }

    /// The span that its work is done in.
    pub fn span(&self) -> Span {
        let span = debug_span!(
            "rpc",
            method = self.rpc.name(),
            request_id = short(self.request_id),
            user = Empty,
            surface = short(self.surface),
            model = short(self.model),
            candidates = Empty,
            outcome = Empty,
            ms = Empty
        );
        if !span.is_disabled() {
            span.record("user", self.user());
        }
        span
    }

    fn user(&self) -> String {
        if self.user_id.is_empty() {
            String::new()
        } else {
            format!("{:016x}", xxh3_64(self.user_id.as_bytes()))
        }
    }
}

/// Says what became of calls.
#[derive(Debug)]
pub struct CallLog {
    slow: Duration,
    started: Instant,
    /// The second since the start in which lines are counted, and how many there were.
    second: AtomicU64,
    lines: AtomicU64,
    left_out: AtomicU64,
}

impl CallLog {
    /// Says something of calls that took that long, and of those that failed.
    pub fn new(slow: Duration) -> Self {
        let started = Instant::now();
        Self {
            slow,
            started,
            second: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// A call has ended: `outcome` is the name of its status, `error` what the client was told if it failed.
    pub fn end(&self, call: &Call<'_>, span: &Span, outcome: &str, error: Option<&str>, took: Duration) {
        let candidates = call.candidates.load(Ordering::Relaxed);
        let ms = took.as_secs_f64() * 1e3;
        if !span.is_disabled() {
            span.record("candidates", candidates).record("outcome", outcome).record("ms", ms);
        }
        if (error.is_none() && took < self.slow) || !self.has_room(self.started.elapsed().as_secs()) {
            return;
        }
        let method = call.rpc.name();
        let [request_id, surface, model] = [call.request_id, call.surface, call.model].map(short);
        let error = error.map(short);
        let (user, left_out) = (call.user(), self.left_out.swap(0, Ordering::Relaxed));
        let what = if error.is_some() { "request failed" } else { "request was slow" };
        info!(method, request_id, user, surface, model, candidates, outcome, error, ms, left_out, "{what}");
    }

    /// Whether one more line may be written in that second.
    fn has_room(&self, second: u64) -> bool {
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.lines.store(0, Ordering::Relaxed);
        }
        let has_room = self.lines.fetch_add(1, Ordering::Relaxed) < LINES_A_SECOND;
        if !has_room {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }
}

fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Records that are applied one after the other, from the first one on.
#[derive(Debug)]
pub struct AppliedBatch<'a> {
    topic: &'a str,
    slow: Duration,
    entered: Option<(EnteredSpan, Instant)>,
    records: usize,
    rejected: usize,
}

impl<'a> AppliedBatch<'a> {
    /// No record yet. One that takes that long is told.
    pub fn new(topic: &'a str, slow: Duration) -> Self {
        Self { topic, slow, entered: None, records: 0, rejected: 0 }
    }

    /// A record comes next.
    pub fn next(&mut self) {
        let topic = self.topic;
        let enter = || {
            let span = debug_span!("batch", topic, records = Empty, rejected = Empty, ms = Empty);
            (span.entered(), Instant::now())
        };
        self.entered.get_or_insert_with(enter);
        self.records += 1;
    }

    /// It was not applied, for what is wrong with it.
    pub fn reject(&mut self) {
        self.rejected += 1;
    }

    /// There are no more for now.
    pub fn end(self) {
        let Self { topic, slow, entered, records, rejected } = self;
        let Some((span, started)) = entered else { return };
        let took = started.elapsed();
        let ms = took.as_secs_f64() * 1e3;
        span.record("records", records).record("rejected", rejected).record("ms", ms);
        if took >= slow {
            info!(topic, records, rejected, ms, "batch was slow");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_are_written_and_the_others_counted() {
        let log = CallLog::new(Duration::ZERO);
        let written = |second| (0..25).filter(|_| log.has_room(second)).count();
        assert_eq!((written(1), written(2)), (10, 10));
        assert_eq!(log.left_out.load(Ordering::Relaxed), 30);
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!(short("short"), "short");
        let long = format!("{}é", "x".repeat(MAX_TEXT - 1));
        assert_eq!(short(&long), "x".repeat(MAX_TEXT - 1));
    }

    #[test]
    fn a_user_is_told_by_a_hash_of_the_id_and_nobody_by_nothing() {
        let call = Call { user_id: "ann", ..Call::of(Rpc::Recommend) };
        assert_eq!(call.user(), format!("{:016x}", xxh3_64(b"ann")));
        assert_eq!(Call::of(Rpc::ListModels).user(), "");
    }
}

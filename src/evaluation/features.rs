//! What a forest is trained on: right before each scored event the best candidates of a model, and which was turned to.

use std::io;
use std::sync::Arc;

use super::model::Lister;
use super::protocol::stream::{Questions, Rules, questions};
use super::stream::Stream;
use crate::engine::rank::forest::signal::Named;
use crate::engine::rank::model::Model;

/// A candidate of a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<'a> {
    /// The number of the question, from 0.
    pub query: u64,
    /// When it was asked, in ms since the epoch.
    pub ts: i64,
    /// Whether this is what was turned to.
    pub chosen: bool,
    /// Its numbers, one for each signal.
    pub signals: &'a [f32],
}

/// What was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Questions whose candidates were told.
    pub queries: u64,
    /// Questions of which nothing was told, as what was turned to was not among the candidates: there is nothing to be
    /// learnt from them.
    pub missed: u64,
    /// All candidates that were told.
    pub candidates: u64,
}

/// Where candidates go.
pub trait Sink {
    /// What their numbers are, before the first of them.
    ///
    /// # Errors
    /// It can't be written.
    fn begin(&mut self, signals: &[Named]) -> io::Result<()>;

    /// One of them. Those of a question come one after the other, best first.
    ///
    /// # Errors
    /// It can't be written.
    fn add(&mut self, candidate: &Candidate<'_>) -> io::Result<()>;
}

/// Replays a stream and tells of the best `rules.n` candidates of each question.
///
/// # Errors
/// The sink can't take more.
pub fn export(
    stream: &Stream,
    model: &Arc<Model>,
    rules: &Rules,
    refresh: i64,
    sink: &mut dyn Sink,
    progress: &dyn Fn(u64, u64),
) -> io::Result<Told> {
    let Questions { asked, .. } = questions(stream, rules);
    let mut told = Told::default();
    let Some(mut lister) = Lister::new(stream, model, refresh) else { return Ok(told) };
    let width = lister.signals().len();
    sink.begin(lister.signals())?;
    for (done, question) in (1..).zip(&asked) {
        lister.advance(question.place as usize);
        let (items, signals) = lister.list(question.user, question.ts, rules.n);
        // It is looked at when the candidates are there.
        let chosen = stream.events()[question.place as usize].item;
        progress(done, asked.len() as u64);
        if !items.contains(&chosen) {
            told.missed += 1;
            continue;
        }
        for (item, signals) in items.iter().zip(signals.chunks(width)) {
            let (query, ts) = (told.queries, question.ts);
            sink.add(&Candidate { query, ts, chosen: *item == chosen, signals })?;
        }
        told.queries += 1;
        told.candidates += items.len() as u64;
    }
    Ok(told)
}

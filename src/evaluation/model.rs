//! Models as contenders: asked through the [`Ranker`] that serves, over one state for all of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::contender::{Contender, NOBODY, Observed, Question};
use super::stream::Stream;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::engine::events::event::Timestamp;
use crate::engine::events::item::ItemChange;
use crate::engine::index::layout::Layout;
use crate::engine::index::pools::Pools;
use crate::engine::position::{Offset, Partition};
use crate::engine::rank::candidates::{ALL, names};
use crate::engine::rank::filters::Filter;
use crate::engine::rank::forest::signal::Named;
use crate::engine::rank::forest::signals::signals;
use crate::engine::rank::model::Model;
use crate::engine::rank::models::ModelSet;
use crate::engine::rank::pipeline::{Query, Scratch};
use crate::state::State;
use crate::state::ranker::Ranker;

/// The models of a run, each with another name, as contenders that are asked and told side by side: facts are applied
/// once for all of them. Pools are made anew at the first question of each length of `refresh` ms of event time, so
/// that none is older than those of a service that refreshes so often.
pub fn contenders<'a>(
    stream: &'a Stream,
    models: &[Arc<Model>],
    refresh: i64,
) -> Vec<Box<dyn Contender + 'a>> {
    contenders_as(stream, models, refresh, As::User)
}

/// A model that is asked for what a forest would have to look at.
pub struct Lister<'a> {
    name: String,
    engine: Engine<'a>,
    signals: Vec<Named>,
}

impl<'a> Lister<'a> {
    /// One that was told of nothing yet. Pools are made anew at the first question of each length of `refresh` ms.
    pub fn new(stream: &'a Stream, model: &Arc<Model>, refresh: i64) -> Option<Self> {
        let models = BTreeMap::from([(model.name.clone(), Arc::clone(model))]);
        let engine = Engine::new(stream, ModelSet::new(models, &model.name)?, refresh);
        Some(Self { name: model.name.clone(), engine, signals: signals(stream.config()) })
    }

    /// What the numbers of each candidate are.
    pub fn signals(&self) -> &[Named] {
        &self.signals
    }

    /// Tells of all events before this place.
    pub fn advance(&mut self, place: usize) {
        self.engine.advance(place);
    }

    /// The best `n` candidates for a user at an instant, as numbers of the stream, and their numbers, one candidate after
    /// the other.
    pub fn list(&mut self, user: u32, ts: i64, n: usize) -> (Vec<u32>, Vec<f32>) {
        let Self { name, engine, signals } = self;
        let Some(pools) = engine.pools(name, ts) else { return Default::default() };
        let stream = engine.stream;
        let query = Query {
            n,
            as_of: Timestamp(ts),
            context: &[],
            context_kind: stream.config().context_event_type,
            exclude: &[],
            filter: &engine.filter,
            include_seen: false,
            explain: false,
            explore: None,
        };
        let listed =
            engine.ranker.candidates(&pools, stream.user_id(user), &query, signals, &mut engine.scratch);
        // It is held, and the instant is the newest: there is nothing to refuse.
        let listed = listed.unwrap_or_default();
        let item = |row: &u32| engine.rows.get(*row as usize).copied().unwrap_or(NO_ITEM);
        (listed.rows.iter().map(item).collect(), listed.signals)
    }
}

/// How models are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// For the user, of whose events they were told.
    User,
    /// For a stranger, by the items of the session so far, as of the last event that they were told of. Any of these
    /// items may come again, but for the last one.
    Session,
    /// The same, where only some items may be listed: all are ranked, and those are left.
    Among,
}

/// The same, asked in one way or the other.
pub fn contenders_as<'a>(
    stream: &'a Stream,
    models: &[Arc<Model>],
    refresh: i64,
    asked: As,
) -> Vec<Box<dyn Contender + 'a>> {
    let by_name: BTreeMap<_, _> =
        models.iter().map(|model| (model.name.clone(), Arc::clone(model))).collect();
    let first = models.first().map_or("", |model| &model.name);
    let Some(set) = ModelSet::new(by_name, first) else { return Vec::new() };
    let engine = Rc::new(RefCell::new(Engine { asked, ..Engine::new(stream, set, refresh) }));
    let sources = names();
    let asked = |model: &Arc<Model>| -> Box<dyn Contender + 'a> {
        let (name, engine) = (model.name.clone(), Rc::clone(&engine));
        Box::new(Asked { name, engine, observed: 0, sources: sources[..ALL].to_vec() })
    };
    models.iter().map(asked).collect()
}

/// One of the models.
struct Asked<'a> {
    name: String,
    engine: Rc<RefCell<Engine<'a>>>,
    /// How many events it was told of.
    observed: usize,
    sources: Vec<&'static str>,
}

impl Contender for Asked<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn observe(&mut self, _event: &Observed) {
        self.observed += 1;
        self.engine.borrow_mut().advance(self.observed);
    }

    fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
        self.engine.borrow_mut().list(&self.name, question, list);
    }

    fn sources(&self) -> &[&'static str] {
        &self.sources
    }

    fn gave(&mut self, question: &Question<'_>, item: u32) -> u16 {
        self.engine.borrow_mut().gave(&self.name, question, item)
    }
}

/// A service without its adapters: one partition that has everything.
struct Engine<'a> {
    stream: &'a Stream,
    ranker: Ranker,
    refresh: i64,
    asked: As,
    /// In which length of `refresh` the pools were made.
    refreshed: Option<i64>,
    /// How many events were applied.
    applied: usize,
    /// The numbers of the items by row of this layout.
    rows: Vec<u32>,
    layout: Option<Arc<Layout>>,
    scratch: Scratch,
    filter: Filter,
}

/// What a number of no item stands for: a row of an item that was deleted.
const NO_ITEM: u32 = u32::MAX;

impl<'a> Engine<'a> {
    fn new(stream: &'a Stream, models: ModelSet, refresh: i64) -> Self {
        let state = Arc::new(State::empty(Arc::clone(stream.config()), 1));
        for item in stream.catalog() {
            state.apply_item(ItemChange::Put(item.clone()));
        }
        Self {
            stream,
            ranker: Ranker::new(state, Arc::new(models)),
            refresh: refresh.max(1),
            asked: As::User,
            refreshed: None,
            applied: 0,
            rows: Vec::new(),
            layout: None,
            scratch: Scratch::default(),
            filter: Filter::default(),
        }
    }

    /// Applies what comes before this place and was not applied for another model.
    fn advance(&mut self, place: usize) {
        while self.applied < place {
            if let Some(event) = self.stream.event(self.applied) {
                let offset = Offset(self.applied as u64);
                self.ranker.state().apply(Partition(0), offset, None, &event);
            }
            self.applied += 1;
        }
    }

    /// The pools of an instant, as fresh as those of a service.
    fn pools(&mut self, model: &str, ts: i64) -> Option<Arc<Pools>> {
        let tick = ts.div_euclid(self.refresh);
        if self.refreshed != Some(tick) {
            self.ranker.refresh(Timestamp(ts));
            self.refreshed = Some(tick);
        }
        let pools = self.ranker.pools(model)?;
        if !self.layout.as_ref().is_some_and(|known| Arc::ptr_eq(known, &pools.layout)) {
            let layout = &pools.layout;
            let number = |row| self.stream.item(layout.id(row)).unwrap_or(NO_ITEM);
            self.rows = (0..layout.len() as u32).map(number).collect();
            self.layout = Some(Arc::clone(layout));
        }
        Some(pools)
    }

    fn list(&mut self, model: &str, question: &Question<'_>, list: &mut Vec<u32>) {
        list.clear();
        let (user, context) = self.who(question);
        let ts = match self.asked {
            As::User => question.ts,
            As::Session | As::Among => self.applied.checked_sub(1).map_or(question.ts, |last| {
                self.stream.events().get(last).map_or(question.ts, |event| event.ts)
            }),
        };
        let Some(pools) = self.pools(model, ts) else { return };
        let mut query = query(question, &context, &self.filter, self.stream);
        query.as_of = Timestamp(ts);
        // As if each question were asked in an hour of its own.
        query.explore = Some(xxh3_64_with_seed(&question.user.to_le_bytes(), ts.cast_unsigned()));
        query.include_seen = self.asked != As::User;
        match self.asked {
            As::User => {}
            As::Session => query.exclude = &context[context.len().saturating_sub(1)..],
            As::Among => query.n = pools.layout.items_len(),
        }
        // It is held, and the instant is the newest: there is nothing to refuse.
        if let Ok(answer) = self.ranker.recommend(&pools, user, &query, &mut self.scratch) {
            list.extend(answer.items.iter().filter_map(|ranked| self.rows.get(ranked.row as usize)));
        }
        if self.asked == As::Among {
            list.retain(|item| question.listable.may_list(*item));
        }
    }

    fn gave(&mut self, model: &str, question: &Question<'_>, item: u32) -> u16 {
        let Some(pools) = self.pools(model, question.ts) else { return 0 };
        let (user, context) = self.who(question);
        let query = query(question, &context, &self.filter, self.stream);
        let Some(row) = pools.layout.row(self.stream.item_id(item)) else { return 0 };
        let explained = self.ranker.explain(&pools, user, &query, row, &mut self.scratch);
        let gave = explained.map(|explanation| explanation.explained.sources).unwrap_or_default();
        let bits = (0_u16..).zip(names()).filter(|(_, name)| gave.contains(name));
        bits.fold(0, |bits, (source, _)| bits | 1 << source)
    }

    /// The user's id, or else the ids of the items of the visit.
    fn who(&self, question: &Question<'_>) -> (&'a str, Vec<String>) {
        let stream = self.stream;
        match question.user {
            NOBODY => ("", question.so_far.iter().map(|item| stream.item_id(*item).to_owned()).collect()),
            user => (stream.user_id(user), Vec::new()),
        }
    }
}

fn query<'b>(
    question: &Question<'_>,
    context: &'b [String],
    filter: &'b Filter,
    stream: &Stream,
) -> Query<'b> {
    Query {
        n: question.n,
        as_of: Timestamp(question.ts),
        context,
        context_kind: stream.config().context_event_type,
        exclude: &[],
        filter,
        include_seen: false,
        explain: false,
        explore: None,
    }
}

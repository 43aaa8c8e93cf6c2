//! The front door: who asks for a list or an explanation asks here.
//!
//! A request looks at two things, each whole: the models with their pools, which are swapped in as one,
//! and the partition that the user lives in, behind its short lock. Nothing is computed on the way that is
//! the same for every user: pools of now are kept up to date by [`Ranker::refresh`], and those of a model
//! that is new are made before it answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::{NotHeld, State};
use crate::clock::Clock;
use crate::engine::events::event::Timestamp;
use crate::engine::index::layout::Layout;
use crate::engine::index::listing::{LayoutKey, News};
use crate::engine::index::live::{LiveIndex, LivePools};
use crate::engine::index::partitions::Partitions;
use crate::engine::index::pools::Pools;
use crate::engine::rank::explain::{self, InterestPart};
use crate::engine::rank::forest::signal::Named;
use crate::engine::rank::model::Model;
use crate::engine::rank::models::ModelSet;
use crate::engine::rank::pipeline::{self, Answer, Explained, Listed, Query, Scratch, TooOld, UserContext};
use crate::engine::rank::related::rows::RelatedTo;

/// How many pools of past instants are kept.
const INSTANTS: u64 = 16;
/// How long they are kept.
const INSTANT_LIFE: Duration = Duration::from_secs(60);
/// Of how many refreshes it is known which facts they brought: as many as there may be in that time.
const REFRESHES: usize = 128;

/// Why there is no answer about a user.
#[derive(Clone, Copy, Debug)]
pub enum Unanswerable {
    /// See [`TooOld`].
    TooOld(TooOld),
    /// See [`NotHeld`].
    NotHeld(NotHeld),
}

impl From<TooOld> for Unanswerable {
    fn from(error: TooOld) -> Self {
        Self::TooOld(error)
    }
}

impl From<NotHeld> for Unanswerable {
    fn from(error: NotHeld) -> Self {
        Self::NotHeld(error)
    }
}

/// The models that answer, each with its pools of now.
#[derive(Debug)]
struct Loaded {
    models: Arc<ModelSet>,
    pools: LivePools,
}

/// Pools of an instant that somebody asked for.
#[derive(Debug)]
struct Dated {
    pools: Arc<Pools>,
    /// The refreshes before it are in it.
    refresh: u64,
    generations: u64,
}

/// What the refreshes have brought.
#[derive(Debug, Default)]
struct Brought {
    refresh: u64,
    /// The time of the oldest event that each of the last refreshes took in, the newest refresh last.
    oldest: VecDeque<Timestamp>,
}

impl Brought {
    /// Until it is known what a refresh brings, it may be anything.
    fn begin(&mut self) {
        self.refresh += 1;
        self.oldest.push_back(Timestamp(i64::MIN));
        if self.oldest.len() > REFRESHES {
            self.oldest.pop_front();
        }
    }

    fn end(&mut self, oldest: Timestamp) {
        if let Some(last) = self.oldest.back_mut() {
            *last = oldest;
        }
    }
}

/// A score with what it rests on.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The score, and why the item may be left out.
    pub explained: Explained,
    /// What the interest is made of.
    pub interest: Vec<InterestPart>,
}

/// Ranks the items of a state by the models that are loaded.
#[derive(Debug)]
pub struct Ranker {
    state: Arc<State>,
    index: Mutex<LiveIndex>,
    loaded: ArcSwap<Loaded>,
    brought: Mutex<Brought>,
    /// By the name and the version of a model: another one's file may say the same.
    instants: Cache<(String, String, Timestamp), Arc<Dated>>,
    /// Pools of past instants are made one after the other.
    making: Mutex<()>,
}

impl Ranker {
    /// Ranks nothing until the first refresh: pools are empty.
    pub fn new(state: Arc<State>, models: Arc<ModelSet>) -> Self {
        let mut index = LiveIndex::default();
        let pools = index.refresh(&[][..], &models, Timestamp(i64::MIN)).clone();
        Self {
            state,
            index: Mutex::new(LiveIndex::default()),
            loaded: ArcSwap::from_pointee(Loaded { models, pools }),
            brought: Mutex::default(),
            // Asked for once, those of now are worth more than those of before.
            instants: Cache::builder()
                .max_capacity(INSTANTS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(INSTANT_LIFE)
                .build(),
            making: Mutex::default(),
        }
    }

    /// The state that is ranked.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The instant that requests of now are answered for.
    pub fn now(&self, clock: &Clock) -> Timestamp {
        self.state.now(Timestamp(clock()))
    }

    /// The models that answer.
    pub fn models(&self) -> Arc<ModelSet> {
        Arc::clone(&self.loaded.load().models)
    }

    /// The pools of now of the model of that name, the default one for an empty name.
    pub fn pools(&self, model: &str) -> Option<Arc<Pools>> {
        let loaded = self.loaded.load();
        loaded.pools.get(&loaded.models.get(model)?.name).cloned()
    }

    /// How many rows the index has, those of deleted items too.
    pub fn index_rows(&self) -> usize {
        self.loaded.load().pools.values().next().map_or(0, |pools| pools.layout.len())
    }

    /// Of how many past instants pools are kept.
    pub fn instants_kept(&self) -> u64 {
        self.instants.entry_count()
    }

    /// Brings the pools up to an instant. Takes long when much has changed: to be called off the threads
    /// that serve.
    pub fn refresh(&self, now: Timestamp) {
        self.refresh_for(None, now);
    }

    /// Makes the pools of these models; once they are there, they answer in place of those before. To be
    /// called off the threads that serve.
    pub fn load(&self, models: Arc<ModelSet>, now: Timestamp) {
        self.refresh_for(Some(models), now);
    }

    fn refresh_for(&self, models: Option<Arc<ModelSet>>, now: Timestamp) {
        let mut index = self.index.lock();
        // Asked under the lock: a refresh must not bring back models that were replaced while it waited.
        let models = models.unwrap_or_else(|| self.models());
        // Where a clock ahead has moved what can be told, now is then: else nothing of it would be in the pools.
        let mut now = now;
        (0..self.state.len()).for_each(|partition| {
            self.state.with(partition, &mut |state| now = now.max(state.floor()));
        });
        self.brought.lock().begin();
        if let Some(news) = self.news_for(index.layout()) {
            index.lay_out(news);
        }
        let pools = index.refresh(&*self.state, &models, now).clone();
        self.brought.lock().end(index.oldest_change());
        self.loaded.store(Arc::new(Loaded { models, pools }));
        self.instants.run_pending_tasks();
    }

    /// What a layout lacks of the catalog as it is now. Nobody who asks or changes an item waits while it is put
    /// in order.
    fn news_for(&self, layout: &Layout) -> Option<News> {
        layout.news(&self.state.catalog(), &*self.state)
    }

    /// The pools of an instant for a model, if somebody has asked for them and no fact has come since that
    /// they would miss.
    pub fn known_at(&self, model: &Arc<Model>, instant: Timestamp) -> Option<Arc<Pools>> {
        let known = self.instants.get(&key(model, instant))?;
        self.is_complete(&known, instant).then(|| Arc::clone(&known.pools))
    }

    /// The pools of an instant for a model. They are made from all facts, one after the other: to be called
    /// off the threads that serve, by few at a time. `begun` is called before the first fact is looked at.
    pub fn at(&self, model: &Arc<Model>, instant: Timestamp, begun: impl FnOnce()) -> Arc<Pools> {
        let _making = self.making.lock();
        begun();
        // Whoever was before us may have asked for the same.
        if let Some(known) = self.known_at(model, instant) {
            return known;
        }
        // Before the layout is: a refresh that is under way holds that, and counts as one of later.
        let refresh = self.brought.lock().refresh;
        let generations = self.state.generations();
        let layout = Arc::clone(self.index.lock().layout());
        let layout =
            self.news_for(&layout).map_or_else(|| Arc::clone(&layout), |news| Arc::new(layout.updated(news)));
        let pools = Arc::new(Pools::build(layout, &*self.state, Arc::clone(model), instant));
        let dated = Dated { pools: Arc::clone(&pools), refresh, generations };
        self.instants.insert(key(model, instant), Arc::new(dated));
        // What has had to go is freed here and not by whoever asks next.
        self.instants.run_pending_tasks();
        pools
    }

    /// Whether pools of an instant miss no fact: nothing was applied since that had happened by then.
    fn is_complete(&self, dated: &Dated, instant: Timestamp) -> bool {
        if *dated.pools.layout.key() != LayoutKey::of(&self.state.catalog(), &*self.state) {
            return false;
        }
        let unchanged = (0..self.state.len()).all(|partition| {
            let mut oldest = Timestamp(i64::MAX);
            self.state.with(partition, &mut |state| oldest = state.popularity().oldest_change());
            oldest > instant
        });
        // Last: a refresh says that it has begun before it takes from a partition what has changed there. Asked
        // the other way round, what it takes in between would be seen nowhere.
        let brought = self.brought.lock();
        let since = usize::try_from(brought.refresh - dated.refresh).unwrap_or(usize::MAX);
        let later = brought.oldest.iter().rev().take(since).all(|oldest| *oldest > instant);
        unchanged && since <= brought.oldest.len() && later && self.state.generations() == dated.generations
    }

    /// Ranks items for a user, or for an anonymous session if `user_id` is empty.
    ///
    /// # Errors
    /// The user's partition is not here, or the instant is too long ago.
    pub fn recommend(
        &self,
        pools: &Pools,
        user_id: &str,
        query: &Query<'_>,
        scratch: &mut Scratch,
    ) -> Result<Answer, Unanswerable> {
        let related = self.related(pools, user_id, query)?;
        self.with_user(pools, user_id, |user| Ok(pipeline::recommend(pools, user, query, &related, scratch)?))
    }

    /// The best candidates of the linear score for a user, as many as the query asks for, with their numbers: what a
    /// forest is trained on.
    ///
    /// # Errors
    /// The user's partition is not here, or the instant is too long ago.
    pub fn candidates(
        &self,
        pools: &Pools,
        user_id: &str,
        query: &Query<'_>,
        signals: &[Named],
        scratch: &mut Scratch,
    ) -> Result<Listed, Unanswerable> {
        let related = self.related(pools, user_id, query)?;
        self.with_user(pools, user_id, |user| {
            Ok(pipeline::candidates(pools, user, query, &related, signals, scratch)?)
        })
    }

    /// Whether an instant can be answered for about a user.
    ///
    /// # Errors
    /// The user's partition is not here, or the instant is too long ago.
    pub fn check_instant(&self, pools: &Pools, user_id: &str, t: Timestamp) -> Result<(), Unanswerable> {
        self.with_user(pools, user_id, |user| Ok(pipeline::check_instant(pools, user, t)?))
    }

    /// Scores a row for a user with all that the score rests on, under one look at the user's facts.
    ///
    /// # Errors
    /// The user's partition is not here, or the instant is too long ago.
    pub fn explain(
        &self,
        pools: &Pools,
        user_id: &str,
        query: &Query<'_>,
        row: u32,
        scratch: &mut Scratch,
    ) -> Result<Explanation, Unanswerable> {
        let related = self.related(pools, user_id, query)?;
        self.with_user(pools, user_id, |user| {
            let explained = pipeline::explain(pools, user, query, (row, &related), scratch)?;
            let windows = &self.state.config().interest_windows;
            let interest = explain::evidence(pools, user, query, row, windows, scratch)?;
            Ok(Explanation { explained, interest })
        })
    }

    /// What is related to the items that a user was last on. That is about everybody, so that it looks at one partition
    /// after the other; none of them is held meanwhile, the user's neither: two who hold one each and wait for the
    /// other's would do so for ever.
    fn related(
        &self,
        pools: &Pools,
        user_id: &str,
        query: &Query<'_>,
    ) -> Result<Vec<RelatedTo>, Unanswerable> {
        if !pools.model.asks_for_related() && !pools.model.asks_for_own() {
            return Ok(Vec::new());
        }
        let recent = self.with_user(pools, user_id, |user| Ok(pipeline::recent(pools, user, query)?))?;
        Ok(recent.related(pools, &*self.state, user_id))
    }

    /// Works with a user's facts, unless the pools are older than a partition that knows the user: it has come
    /// to this process since.
    fn with_user<T>(
        &self,
        pools: &Pools,
        user_id: &str,
        work: impl FnOnce(&[UserContext<'_>]) -> Result<T, Unanswerable>,
    ) -> Result<T, Unanswerable> {
        if user_id.is_empty() {
            return work(&[]);
        }
        let located = self.state.partitions_of(user_id)?;
        for (partition, state) in located.iter() {
            if !pools.know(partition.index(), state) {
                return Err(NotHeld { partition, restoring: true }.into());
            }
        }
        let mut known = located.iter().filter_map(|(partition, state)| {
            let profile = state.user(user_id)?;
            Some(UserContext { state, partition: partition.index(), profile })
        });
        // Most are known by one, who need no list.
        match (known.next(), known.next()) {
            (None, _) => work(&[]),
            (Some(only), None) => work(&[only]),
            (Some(first), Some(second)) => {
                work(&[first, second].into_iter().chain(known).collect::<Vec<_>>())
            }
        }
    }
}

fn key(model: &Model, instant: Timestamp) -> (String, String, Timestamp) {
    (model.name.clone(), model.version.clone(), instant)
}

#[cfg(test)]
mod tests;

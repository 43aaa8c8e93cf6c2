//! The engine as the tests drive it: partitions, a catalog, a model, and questions.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub mod streams;

use std::borrow::Cow;
use std::sync::Arc;

use headwater::engine::config::{DAY, StreamConfig};
use headwater::engine::events::catalog::Catalog;
use headwater::engine::events::event::{Event, EventType, Timestamp};
use headwater::engine::events::item::{Item, ItemChange};
use headwater::engine::facts::codec::Corrupt;
use headwater::engine::facts::state::{Outcome, PartitionState};
use headwater::engine::index::layout::Layout;
use headwater::engine::index::pools::Pools;
use headwater::engine::rank::explain;
use headwater::engine::rank::explain::WindowReport;
use headwater::engine::rank::explore::Explore;
use headwater::engine::rank::filters::Filter;
use headwater::engine::rank::forest::signal::Named;
use headwater::engine::rank::model::{Away, CandidateLimits, Model, Recent, Trend};
use headwater::engine::rank::pipeline::{
    Answer, Explained, Listed, Query, Scratch, TooOld, UserContext, candidates, explain, recent, recommend,
};
use headwater::engine::rank::related::rows::RelatedTo;
use headwater::engine::rank::related::{OwnSettings, RelatedSettings};
use headwater::engine::rank::scorer::Scorer;
use headwater::log::partition_of;

/// An event to apply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Click {
    pub id: Option<String>,
    pub user: String,
    pub item: String,
    pub kind: u8,
    pub ts: i64,
    pub logged: Option<i64>,
    pub session: Option<String>,
    pub categories: Vec<String>,
}

/// What each partition knows of a user.
fn known_by<'a>(states: &'a [PartitionState], user: &str) -> Vec<UserContext<'a>> {
    let known = states.iter().enumerate().filter_map(|(partition, state)| {
        state.user(user).map(|profile| UserContext { state, partition, profile })
    });
    known.collect()
}

/// A service without its adapters.
pub struct Engine {
    pub config: Arc<StreamConfig>,
    pub catalog: Catalog,
    pub model: Arc<Model>,
    pub states: Vec<PartitionState>,
    layout: Arc<Layout>,
    scratch: Scratch,
}

impl Engine {
    pub fn new(config: StreamConfig, items: &[Item], model: Model, partitions: usize) -> Self {
        let config = Arc::new(config);
        let mut catalog = Catalog::default();
        for item in items {
            catalog.apply(ItemChange::Put(item.clone()), usize::MAX);
        }
        Self {
            states: (0..partitions).map(|_| PartitionState::new(Arc::clone(&config))).collect(),
            layout: Arc::new(Layout::build(&catalog, &[][..])),
            config,
            catalog,
            model: Arc::new(model),
            scratch: Scratch::default(),
        }
    }

    pub fn partition(&self, user: &str) -> usize {
        partition_of(user.as_bytes(), self.states.len() as u32).index()
    }

    pub fn apply(&mut self, click: &Click) -> Outcome {
        self.apply_in(self.partition(&click.user), click)
    }

    /// Takes it in by that partition, wherever its user's key belongs.
    pub fn apply_in(&mut self, partition: usize, click: &Click) -> Outcome {
        let categories: Vec<Cow<'_, str>> =
            click.categories.iter().map(|name| Cow::from(name.as_str())).collect();
        let event = Event {
            event_id: click.id.as_deref(),
            user_id: &click.user,
            item_id: &click.item,
            kind: EventType(click.kind),
            ts: Timestamp(click.ts),
            value: None,
            session_id: click.session.as_deref(),
            surface: None,
            recommendation_id: None,
            categories: &categories,
        };
        self.states[partition].apply(&event, click.logged, &self.catalog)
    }

    pub fn apply_all<'a>(&mut self, clicks: impl IntoIterator<Item = &'a Click>) {
        for click in clicks {
            self.apply(click);
        }
    }

    /// The earliest instant that every partition can answer.
    pub fn floor(&self) -> i64 {
        self.states.iter().map(|state| state.floor().0).max().unwrap_or(0)
    }

    /// The greatest event time.
    pub fn newest(&self) -> i64 {
        self.states.iter().map(|state| state.newest().0).max().unwrap_or(0)
    }

    pub fn pools(&mut self, t: i64) -> Pools {
        if let Some(news) = self.layout.news(&self.catalog, &self.states[..]) {
            self.layout = Arc::new(self.layout.updated(news));
        }
        Pools::build(Arc::clone(&self.layout), &self.states[..], Arc::clone(&self.model), Timestamp(t))
    }

    pub fn ask(&mut self, pools: &Pools, user: &str, query: &Query<'_>) -> Result<Answer, TooOld> {
        let related = self.related(pools, user, query)?;
        recommend(pools, &known_by(&self.states, user), query, &related, &mut self.scratch)
    }

    pub fn explain(
        &mut self,
        pools: &Pools,
        user: &str,
        query: &Query<'_>,
        row: u32,
    ) -> Result<Explained, TooOld> {
        let related = self.related(pools, user, query)?;
        explain(pools, &known_by(&self.states, user), query, (row, &related), &mut self.scratch)
    }

    pub fn candidates(
        &mut self,
        pools: &Pools,
        user: &str,
        query: &Query<'_>,
        signals: &[Named],
    ) -> Result<Listed, TooOld> {
        let related = self.related(pools, user, query)?;
        candidates(pools, &known_by(&self.states, user), query, &related, signals, &mut self.scratch)
    }

    fn related(&self, pools: &Pools, user: &str, query: &Query<'_>) -> Result<Vec<RelatedTo>, TooOld> {
        Ok(recent(pools, &known_by(&self.states, user), query)?.related(pools, &self.states[..], user))
    }

    /// The windows of a user at `t`; of a stranger, none.
    pub fn report(&self, user: &str, t: i64) -> Result<Vec<WindowReport>, Timestamp> {
        let known = known_by(&self.states, user);
        let keep = self.config.recent_events_per_user;
        let parts = known.into_iter().map(|UserContext { state, profile, .. }| {
            Ok((state, profile.at(Timestamp(t), keep, state.interest_windows())?))
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let lengths = &self.config.interest_windows;
        Ok(explain::windows(&parts, &self.catalog, &self.model, Timestamp(t), (lengths, usize::MAX)))
    }

    /// Writes every partition down and reads it back.
    pub fn restart(&mut self) -> Result<(), Corrupt> {
        for place in 0..self.states.len() {
            let sections = sections(&self.states[place]);
            let sections = sections.iter().map(Vec::as_slice);
            self.states[place] = PartitionState::from_sections(Arc::clone(&self.config), sections)?;
        }
        Ok(())
    }
}

/// A state as bytes, section by section.
pub fn sections(state: &PartitionState) -> Vec<Vec<u8>> {
    state.to_sections()
}

pub static ANYTHING: Filter = Filter {
    categories_any: Vec::new(),
    categories_none: Vec::new(),
    attributes: std::collections::BTreeMap::new(),
    created_after: None,
};

/// A plain question.
pub fn query(n: usize, t: i64) -> Query<'static> {
    Query {
        n,
        as_of: Timestamp(t),
        context: &[],
        context_kind: EventType(1),
        exclude: &[],
        filter: &ANYTHING,
        include_seen: false,
        explain: false,
        explore: None,
    }
}

/// The shipped weights for a stream's windows, with room for every item to be a candidate.
pub fn model(config: &StreamConfig) -> Model {
    let even = |windows: usize| -> Vec<f64> {
        let sum = (windows * (windows + 1) / 2) as f64;
        (0..windows).map(|place| (windows - place) as f64 / sum).collect()
    };
    let popularity_windows = even(config.popularity_windows.len());
    Model {
        name: "test".into(),
        version: String::new(),
        source: String::new(),
        scorer: Scorer::linear([0.6, 0.0, 0.0, 0.0, 0.0, 0.3, 0.1, 1.0]),
        event_weights: vec![0.5, 1.0, 2.0, 3.0, 2.0, -2.0, -3.0, 0.0],
        seen: [[Away::Always; 7].as_slice(), &[Away::Never]].concat(),
        interest_windows: even(config.interest_windows.len()),
        evidence: 1.0,
        rarity: 0.75,
        dilution: 0.5,
        recent: Recent { weight: 0.25, distance: 3.0, evidence: 2.0 },
        popularity_evidence: 5.0,
        trending: Trend { short: 0, long: popularity_windows.len() - 1, evidence: 1.0 },
        popularity_windows,
        half_life: 3 * DAY,
        max_category_share: 1.0,
        boosts: Vec::new(),
        related: RelatedSettings::DEFAULT,
        own: OwnSettings::DEFAULT,
        candidates: CandidateLimits {
            categories: 8,
            per_category: 200,
            popular: 1_000_000,
            trending: 100,
            fresh: 100,
            related: 100,
        },
        explore: Explore::NONE,
        reranking: None,
    }
}

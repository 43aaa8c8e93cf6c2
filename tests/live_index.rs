//! The index that is kept up to date says what one says that is made from all facts.

mod engine_harness;

use std::cell::RefCell;
use std::sync::Arc;

use headwater::engine::config::{DAY, HOUR, MINUTE, StateLimits, StreamConfig};
use headwater::engine::events::catalog::Catalog;
use headwater::engine::events::event::{Event, EventType, Timestamp};
use headwater::engine::events::item::{Item, ItemChange};
use headwater::engine::facts::state::PartitionState;
use headwater::engine::index::layout::Layout;
use headwater::engine::index::live::LiveIndex;
use headwater::engine::index::partitions::Partitions;
use headwater::engine::index::pool::Pool;
use headwater::engine::index::pools::Pools;
use headwater::engine::index::signals::Trending;
use headwater::engine::rank::model::{Boost, Model};
use headwater::engine::rank::models::ModelSet;
use headwater::engine::rank::scorer::Scorer;
use proptest::prelude::*;

use engine_harness::model;

const START: i64 = 1_700_000_000_000;
/// More than a pool of any of the models keeps at hand.
const ITEMS: usize = 60;
/// Of which most have few members.
const CATEGORIES: u8 = 12;

/// Partitions that can be followed.
struct Followable(Vec<RefCell<Option<PartitionState>>>);

impl Partitions for Followable {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn with(&self, partition: usize, look: &mut dyn FnMut(&PartitionState)) {
        if let Some(state) = &*self.0[partition].borrow() {
            look(state);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Event {
        partition: usize,
        item: usize,
        kind: u8,
        ago: i64,
    },
    Pass(i64),
    /// The clock is set back.
    Back(i64),
    /// Another set of models is loaded.
    Load(u8),
    Put {
        item: usize,
        categories: Vec<u8>,
        created: Option<i64>,
        expires: Option<i64>,
        available: bool,
    },
    Delete(usize),
    /// A partition goes, or comes back with what it had.
    Leave(usize),
    Return(usize),
    Refresh,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event = (0..2_usize, 0..ITEMS + 5, 0..8_u8, -MINUTE..3 * HOUR)
        .prop_map(|(partition, item, kind, ago)| Step::Event { partition, item, kind, ago });
    let put = (
        0..ITEMS,
        prop::collection::vec(prop_oneof![3 => 0..4_u8, 1 => 4..CATEGORIES], 0..3),
        prop::option::of(-40 * DAY..DAY),
        prop::option::of(-DAY..2 * DAY),
        prop::bool::weighted(0.9),
    );
    let put = put.prop_map(|(item, categories, created, expires, available)| Step::Put {
        item,
        categories,
        created,
        expires,
        available,
    });
    let step = prop_oneof![
        20 => event,
        4 => prop_oneof![0..MINUTE, 0..DAY].prop_map(Step::Pass),
        1 => prop_oneof![0..MINUTE, 0..DAY].prop_map(Step::Back),
        1 => any::<u8>().prop_map(Step::Load),
        2 => put,
        1 => (0..ITEMS).prop_map(Step::Delete),
        1 => (0..2_usize).prop_map(Step::Leave),
        2 => (0..2_usize).prop_map(Step::Return),
        6 => Just(Step::Refresh),
    ];
    prop::collection::vec(step, 1..300)
}

/// One that goes by age where nobody acted, one with short pools, one with boosts, one that counts other types and likes the old.
/// `which` says by its bits which of them are there beside the first one, and which of two half-lives they have.
fn models(config: &StreamConfig, which: u8) -> ModelSet {
    let base = model(config);
    let limits = |model: &mut Model, limit| {
        (model.candidates.popular, model.candidates.per_category) = (limit, limit / 2);
        (model.candidates.trending, model.candidates.fresh) = (limit, limit);
    };
    let mut plain = Model { name: "plain".into(), half_life: HOUR, ..base.clone() };
    limits(&mut plain, 8);
    let small = {
        let mut small = Model {
            name: "small".into(),
            scorer: Scorer::linear([0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.1, 1.0]),
            ..plain.clone()
        };
        limits(&mut small, 3);
        small
    };
    let boosts = vec![Boost { category: "c1".into(), add: 0.05 }, Boost { category: "c2".into(), add: -0.2 }];
    let mut boosted = Model { name: "boosted".into(), boosts, ..base.clone() };
    limits(&mut boosted, 6);
    let mut odd = Model {
        name: "odd".into(),
        scorer: Scorer::linear([0.6, 0.0, 0.0, 0.0, 0.0, 0.3, -0.3, 1.0]),
        ..base
    };
    odd.event_weights = vec![0.0, -1.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.5];
    limits(&mut odd, 10);
    let named = |(bit, mut model): (u8, Model)| {
        if which >> 4 >> bit & 1 == 0 {
            model.half_life = 2 * HOUR;
        }
        (bit == 0 || which >> bit & 1 == 1).then(|| (model.name.clone(), Arc::new(model)))
    };
    let models = (0..).zip([plain, small, boosted, odd]).filter_map(named);
    ModelSet::new(models.collect(), "plain").expect("a default model")
}

struct World {
    config: Arc<StreamConfig>,
    partitions: Followable,
    away: Vec<Option<PartitionState>>,
    catalog: Catalog,
    models: ModelSet,
    index: LiveIndex,
    now: i64,
    /// That of the last refresh.
    refreshed: i64,
    /// The time of the newest event.
    watermark: i64,
    states: u64,
    /// From the items of steps to those of the catalog: between them come others that no step changes.
    apart: usize,
}

impl World {
    fn new() -> Self {
        let config = Arc::new(StreamConfig {
            popularity_windows: vec![5 * MINUTE, HOUR, DAY],
            as_of_horizon: MINUTE,
            // So few that what was acted on long ago is given back, and items are numbered anew.
            recent_events_per_user: 4,
            limits: StateLimits { items: 20, acted_items: 3, lasting_items: 3, ..StateLimits::default() },
            ..StreamConfig::default()
        });
        let state = || RefCell::new(Some(PartitionState::new(Arc::clone(&config))));
        Self {
            partitions: Followable(vec![state(), state()]),
            away: vec![None, None],
            catalog: Catalog::default(),
            models: models(&config, u8::MAX),
            index: LiveIndex::default(),
            now: START,
            refreshed: 0,
            watermark: 0,
            states: 0,
            apart: 1,
            config,
        }
    }

    /// One with a catalog that lies in several blocks.
    fn large() -> Self {
        let mut world = Self { apart: 25, ..Self::new() };
        for item in 0..ITEMS * world.apart {
            let created = Timestamp(START - (item * item % 977) as i64 * HOUR);
            let category = format!("c{}", item % usize::from(CATEGORIES));
            let item = Item { created_at: Some(created), ..Item::new(format!("i{item}"), [category]) };
            world.catalog.apply(ItemChange::Put(item), usize::MAX);
        }
        world
    }

    fn id(&self, item: usize) -> String {
        format!("i{}", item * self.apart)
    }

    fn event(&mut self, partition: usize, item: usize, kind: u8, ago: i64) {
        let own = format!("c{}", item % (usize::from(CATEGORIES) + 1));
        self.event_on(partition, &self.id(item), &own, kind, ago);
    }

    fn event_on(&mut self, partition: usize, item_id: &str, own: &str, kind: u8, ago: i64) {
        let Some(state) = &mut *self.partitions.0[partition].borrow_mut() else { return };
        let own = [own.into()];
        let event = Event {
            event_id: None,
            user_id: "u",
            item_id,
            kind: EventType(kind),
            ts: Timestamp(self.now - ago),
            value: None,
            session_id: None,
            surface: None,
            recommendation_id: None,
            categories: &own,
        };
        state.apply(&event, None, &self.catalog);
        self.watermark = self.watermark.max(self.now - ago);
    }

    fn go(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Event { partition, item, kind, ago } => self.event(partition, item, kind, ago),
            Step::Pass(ms) => self.now += ms,
            Step::Back(ms) => self.now -= ms,
            Step::Load(which) => self.models = models(&self.config, which),
            Step::Put { item, categories, created, expires, available } => {
                let categories = categories.into_iter().map(|category| format!("c{category}"));
                let item = Item {
                    created_at: created.map(|at| Timestamp(START + at)),
                    expires_at: expires.map(|at| Timestamp(START + at)),
                    available,
                    ..Item::new(self.id(item), categories)
                };
                self.catalog.apply(ItemChange::Put(item.check().expect("a valid item")), usize::MAX);
            }
            Step::Delete(item) => {
                self.catalog.apply(ItemChange::Delete(self.id(item)), usize::MAX);
            }
            Step::Leave(partition) => {
                if let Some(state) = self.partitions.0[partition].take() {
                    self.away[partition] = Some(state);
                }
            }
            Step::Return(partition) => {
                if let Some(mut state) = self.away[partition].take() {
                    self.states += 1;
                    state.generation = self.states;
                    self.partitions.0[partition].replace(Some(state));
                }
            }
            Step::Refresh => self.refresh()?,
        }
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), TestCaseError> {
        if let Some(news) = self.index.layout().news(&self.catalog, &self.partitions) {
            self.index.lay_out(news);
        }
        let fresh = Arc::new(Layout::build(&self.catalog, &self.partitions));
        // As the service does, a clock that is behind the events does not count.
        let now = self.now.max(self.watermark);
        let pools = self.index.refresh(&self.partitions, &self.models, Timestamp(now)).clone();
        let now = if self.refreshed - now > MINUTE { now } else { now.max(self.refreshed) };
        self.refreshed = now;
        prop_assert_eq!(pools.len(), self.models.iter().count());
        for model in self.models.iter() {
            let live = &pools[&model.name];
            // Pools are kept while nothing happens, but for the order of new and popular ones.
            let age = now - live.as_of.0;
            prop_assert!((0..=model.half_life / 128).contains(&age), "{} ms old", age);
            let whole = Pools::build(Arc::clone(&fresh), &self.partitions, Arc::clone(model), live.as_of);
            same(live, &whole)?;
            same_maps(live, &whole, &self.partitions)?;
        }
        Ok(())
    }
}

/// Whether pools say the same of the items of a layout that has gone on from change to change and of one that was
/// made anew, where they have other rows.
fn same(live: &Pools, whole: &Pools) -> Result<(), TestCaseError> {
    let name = &live.model.name;
    let t = live.as_of;
    prop_assert_eq!(live.layout.key(), whole.layout.key());
    prop_assert_eq!(live.layout.items_len(), whole.layout.items_len());
    let in_order = live.layout.in_order().filter(|row| !live.layout.is_deleted(*row));
    let (mut last, mut rows) = (0, 0);
    for (row, other) in in_order.zip(whole.layout.in_order()) {
        let id = live.layout.id(row);
        prop_assert_eq!(id, whole.layout.id(other));
        prop_assert_eq!((live.layout.row(id), whole.layout.row(id)), (Some(row), Some(other)));
        prop_assert!(live.layout.rank(row) > last, "{} is in its order", id);
        (last, rows) = (live.layout.rank(row), rows + 1);
        let item = |pools: &Pools, row| pools.layout.item(row).map(Item::from);
        prop_assert_eq!(item(live, row), item(whole, other));
        let categories = |pools: &Pools, row| -> Vec<String> {
            let names = pools.layout.categories(row).iter();
            names.map(|category| pools.layout.category_name(*category).to_owned()).collect()
        };
        prop_assert_eq!(categories(live, row), categories(whole, other));
        prop_assert_eq!(live.counts(row), whole.counts(other), "{}: {}", name, id);
        prop_assert_eq!(live.liveness.is_live(row), whole.liveness.is_live(other), "{}: {}", name, id);
        let (live, whole) =
            (live.item_features(row, live.ageing(t)), whole.item_features(other, whole.ageing(t)));
        prop_assert_eq!((live[1], live[3]), (whole[1], whole[3]), "{}: {}", name, id);
        // Recency is computed for another instant and then aged. Below the smallest normal number,
        // where an item is a thousand half-lives old, a float has few digits left to agree on.
        let difference = (live[2] - whole[2]).abs();
        prop_assert!(
            difference <= 1e-12 * whole[2].abs() + f64::MIN_POSITIVE,
            "{} {:?} {:?}",
            id,
            live,
            whole
        );
    }
    prop_assert_eq!(rows, whole.layout.len());
    prop_assert_eq!(live.most(), whole.most());
    prop_assert_eq!(live.liveness.count(), whole.liveness.count());
    prop_assert_eq!(live.liveness.next_change(), whole.liveness.next_change());
    let trending = |pools: &Pools| -> Vec<(String, Trending)> {
        let named =
            pools.trending.iter().map(|of| (pools.layout.id(of.row).to_owned(), Trending { row: 0, ..*of }));
        named.collect()
    };
    prop_assert_eq!(trending(live), trending(whole));
    let all =
        |pools: &Pools| [&pools.popular, &pools.trending_most, &pools.fresh].map(|pool| told(pools, pool));
    prop_assert_eq!(all(live), all(whole), "popular, trending and fresh of {}", name);
    for category in (0..CATEGORIES).map(|category| format!("c{category}")) {
        let of = |pools: &Pools| {
            let number = pools.layout.category(&category)?;
            let newest: Vec<String> = pools
                .layout
                .members_newest_first(number)
                .map(|row| pools.layout.id(row).to_owned())
                .collect();
            Some((newest, told(pools, pools.category(number)?)))
        };
        prop_assert_eq!(of(live), of(whole), "{} of {}", category, name);
    }
    Ok(())
}

/// Whether what partitions name is found by both.
fn same_maps(live: &Pools, whole: &Pools, partitions: &Followable) -> Result<(), TestCaseError> {
    for (partition, (map, other)) in live.maps.iter().zip(&whole.maps).enumerate() {
        let mut found = Vec::new();
        partitions.with(partition, &mut |state| {
            for (pools, map) in [(live, map), (whole, other)] {
                let item = |item| Some(pools.layout.id(map.row(&pools.layout, state, item)?).to_owned());
                let category = |category| {
                    let number = map.category(&pools.layout, state, category)?;
                    Some(pools.layout.category_name(number).to_owned())
                };
                let items: Vec<Option<String>> = (0..state.items().len() as u32).map(item).collect();
                let categories = 0..state.categories().len() as u32;
                found.push((items, categories.map(category).collect::<Vec<Option<String>>>()));
            }
        });
        prop_assert!(found.first() == found.last(), "{:?}", found);
    }
    Ok(())
}

/// The items of a pool, in order; what it holds of each is what the pools say of it.
fn told(pools: &Pools, pool: &Pool) -> Vec<String> {
    let block = pool.block(0..pool.rows().len(), pools.ageing(pools.as_of));
    for (index, row) in pool.rows().iter().enumerate() {
        let held = block.columns.map(|column| column.get(index));
        assert_eq!(held, pools.item_features(*row, pools.ageing(pools.as_of)), "{}", pools.layout.id(*row));
    }
    let ranks: Vec<u32> = pool.rows().iter().map(|row| pools.layout.rank(*row)).collect();
    assert_eq!(pool.ranks(), ranks, "ranks are those of the layout");
    pool.rows().iter().map(|row| pools.layout.id(*row).to_owned()).collect()
}

proptest! {
    #[test]
    fn what_is_kept_up_to_date_is_what_all_facts_say(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.go(step)?;
        }
        world.refresh()?;
        prop_assert_eq!(world.config.popularity_windows.len(), 3);
    }
}

proptest! {
    // Each of them compares 1,500 items in all orders after each refresh.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 16, ..ProptestConfig::default() })]
    #[test]
    fn so_it_is_with_a_catalog_of_several_blocks(steps in steps()) {
        let mut world = World::large();
        for step in steps {
            world.go(step)?;
        }
        world.refresh()?;
    }
}

#[test]
fn more_events_than_are_noted_are_counted_all_the_same() {
    let mut world = World::new();
    world.refresh().expect("the same");
    for event in 0..300_000 {
        world.event(0, event % ITEMS, 1, event as i64 % HOUR);
    }
    world.refresh().expect("the same");
    world.event(0, 3, 1, 0);
    world.refresh().expect("the same");
}

/// New items that all come between the same two others, one after the other, until there is no room for them.
/// They are of one category, so that nothing changes in the others but ranks.
#[test]
fn items_that_come_in_one_place_stay_in_the_order_of_ids() {
    let mut world = World::new();
    for item in 0..ITEMS {
        put(&mut world, format!("i{item}"), item);
    }
    world.refresh().expect("the same");
    for zeros in (0..2 * ITEMS).rev() {
        put(&mut world, format!("i30{}", "0".repeat(zeros)), 0);
        world.event(0, 3, 1, 0);
        if let Some(new) = 10_usize.checked_pow(zeros as u32).and_then(|tens| tens.checked_mul(30)) {
            world.event(1, new, 1, 0);
        }
        world.refresh().expect("the same");
    }
}

/// Of rows that are exactly alike a view keeps the first by rank, and of the others it knows the first. That one is
/// deleted, and gets another rank without any other of its category: what comes before it must be seen to.
#[test]
fn a_row_that_has_left_its_category_goes_on_to_be_ranked_there() {
    let mut world = World::new();
    let alike = |world: &mut World, id: &str| {
        world.catalog.apply(ItemChange::Put(Item::new(id, ["c0"])), usize::MAX);
        world.event_on(0, id, "c0", 1, MINUTE);
    };
    // Three blocks of the order of ids.
    for head in ["a", "b", "m"] {
        (0..256).for_each(|item| put(&mut world, format!("{head}{item:03}"), 1));
    }
    ["a000", "b128", "m000", "m001", "m002"].iter().for_each(|id| alike(&mut world, id));
    world.refresh().expect("the same");
    world.catalog.apply(ItemChange::Delete("b128".into()), usize::MAX);
    world.refresh().expect("the same");
    let crowd = |world: &mut World, before: &str| {
        for zeros in (0..30).rev() {
            put(world, format!("{before}{}1", "0".repeat(zeros)), 1);
            world.refresh().expect("the same");
        }
    };
    crowd(&mut world, "b127");
    alike(&mut world, "b1275");
    world.refresh().expect("the same");
    crowd(&mut world, "b1275");
    alike(&mut world, "b1276");
    world.refresh().expect("the same");
    world.catalog.apply(ItemChange::Delete("a000".into()), usize::MAX);
    world.refresh().expect("the same");
}

fn put(world: &mut World, item_id: String, like: usize) {
    let item = Item::new(item_id, [format!("c{}", like % 3)]);
    world.catalog.apply(ItemChange::Put(item), usize::MAX);
}

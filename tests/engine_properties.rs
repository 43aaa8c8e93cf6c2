//! What must hold for every stream, model and question.

mod engine_harness;

use std::collections::{BTreeMap, BTreeSet};

use engine_harness::streams::{ITEMS, START, USERS, clicks, config, items, models, user};
use engine_harness::{ANYTHING, Click, Engine, model, query, sections};
use headwater::engine::config::{HOUR, MINUTE, SECOND, StateLimits, StreamConfig};
use headwater::engine::events::event::{EventType, Timestamp};
use headwater::engine::events::item::{Item, ItemChange};
use headwater::engine::facts::state::Outcome;
use headwater::engine::index::layout::Layout;
use headwater::engine::index::pools::Pools;
use headwater::engine::rank::explain::WindowReport;
use headwater::engine::rank::explore::Explore;
use headwater::engine::rank::filters::Filter;
use headwater::engine::rank::pipeline::{Answer, Query, TooOld};
use headwater::engine::rank::reason::Reason;
use headwater::engine::rank::removal::Removal;
use headwater::log::partition_of;
use proptest::prelude::*;

/// A list in names and bits, each item with its reason.
type List = Vec<(String, u64, [u64; 8], String)>;

/// Profile, list and the time of the newest event.
type ToldOfUser = (Vec<WindowReport>, List, Option<Timestamp>);

/// All that can be told at an instant.
#[derive(Debug, PartialEq)]
struct Told {
    counts: Vec<(String, Vec<u32>)>,
    users: Vec<Result<ToldOfUser, TooOld>>,
}

/// Places for new items in half of all models, and what they are drawn by.
fn explores() -> impl Strategy<Value = (Explore, u64)> {
    let some =
        (1..4_usize, 1..6_u32, 0.01..20.0).prop_map(|(every, below, gap)| Explore { every, below, gap });
    (prop_oneof![Just(Explore::NONE), some], any::<u64>())
}

fn list(layout: &Layout, answer: &Answer) -> List {
    let row = |ranked: &headwater::engine::rank::pipeline::Ranked| {
        let reason = match ranked.reason {
            Reason::Pair(feature, category) => format!("{feature} {}", layout.category_name(category)),
            Reason::Related(feature, row) => format!("{feature} {}", layout.id(row)),
            reason => format!("{reason:?}"),
        };
        (layout.id(ranked.row).to_owned(), ranked.score.to_bits(), ranked.features.map(f64::to_bits), reason)
    };
    answer.items.iter().map(row).collect()
}

fn tell_user(
    engine: &mut Engine,
    pools: &Pools,
    name: &str,
    t: i64,
) -> Result<(Vec<WindowReport>, List, Option<Timestamp>), TooOld> {
    let answer = engine.ask(pools, name, &query(10, t))?;
    let report = engine.report(name, t).expect("the list was answered at that instant");
    // A user who did nothing that a window covers is as good as unknown.
    let report = report.into_iter().filter(|window| window.events > 0).collect();
    Ok((report, list(&pools.layout, &answer), answer.profile_as_of))
}

fn tell(engine: &mut Engine, t: i64) -> Told {
    let pools = engine.pools(t);
    let rows = pools.layout.in_order().filter(|row| !pools.layout.is_deleted(*row));
    Told {
        counts: rows.map(|row| (pools.layout.id(row).to_owned(), pools.counts(row).to_vec())).collect(),
        users: (0..=USERS).map(|place| tell_user(engine, &pools, &user(place), t)).collect(),
    }
}

/// Equal, but that either side may have let go of a user's past that only it is asked for.
fn same(left: &Told, right: &Told) -> Result<(), TestCaseError> {
    prop_assert_eq!(&left.counts, &right.counts);
    for (left, right) in left.users.iter().zip(&right.users) {
        if left.is_ok() && right.is_ok() {
            prop_assert_eq!(left, right);
        }
    }
    Ok(())
}

fn fed(config: StreamConfig, items: &[Item], partitions: usize, clicks: &[Click]) -> Engine {
    let model = model(&config);
    let mut engine = Engine::new(config, items, model, partitions);
    engine.apply_all(clicks);
    engine
}

fn catalog(full: bool) -> Vec<Item> {
    if full { items() } else { Vec::new() }
}

/// Instants from the newest floor of both on.
fn instants(left: &Engine, right: &Engine) -> [i64; 4] {
    let (floor, newest) = (left.floor().max(right.floor()), left.newest());
    [newest, newest + 37 * SECOND, newest + HOUR, (floor + newest) / 2]
}

fn compare(mut left: Engine, mut right: Engine) -> Result<(), TestCaseError> {
    prop_assert_eq!(left.newest(), right.newest());
    for t in instants(&left, &right) {
        let (left_told, right_told) = (tell(&mut left, t), tell(&mut right, t));
        if t >= left.newest() {
            prop_assert_eq!(&left_told, &right_told, "at {} ms", t - START);
        }
        same(&left_told, &right_told)?;
    }
    Ok(())
}

/// That each user's list is what a look at each item alone says.
fn all_sorted_and_cut(engine: &mut Engine, t: i64, n: usize) -> Result<(), TestCaseError> {
    let pools = engine.pools(t);
    for name in (0..=USERS).map(user) {
        let mut all = Vec::new();
        for row in (0..pools.layout.len() as u32).filter(|row| pools.not_live(*row, Timestamp(t)).is_none()) {
            let explained = engine.explain(&pools, &name, &query(n, t), row).expect("now is held");
            if !explained.seen {
                all.push(explained.ranked);
            }
        }
        all.sort_by(|a, b| {
            let ids = (pools.layout.id(a.row), pools.layout.id(b.row));
            b.score.partial_cmp(&a.score).expect("scores are finite").then_with(|| ids.0.cmp(ids.1))
        });
        all.truncate(n);
        prop_assert_eq!(engine.ask(&pools, &name, &query(n, t)).expect("now is held").items, all);
    }
    Ok(())
}

fn later(clicks: &[Click], name: &str, t: i64) -> usize {
    clicks.iter().filter(|click| click.user == name && click.ts > t).count()
}

fn filters() -> impl Strategy<Value = Filter> {
    let categories = || prop::collection::vec((0..9_usize).prop_map(|category| format!("c{category}")), 0..3);
    let colour = prop::option::weighted(0.3, prop::sample::select(vec!["red", "blue", "green"]));
    let after = prop::option::weighted(0.3, -HOUR..HOUR);
    (categories(), categories(), colour, after).prop_map(|(any, none, colour, after)| Filter {
        categories_any: any,
        categories_none: none,
        attributes: colour.map(|colour| ("colour".to_owned(), colour.to_owned())).into_iter().collect(),
        created_after: after.map(|after| Timestamp(START + after)),
    })
}

/// Changes of the catalog, of items that are in it and of such that come between them.
fn changes() -> impl Strategy<Value = ItemChange> {
    let ids = prop_oneof![
        (0..ITEMS).prop_map(|item| format!("i{item}")),
        (0..90_u32).prop_map(|new| format!("i1-{new}"))
    ];
    let categories = prop::collection::vec((0..12_usize).prop_map(|category| format!("c{category}")), 0..3);
    let times = || prop::option::of((0..12_i64).prop_map(|step| Timestamp(START + (step - 4) * 10 * MINUTE)));
    (ids, categories, times(), times(), any::<bool>(), prop::bool::weighted(0.3)).prop_map(
        |(id, categories, created_at, expires_at, available, delete)| {
            let item = Item { created_at, expires_at, available, ..Item::new(id.clone(), categories) };
            if delete { ItemChange::Delete(id) } else { ItemChange::Put(item.check().expect("a valid item")) }
        },
    )
}

fn passes(filter: &Filter, item: &Item) -> bool {
    let has = |names: &[String]| item.categories.iter().any(|category| names.contains(category));
    (filter.categories_any.is_empty() || has(&filter.categories_any))
        && !has(&filter.categories_none)
        && filter.attributes.iter().all(|(key, value)| item.attributes.get(key) == Some(value))
        && filter
            .created_after
            .is_none_or(|after| item.created_at.is_some_and(|created_at| created_at > after))
}

fn live(item: &Item, t: i64) -> bool {
    item.available
        && item.created_at.is_none_or(|created_at| created_at.0 <= t)
        && item.expires_at.is_none_or(|expires_at| expires_at.0 > t)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_order_of_arrival_changes_no_answer(
        (first, second) in clicks(250).prop_flat_map(|clicks| (Just(clicks.clone()), Just(clicks).prop_shuffle())),
        full: bool,
    ) {
        let [left, right] = [first, second].map(|clicks| fed(config(), &catalog(full), 1, &clicks));
        compare(left, right)?;
    }

    #[test]
    fn the_number_of_partitions_changes_no_answer(clicks in clicks(250), partitions in 2..=8_usize, full: bool) {
        let [left, right] = [1, partitions].map(|partitions| fed(config(), &catalog(full), partitions, &clicks));
        compare(left, right)?;
    }

    #[test]
    fn the_partitions_that_events_come_by_change_no_answer_as_long_as_each_is_exact(
        clicks in clicks(250),
        partitions in 2..=8_usize,
        full: bool,
        salt: u8,
    ) {
        // Each partition forgets by itself who is out of reach: here nobody is.
        let interest_windows = vec![10 * SECOND, MINUTE, 10 * MINUTE, 2 * HOUR];
        let config = || StreamConfig {
            interest_windows: interest_windows.clone(),
            recent_events_per_user: 300,
            ..config()
        };
        let at_home = fed(config(), &catalog(full), partitions, &clicks);
        let mut astray = fed(config(), &catalog(full), partitions, &[]);
        for click in &clicks {
            // One that comes twice comes by the same.
            let by = format!("{salt}{}{}{:?}", click.user, click.ts, click.id);
            astray.apply_in(partition_of(by.as_bytes(), partitions as u32).index(), click);
        }
        let (mut at_home, mut astray) = (at_home, astray);
        for t in [at_home.newest(), at_home.newest() + MINUTE] {
            same(&tell(&mut at_home, t), &tell(&mut astray, t))?;
        }
    }

    #[test]
    fn the_changes_that_a_catalog_came_about_by_change_no_answer(
        clicks in clicks(120),
        model in models(),
        changes in prop::collection::vec(changes(), 1..60),
        filter in filters(),
        n in 1..25_usize,
    ) {
        let mut changed = Engine::new(config(), &items(), model.clone(), 1);
        for change in changes {
            changed.catalog.apply(change, usize::MAX);
            // Takes in what has changed.
            changed.pools(START);
        }
        let items: Vec<Item> = changed.catalog.items().map(|item| Item::from(&**item)).collect();
        let mut fresh = Engine::new(config(), &items, model, 1);
        fresh.apply_all(&clicks);
        changed.apply_all(&clicks);
        let t = fresh.newest() + SECOND;
        prop_assert_eq!(tell(&mut changed, t), tell(&mut fresh, t));
        let context = ["i3".to_owned(), "i30".to_owned()];
        for (who, filter) in [(0, &ANYTHING), (1, &filter), (USERS, &ANYTHING), (USERS, &filter)] {
            let query = Query { context: &context, filter, ..query(n, t) };
            let answer = |engine: &mut Engine| {
                let pools = engine.pools(t);
                let answer = engine.ask(&pools, &user(who), &query).expect("it is not too old");
                (list(&pools.layout, &answer), answer.candidates)
            };
            prop_assert_eq!(answer(&mut changed), answer(&mut fresh));
        }
    }

    #[test]
    fn a_snapshot_and_restore_in_the_middle_changes_no_answer_and_no_byte(
        clicks in clicks(400),
        cut in any::<prop::sample::Index>(),
        tight: bool,
        stretch in prop::sample::select(vec![1, 7]),
    ) {
        // Over seven hours users expire, event ids are forgotten and events are too late.
        let stretched = |click: &Click| Click {
            ts: START + (click.ts - START) * stretch,
            session: (!click.kind.is_multiple_of(3)).then(|| format!("s{}", click.ts / MINUTE % 3)),
            ..click.clone()
        };
        let clicks: Vec<Click> = clicks.iter().map(stretched).collect();
        let mut config = config();
        if tight {
            config.limits = StateLimits {
                users: 3, items: 12, categories: 12, coarse_counts_per_user: 24, recent_events: 20, event_ids: 12, acted_items: 3,
                lasting_items: 5, postings_per_item: 3, postings: 20, ..config.limits
            };
        }
        let cut = cut.index(clicks.len());
        let mut left = fed(config.clone(), &items(), 2, &clicks);
        let mut right = fed(config, &items(), 2, &clicks[..cut]);
        let before: Vec<_> = right.states.iter().map(sections).collect();
        right.restart()?;
        prop_assert_eq!(&before, &right.states.iter().map(sections).collect::<Vec<_>>(), "read and written again");
        right.apply_all(&clicks[cut..]);
        for (left, right) in left.states.iter().zip(&right.states) {
            prop_assert_eq!(left.counters(), right.counters());
            prop_assert_eq!(left.compactions(), right.compactions());
            prop_assert_eq!(sections(left), sections(right));
        }
        let t = left.newest().max(left.floor());
        prop_assert_eq!(tell(&mut left, t), tell(&mut right, t));
    }

    /// Each spell brings items, categories and sets that were not there before, by people who are then away for as long
    /// as any window reaches.
    #[test]
    fn what_is_given_back_changes_no_answer(clicks in clicks(250), partitions in 1..3_usize) {
        const SPELL: i64 = 40 * MINUTE;
        let limits = StateLimits { items: 120, categories: 140, ..StateLimits::default() };
        let tight = StreamConfig { limits, ..config() };
        let mut engines = [tight, config()].map(|config| fed(config, &items(), partitions, &[]));
        let mut clicks = clicks.into_iter();
        for spell in 0..14 {
            for step in 0..15 {
                let ts = START + spell * SPELL + step * SECOND;
                let new = Click {
                    // Three are away in turns.
                    user: user(2 + spell as usize % 3),
                    item: format!("x{spell}-{step}"),
                    kind: [1, 3, 7][step as usize % 3],
                    ts,
                    categories: vec![format!("k{spell}-{}", step % 5), format!("c{}", step % 7)],
                    ..Click::default()
                };
                let known = clicks.next().map(|click| Click { user: user(click.item.len() % 2), ts, categories: Vec::new(), ..click });
                for engine in &mut engines {
                    prop_assert_eq!(engine.apply(&new), Outcome::Applied);
                    engine.apply_all(&known);
                }
            }
            let [left, right] = &mut engines;
            let t = left.newest();
            prop_assert_eq!(tell(left, t), tell(right, t), "after spell {}", spell);
            prop_assert_eq!(tell(left, t + 20 * MINUTE), tell(right, t + 20 * MINUTE), "after spell {}", spell);
        }
        let [left, right] = &engines;
        let given_back: Vec<u64> = left.states.iter().map(|state| state.compactions().items).collect();
        prop_assert!(partitions > 1 || given_back[0] > 50, "{:?} were given back", given_back);
        prop_assert!(right.states.iter().all(|state| state.compactions().count == 0));
    }

    #[test]
    fn the_recent_past_is_answered_as_it_was_then(clicks in clicks(250), instant in 0..HOUR) {
        let t = START + instant;
        let (before, after): (Vec<Click>, Vec<Click>) = clicks.iter().cloned().partition(|click| click.ts <= t);
        let mut engine = fed(config(), &items(), 2, &before);
        let then = tell(&mut engine, t);
        engine.apply_all(&after);
        let now = tell(&mut engine, t);
        if t < engine.floor() {
            prop_assert!(now.users.iter().all(Result::is_err), "before the floor nothing is answered");
            return Ok(());
        }
        prop_assert_eq!(&then.counts, &now.counts);
        for (place, (then, now)) in then.users.iter().zip(&now.users).enumerate() {
            match now {
                Ok(_) => prop_assert_eq!(then, now),
                Err(error) => {
                    let newer = later(&clicks, &user(place), t);
                    prop_assert!(newer > 3, "{} newer events, yet {}", newer, error);
                    let again = tell(&mut engine, error.oldest.0);
                    prop_assert!(again.users[place].is_ok(), "the oldest instant that was named is refused too");
                }
            }
        }
    }

    #[test]
    fn the_contributions_of_an_item_are_its_score(clicks in clicks(120), model in models(), ahead in 0..HOUR) {
        let mut engine = Engine::new(config(), &items(), model, 2);
        engine.apply_all(&clicks);
        let t = engine.newest();
        let pools = engine.pools(t);
        let query = query(ITEMS, t + ahead);
        for name in (0..=USERS).map(user) {
            let answer = engine.ask(&pools, &name, &query).expect("now is held");
            for item in &answer.items {
                prop_assert!(item.contributions(&pools).iter().sum::<f64>() == item.score, "{:?}", item);
                let explained = engine.explain(&pools, &name, &query, item.row).expect("now is held");
                prop_assert_eq!(&explained.ranked, item);
                prop_assert!(!explained.seen);
            }
            for row in 0..pools.layout.len() as u32 {
                let ranked = engine.explain(&pools, &name, &query, row).expect("now is held").ranked;
                prop_assert!(ranked.contributions(&pools).iter().sum::<f64>() == ranked.score, "{:?}", ranked);
            }
        }
    }

    #[test]
    fn the_list_is_all_items_sorted_and_cut(clicks in clicks(120), model in models(), n in 0..25_usize) {
        let mut model = model;
        model.max_category_share = 1.0;
        model.candidates.popular = ITEMS;
        let mut engine = Engine::new(config(), &items(), model, 2);
        engine.apply_all(&clicks);
        let t = engine.newest();
        all_sorted_and_cut(&mut engine, t, n)?;
    }

    /// So many that most blocks of candidates are passed over.
    #[test]
    fn the_list_is_all_items_sorted_and_cut_though_most_can_not_be_in_it(
        clicks in clicks(120),
        model in models(),
        n in 1..5_usize,
        copies in 20..40_usize,
    ) {
        let mut model = model;
        model.max_category_share = 1.0;
        (model.candidates.popular, model.candidates.categories) = (ITEMS * copies, 3);
        model.candidates.per_category = ITEMS * copies;
        let copy = |item: &Item, copy: usize| Item { item_id: format!("{}-{copy}", item.item_id), ..item.clone() };
        let items: Vec<Item> = (0..copies).flat_map(|place| items().into_iter().map(move |item| copy(&item, place))).collect();
        let mut engine = Engine::new(config(), &items, model, 2);
        for (place, click) in clicks.iter().enumerate() {
            engine.apply(&Click { item: format!("{}-{}", click.item, place % copies), ..click.clone() });
        }
        let t = engine.newest();
        all_sorted_and_cut(&mut engine, t, n)?;
    }

    /// Whatever the sources give, and whatever share categories may have.
    #[test]
    fn a_longer_list_begins_with_the_shorter_one(
        clicks in clicks(120),
        mut model in models(),
        (explore, draw) in explores(),
        filter in filters(),
        n in 0..12_usize,
        more in 0..12_usize,
    ) {
        model.explore = explore;
        let mut engine = Engine::new(config(), &items(), model, 2);
        engine.apply_all(&clicks);
        let t = engine.newest();
        let pools = engine.pools(t);
        for name in (0..=USERS).map(user) {
            let query = |n| Query { filter: &filter, explore: Some(draw), ..query(n, t) };
            let mut ask = |n| engine.ask(&pools, &name, &query(n)).expect("now is held");
            let (shorter, longer) = (ask(n).items, ask(n + more).items);
            prop_assert!(longer.len() >= shorter.len());
            prop_assert_eq!(&longer[..shorter.len()], &shorter[..]);
        }
    }

    #[test]
    fn a_list_holds_what_the_filter_lets_through_and_as_much_of_it_as_was_asked_for(
        clicks in clicks(60),
        mut model in models(),
        (explore, draw) in explores(),
        filter in filters(),
        excluded in prop::collection::vec(0..ITEMS + 5, 0..4),
        context in prop::collection::vec(0..ITEMS + 5, 0..3),
        include_seen: bool,
        n in 1..25_usize,
        ahead in prop_oneof![Just(0), 0..HOUR],
        edge: bool,
    ) {
        let seen_types: Vec<u8> = (0..8).filter(|kind| model.event_weights[usize::from(*kind)] != 0.0).collect();
        model.explore = explore;
        // Every event is exact, so that seen is seen.
        let config = StreamConfig { recent_events_per_user: 1000, ..config() };
        let mut engine = Engine::new(config, &items(), model, 2);
        engine.apply_all(&clicks);
        // Items come and go every five minutes: to the millisecond, if asked for.
        let step = 5 * MINUTE;
        let then = if edge { START + (engine.newest() - START + step) / step * step } else { engine.newest() };
        let pools = engine.pools(then);
        let t = then + if edge { ahead / step * step } else { ahead };
        let ids = |places: &[usize]| places.iter().map(|place| format!("i{place}")).collect::<Vec<String>>();
        let (exclude, context) = (ids(&excluded), ids(&context));
        let query = Query {
            context: &context, exclude: &exclude, filter: &filter, include_seen, explore: Some(draw), ..query(n, t)
        };
        for name in (0..=USERS).map(user) {
            let reach = HOUR + MINUTE;
            // However long ago, as long as something of the user is within reach.
            let all_acts = || clicks.iter().filter(|click| click.user == name && click.ts <= t);
            let known = all_acts().any(|click| click.ts + reach > t);
            let acted = all_acts().filter(|_| known);
            let seen: BTreeSet<&String> =
                acted.filter(|click| seen_types.contains(&click.kind)).map(|click| &click.item).collect();
            let wanted = |item: &&Item| {
                let known = seen.contains(&item.item_id) || context.contains(&item.item_id);
                live(item, then) && live(item, t) && passes(&filter, item)
                    && !exclude.contains(&item.item_id) && (include_seen || !known)
            };
            let all = items();
            let passing: BTreeSet<String> = all.iter().filter(wanted).map(|item| item.item_id.clone()).collect();
            let answer = engine.ask(&pools, &name, &query).expect("now is held");
            let found: BTreeSet<String> =
                answer.items.iter().map(|item| pools.layout.id(item.row).to_owned()).collect();
            prop_assert_eq!(answer.items.len(), n.min(passing.len()), "{:?} of {:?}", &found, &passing);
            prop_assert_eq!(found.len(), answer.items.len(), "an item comes twice");
            prop_assert!(found.is_subset(&passing), "{:?} of {:?}", &found, &passing);

            let explained = engine.ask(&pools, &name, &Query { explain: true, ..query.clone() }).expect("held");
            prop_assert_eq!(&explained.items, &answer.items);
            prop_assert!(answer.removed.is_empty());
            if answer.items.len() < n {
                // Every item was a candidate.
                let reason = |item: &Item| {
                    let known = seen.contains(&item.item_id) || context.contains(&item.item_id);
                    if !live(item, then) || !live(item, t) {
                        Some("not live")
                    } else if exclude.contains(&item.item_id) {
                        Some("excluded")
                    } else if known && !include_seen {
                        Some("seen")
                    } else {
                        (!passes(&filter, item)).then_some("filtered")
                    }
                };
                let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
                all.iter().filter_map(reason).for_each(|reason| *expected.entry(reason).or_default() += 1);
                let mut told: BTreeMap<&str, usize> = BTreeMap::new();
                for (removal, count) in &explained.removed {
                    let reason = match removal {
                        Removal::NotLive(_) => "not live",
                        Removal::Excluded => "excluded",
                        Removal::Seen => "seen",
                        Removal::Filtered => "filtered",
                    };
                    *told.entry(reason).or_default() += count;
                }
                prop_assert_eq!(told, expected);
            }
        }
    }

    #[test]
    fn a_hostile_stream_stays_within_the_bounds(
        events in prop::collection::vec((0..40_u8, 0..40_u8, 0..8_u8, 0..3 * HOUR), 1..500),
        span in prop::sample::select(vec![1, 50, MINUTE, 3 * HOUR]),
    ) {
        let limits = StateLimits {
            users: 5, items: 10, coarse_counts_per_user: 20, recent_events: 30, event_ids: 16, acted_items: 3, lasting_items: 5,
            ..StateLimits::default()
        };
        let config = StreamConfig { limits, recent_events_per_user: 3, ..config() };
        let model = model(&config);
        let mut engine = Engine::new(config, &[], model, 1);
        for (place, (who, item, kind, ts)) in events.into_iter().enumerate() {
            let click = Click {
                id: Some(format!("e{place}")),
                // Most of it is done by one user.
                user: format!("u{}", who.saturating_sub(20)),
                item: format!("i{}", item.saturating_sub(20)),
                kind,
                ts: START + ts % span,
                logged: None,
                session: None,
                categories: vec![format!("c{item}"), format!("d{kind}")],
            };
            let outcome = engine.apply(&click);
            let state = &engine.states[0];
            prop_assert!(state.users_len() <= 5 && state.items().len() <= 10 && state.event_ids_len() <= 16);
            prop_assert!(state.popularity().recent_len() <= 30, "{} recent", state.popularity().recent_len());
            if outcome == Outcome::Applied {
                let profile = state.user(&click.user).expect("just applied");
                for history in [Some(profile.acted()), profile.shown()].into_iter().flatten() {
                    let (raw, coarse) = history.to_snapshot(state.interest_windows());
                    prop_assert!(raw.len() <= 12, "{} raw", raw.len());
                    prop_assert!(coarse.is_none_or(|(_, counts)| counts.iter().len() <= 20));
                }
                for kind in (0..8).map(EventType) {
                    let items = profile.acted_items().iter().filter(|event| event.kind() == kind).count();
                    prop_assert!(items <= state.config().limits.acted_items_of(kind), "{} of {:?}", items, kind);
                }
                let users = (0..100).filter_map(|user| state.user(&format!("u{user}")));
                prop_assert_eq!(state.acted_items_len(), users.map(|user| user.acted_items().len()).sum::<usize>());
            }
        }
    }
}

#[test]
fn an_anonymous_session_counts_as_clicks_of_now() {
    let mut engine = Engine::new(config(), &items(), model(&config()), 1);
    let pools = engine.pools(START);
    let context = ["i3".to_owned()];
    let query =
        Query { context: &context, context_kind: EventType(1), filter: &ANYTHING, ..query(ITEMS, START) };
    let answer = engine.ask(&pools, "", &query).expect("there is nothing to be too old");
    assert_eq!(answer.profile_as_of, Some(Timestamp(START)));
    let mut clicker = Engine::new(config(), &items(), model(&config()), 1);
    let click = Click { user: "u".into(), item: "i3".into(), kind: 1, ts: START, ..Click::default() };
    clicker.apply(&click);
    let clicked_pools = clicker.pools(START);
    let clicked =
        clicker.ask(&clicked_pools, "u", &engine_harness::query(ITEMS, START)).expect("now is held");
    let interests = |answer: &Answer| -> Vec<(u32, u64)> {
        let mut all: Vec<(u32, u64)> =
            answer.items.iter().map(|item| (item.row, item.features[0].to_bits())).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(interests(&answer), interests(&clicked));
    assert!(answer.items.iter().any(|item| item.features[0] > 0.0));
}

//! Who acted on an item, and in what visits: as a plain replay of the log says.

mod engine_harness;

use std::collections::BTreeSet;

use engine_harness::streams::{ITEMS, START, USERS, clicks, config, items, user};
use engine_harness::{Click, Engine, model, sections};
use headwater::engine::config::{HOUR, MINUTE, SECOND, StateLimits, StreamConfig};
use headwater::engine::events::event::{EventType, Timestamp};
use headwater::engine::facts::history::RawEvent;
use headwater::engine::facts::sections::FAMILIES;
use headwater::engine::facts::state::PartitionState;
use headwater::engine::facts::visits::{VISIT_GAP, Visit};
use proptest::prelude::*;

const PASSIVE: u8 = 7;

/// What somebody did: item, time and type.
type Act = (String, i64, u8);

/// A visit with the place of the event that is asked about, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    /// Ascends from the newest event on.
    before_now: i64,
    user: String,
    at: usize,
    acts: Vec<Act>,
}

/// The log, and the plain rules.
struct Replay<'a> {
    config: &'a StreamConfig,
    clicks: Vec<&'a Click>,
}

impl<'a> Replay<'a> {
    fn new(config: &'a StreamConfig, clicks: &'a [Click]) -> Self {
        let mut known = BTreeSet::new();
        let mut is_new = |user: &String, id: &String| known.insert((user.clone(), id.clone()));
        let counts = |click: &&Click| click.id.as_ref().is_none_or(|id| is_new(&click.user, id));
        Self { config, clicks: clicks.iter().filter(counts).collect() }
    }

    /// What the user did up to `t` and is exact, visit by visit; of the same ms in the order in which it came.
    fn visits(&self, user: &str, t: i64) -> Vec<Vec<&'a Click>> {
        let acts =
            self.clicks.iter().filter(|click| click.user == user && click.ts <= t && click.kind != PASSIVE);
        let mut acts: Vec<&Click> = acts.copied().collect();
        acts.sort_by_key(|click| click.ts);
        let keep = self.config.recent_events_per_user;
        if let Some(oldest) = acts.len().checked_sub(keep).map(|index| acts[index].ts) {
            acts.retain(|click| click.ts >= oldest);
        }
        // The longest window and its pane.
        let longest = *self.config.interest_windows.last().expect("a window");
        let pane = if longest >= 6 * HOUR { 15 * MINUTE } else { MINUTE };
        acts.retain(|click| click.ts + longest + pane > t);
        let mut visits: Vec<Vec<&Click>> = Vec::new();
        for act in acts {
            let goes_on = visits.last().and_then(|visit| visit.last()).is_some_and(|last| {
                match (&last.session, &act.session) {
                    (Some(last), Some(next)) => last == next,
                    _ => act.ts - last.ts <= VISIT_GAP,
                }
            });
            if goes_on { visits.last_mut().expect("it goes on").push(act) } else { visits.push(vec![act]) }
        }
        visits
    }

    /// Of the newest N events on the item up to `t` those that are still exact, at most `limit`. Two of a user in one ms are one.
    fn visits_to(&self, item: &str, t: i64, limit: usize, may_ask: impl Fn(&str) -> bool) -> Vec<Told> {
        let on_it =
            self.clicks.iter().filter(|click| click.item == item && click.ts <= t && click.kind != PASSIVE);
        let mut newest: Vec<(i64, &str)> = on_it.map(|click| (t - click.ts, &*click.user)).collect();
        newest.sort_unstable();
        newest.dedup();
        newest.truncate(self.config.limits.postings_per_item);
        let told = newest.into_iter().filter(|(_, user)| may_ask(user)).filter_map(|(before_now, user)| {
            self.visits(user, t).into_iter().find_map(|visit| {
                let is_it = |click: &&Click| click.item == item && click.ts == t - before_now;
                let at = visit.iter().rposition(is_it)?;
                let acts = visit.iter().map(|click| (click.item.clone(), click.ts, click.kind)).collect();
                Some(Told { before_now, user: user.to_owned(), at, acts })
            })
        });
        told.take(limit).collect()
    }
}

fn act(state: &PartitionState, event: RawEvent) -> Act {
    (state.items().name(event.item).to_owned(), event.ts().0, event.kind().0)
}

/// A visit that the state tells of, after a look at what it says of itself.
fn told(state: &PartitionState, visit: Visit<'_>, t: i64) -> Told {
    let acts: Vec<Act> = visit.acted().map(|event| act(state, event)).collect();
    let before: Vec<Act> = visit.before().map(|event| act(state, event)).collect();
    let after: Vec<Act> = visit.after().map(|event| act(state, event)).collect();
    let parts = before.iter().rev().cloned().chain([act(state, visit.event())]).chain(after);
    assert_eq!(parts.collect::<Vec<_>>(), acts);
    let is_passive = |event: Option<&RawEvent>| event.is_none_or(|event| event.kind() == EventType(PASSIVE));
    assert!(!is_passive(visit.events.first()) && !is_passive(visit.events.last()), "{visit:?}");
    assert_eq!(visit.goes_on_at(Timestamp(t)), acts.last().expect("an act").1 + VISIT_GAP >= t);
    let whose: Vec<String> = (0..USERS)
        .map(user)
        .filter(|user| state.user(user).is_some_and(|profile| visit.is_of(profile.acted())))
        .collect();
    assert_eq!(whose.len(), 1, "a visit is of one user");
    Told { before_now: t - visit.event().ts().0, user: whose[0].clone(), at: before.len(), acts }
}

fn told_of(state: &PartitionState, item: &str, t: i64, limit: usize) -> Vec<Told> {
    let mut all = Vec::new();
    if let Some(item) = state.items().get(item) {
        state.visits_to(item, Timestamp(t), limit, &mut |visit| all.push(told(state, visit, t)));
    }
    assert!(all.is_sorted_by_key(|told| told.before_now), "the newest comes first");
    // Who came first has the lower slot, and is told of later where the time is the same.
    all.sort();
    all
}

fn names() -> impl Iterator<Item = String> {
    (0..ITEMS + 5).map(|item| format!("i{item}"))
}

/// That the state tells of all visits at all instants as a replay does.
fn as_replayed(engine: &Engine, replay: &Replay<'_>, limit: usize) -> Result<usize, TestCaseError> {
    let state = &engine.states[0];
    let (floor, newest) = (engine.floor(), engine.newest());
    let mut found = 0;
    for t in [newest, floor, (floor + newest) / 2, newest + 37 * SECOND, newest + HOUR] {
        let at = |profile| {
            headwater::engine::facts::profile::Profile::at(
                profile,
                Timestamp(t),
                engine.config.recent_events_per_user,
                state.interest_windows(),
            )
        };
        let may_ask = |user: &str| {
            state.user(user).is_some_and(|profile| {
                profile
                    .acted()
                    .at(Timestamp(t), engine.config.recent_events_per_user, state.interest_windows())
                    .is_ok()
            })
        };
        for item in names() {
            let expected = replay.visits_to(&item, t, limit, may_ask);
            prop_assert_eq!(&told_of(state, &item, t, limit), &expected, "{} at {}", item, t - START);
            found += expected.len();
        }
        for name in (0..USERS).map(user) {
            let Some(Ok(profile)) = state.user(&name).map(at) else { continue };
            let visit = profile.newest_visit(engine.config.passive_event_types);
            let newest = visit.map(|visit| told(state, visit, t).acts);
            let expected = replay.visits(&name, t).pop();
            let expected = expected.map(|visit| {
                visit.iter().map(|click| (click.item.clone(), click.ts, click.kind)).collect::<Vec<Act>>()
            });
            prop_assert_eq!(newest, expected, "{} at {}", name, t - START);
        }
    }
    Ok(found)
}

/// Some events name a session of three, which go on for some minutes and come again.
fn with_sessions(clicks: Vec<Click>, stretch: i64) -> Vec<Click> {
    let of: BTreeSet<u16> = (0..3).map(|session| RawEvent::session_of(&format!("s{session}"))).collect();
    assert_eq!(of.len(), 3, "each is told apart");
    let named = |click: Click| {
        let ts = START + (click.ts - START) * stretch;
        let session = !(click.item.len() + click.kind as usize).is_multiple_of(3);
        Click { session: session.then(|| format!("s{}", ts / (7 * MINUTE) % 3)), ts, ..click }
    };
    clicks.into_iter().map(named).collect()
}

/// Everything is within the longest window, whatever the stretch.
fn stretched(stretch: i64) -> StreamConfig {
    let interest_windows =
        if stretch > 1 { vec![10 * SECOND, MINUTE, 6 * HOUR] } else { config().interest_windows };
    StreamConfig { interest_windows, dedup_horizon: 10 * HOUR, ..config() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn visits_are_those_of_a_replay_and_a_restart_changes_none(
        clicks in clicks(250),
        stretch in prop::sample::select(vec![1, 4]),
        limit in prop::sample::select(vec![1000, 1000, 0]),
    ) {
        let (config, clicks) = (stretched(stretch), with_sessions(clicks, stretch));
        let mut engine = Engine::new(config.clone(), &items(), model(&config), 1);
        engine.apply_all(&clicks);
        let replay = Replay::new(&config, &clicks);
        as_replayed(&engine, &replay, limit)?;
        let before = sections(&engine.states[0]);
        engine.restart()?;
        as_replayed(&engine, &replay, limit)?;
        prop_assert_eq!(&sections(&engine.states[0]), &before);
        // Written before there were any, or without.
        let mut older = before.clone();
        older[FAMILIES.iter().position(|family| family.tag == "postings").expect("a family")] = vec![0; 8];
        let read = PartitionState::from_sections(engine.config.clone(), older.iter().map(Vec::as_slice));
        engine.states[0] = read?;
        as_replayed(&engine, &replay, limit)?;
    }

    #[test]
    fn of_each_item_the_newest_are_found_that_were_there_at_the_instant(
        clicks in clicks(250),
        per_item in 1..6_usize,
        limit in 1..7_usize,
    ) {
        let limits = StateLimits { postings_per_item: per_item, ..StateLimits::default() };
        let config = StreamConfig { limits, ..stretched(4) };
        // No two at the same time: which of them is the newer hangs on who came first.
        let clicks: Vec<Click> = (0..).zip(with_sessions(clicks, 4)).map(|(place, click)| {
            Click { ts: click.ts - click.ts % 250 + place, id: None, ..click }
        }).collect();
        let mut engine = Engine::new(config.clone(), &items(), model(&config), 1);
        engine.apply_all(&clicks);
        as_replayed(&engine, &Replay::new(&config, &clicks), limit)?;
        let raised = StateLimits { postings_per_item: 1000, ..StateLimits::default() };
        let mut all = Engine::new(StreamConfig { limits: raised, ..config.clone() }, &items(), model(&config), 1);
        all.apply_all(&clicks);
        // The limit is lowered under a state that holds more.
        let bytes = sections(&all.states[0]);
        let read = PartitionState::from_sections(engine.config.clone(), bytes.iter().map(Vec::as_slice));
        engine.states[0] = read?;
        as_replayed(&engine, &Replay::new(&config, &clicks), limit)?;
    }

    /// However they come, and whoever is forgotten: no more are kept than may be, and what is told is true.
    #[test]
    fn postings_are_bounded_and_prove_themselves(
        clicks in clicks(400),
        users in 1..4_usize,
        item_limit in 3..30_usize,
        postings in 1..60_usize,
        stretch in prop::sample::select(vec![1, 4, 20]),
    ) {
        let limits = StateLimits { users, items: item_limit, postings_per_item: 5, postings, ..StateLimits::default() };
        let config = StreamConfig { limits, ..config() };
        let clicks = with_sessions(clicks, stretch);
        let mut engine = Engine::new(config.clone(), &[], model(&config), 1);
        let replay = Replay::new(&config, &clicks);
        for click in &clicks {
            engine.apply(click);
            let state = &engine.states[0];
            prop_assert!(state.postings_len() <= postings);
            let t = engine.newest();
            for told in told_of(state, &click.item, t, 9) {
                prop_assert!(!told.acts.is_empty());
                for (item, ts, kind) in &told.acts {
                    let is_it = |click: &&&Click| (&click.item, click.ts, click.kind) == (item, *ts, *kind);
                    let of_whom = replay.clicks.iter().filter(|click| click.user == told.user).find(is_it);
                    prop_assert!(of_whom.is_some(), "{:?} is of nobody", told);
                }
            }
        }
        let before = sections(&engine.states[0]);
        engine.restart()?;
        prop_assert_eq!(sections(&engine.states[0]), before);
    }
}

#[test]
fn without_a_limit_on_an_item_nothing_is_kept_and_raising_it_finds_what_histories_hold() {
    let limits = StateLimits { postings_per_item: 0, ..StateLimits::default() };
    let mut engine = Engine::new(StreamConfig { limits, ..config() }, &[], model(&config()), 1);
    for place in 0..20_usize {
        let ts = START + place as i64 * SECOND;
        let item = format!("i{}", place % 3);
        engine.apply(&Click { user: user(place % USERS), item, kind: 1, ts, ..Click::default() });
    }
    let state = &engine.states[0];
    assert_eq!((state.postings_len(), told_of(state, "i1", engine.newest(), 9).len()), (0, 0));
    let bytes = sections(state);
    let raised = PartitionState::from_sections(config().into(), bytes.iter().map(Vec::as_slice));
    let raised = raised.expect("it can be read");
    assert_eq!((raised.postings_len(), told_of(&raised, "i1", engine.newest(), 9).len()), (20, 7));
}

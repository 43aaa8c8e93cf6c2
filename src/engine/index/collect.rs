//! Collects the facts of popularity that a partition holds, a little at a time.
//!
//! Whoever shows a state keeps events out of it meanwhile, and questions wait behind the events that
//! wait. So a look takes a few thousand facts, gives the state back, and goes on. Events that come in
//! between are met or not, as if they had come a little earlier or later. But when facts were moved from
//! one place to another, they could be met twice or not at all: then it begins anew.

use std::sync::Arc;

use super::layout::Layout;
use super::partition_map::PartitionMap;
use super::partitions::Partitions;
use crate::engine::events::event::Timestamp;
use crate::engine::facts::numbers::Numbering;
use crate::engine::facts::popularity::{Cursor, PopularityFact};
use crate::engine::facts::state::PartitionState;
use crate::engine::windows::sliding::WindowSet;

/// Names to look up at a time, and facts to look at: some tens of microseconds.
const STEP: Limits = Limits { names: 256, facts: 4096 };
/// Everything at once.
const WHOLE: Limits = Limits { names: usize::MAX, facts: usize::MAX };
/// How often to begin anew before facts are collected at once: they are moved some times a minute, and
/// all the time only during a replay.
const TRIES: usize = 3;

#[derive(Clone, Copy)]
struct Limits {
    names: usize,
    facts: usize,
}

/// What a partition's state holds at one moment.
pub(super) struct Collected {
    /// Which state it is, and how it is numbered.
    pub numbering: Numbering,
    /// From the partition's numbers to rows.
    pub map: Arc<PartitionMap>,
    /// The facts of popularity.
    pub facts: Vec<PopularityFact>,
    /// The earliest instant that could have been asked for.
    pub floor: Timestamp,
    /// The windows of popularity.
    pub windows: WindowSet,
}

/// What a step has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    More,
    Done,
    /// Facts were moved since the step before.
    Moved,
    /// The partition is not here.
    Away,
}

struct Collection<'a> {
    layout: &'a Layout,
    collected: Collected,
    /// Which state the facts are of, and where they lie in it.
    version: Option<(Numbering, (Timestamp, u64))>,
    cursor: Cursor,
}

/// Collects what a partition holds; nothing if it is not here. `map` is one of an earlier time, or empty.
/// With `follow` the changes that the state tells from then on are exactly those that were not met.
pub(super) fn collect(
    partitions: &(impl Partitions + ?Sized),
    partition: usize,
    layout: &Layout,
    map: Arc<PartitionMap>,
    follow: bool,
) -> Option<Collected> {
    let collected = Collected {
        numbering: Numbering::default(),
        map,
        facts: Vec::new(),
        floor: Timestamp(i64::MIN),
        windows: WindowSet::new(&[]),
    };
    let mut collection = Collection { layout, collected, version: None, cursor: Cursor::default() };
    for limits in [STEP; TRIES].into_iter().chain([WHOLE]) {
        collection.begin();
        let mut step = collection.until_done(partitions, partition, |all, state| all.coarse(state, limits));
        if step == Step::Done && follow {
            // At once, so that what comes next is told as a change.
            step = Step::Away;
            partitions.with(partition, &mut |state| {
                step = collection.recent(state, WHOLE);
                state.take_changes();
            });
        } else if step == Step::Done {
            step = collection.until_done(partitions, partition, |all, state| all.recent(state, limits));
        }
        match step {
            Step::Done => return Some(collection.collected),
            Step::Away => return None,
            Step::More | Step::Moved => {}
        }
    }
    // Facts move on with every event: what is not still for a moment is taken in one look.
    let mut whole = false;
    let mut at_once = |state: &PartitionState| {
        collection.begin();
        whole =
            collection.coarse(state, WHOLE) == Step::Done && collection.recent(state, WHOLE) == Step::Done;
    };
    partitions.with(partition, &mut |state| {
        at_once(state);
        if follow {
            state.take_changes();
        }
    });
    whole.then_some(collection.collected)
}

impl Collection<'_> {
    fn begin(&mut self) {
        self.collected.facts.clear();
        (self.version, self.cursor) = (None, Cursor::default());
    }

    fn until_done(
        &mut self,
        partitions: &(impl Partitions + ?Sized),
        partition: usize,
        look: impl Fn(&mut Self, &PartitionState) -> Step,
    ) -> Step {
        loop {
            let mut step = Step::Away;
            partitions.with(partition, &mut |state| step = look(self, state));
            if step != Step::More {
                return step;
            }
        }
    }

    fn coarse(&mut self, state: &PartitionState, limits: Limits) -> Step {
        let (collected, popularity) = (&mut self.collected, state.popularity());
        if !collected.map.is_of(state) {
            collected.map = Arc::new(PartitionMap::of(state));
        }
        if self.version.is_none() {
            if !collected.map.covers(state) {
                Arc::make_mut(&mut collected.map).extend(self.layout, state, limits.names);
                if !collected.map.covers(state) {
                    return Step::More;
                }
            }
            self.version = Some((state.numbering(), popularity.layout_version()));
            collected.numbering = state.numbering();
            collected.windows = state.popularity_windows().clone();
        }
        if self.version != Some((state.numbering(), popularity.layout_version())) {
            return Step::Moved;
        }
        let facts = &mut collected.facts;
        let all = popularity.coarse_facts(&mut self.cursor, limits.facts, |fact| facts.push(fact));
        if all { Step::Done } else { Step::More }
    }

    fn recent(&mut self, state: &PartitionState, limits: Limits) -> Step {
        let popularity = state.popularity();
        if self.version != Some((state.numbering(), popularity.layout_version())) {
            return Step::Moved;
        }
        let facts = &mut self.collected.facts;
        let all = popularity.recent_facts(&mut self.cursor, limits.facts, |fact| facts.push(fact));
        self.collected.floor = state.floor();
        if all { Step::Done } else { Step::More }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;
    use crate::engine::config::{MINUTE, StreamConfig};
    use crate::engine::events::catalog::Catalog;
    use crate::engine::events::event::{Event, EventType};

    const CLICK: EventType = EventType(1);
    const START: i64 = 1_700_000_000_000;
    const AS_OF: i64 = START + 60 * MINUTE;
    const EVENTS: i64 = 20_000;

    fn click(state: &mut PartitionState, item: i64, ts: i64) {
        let item_id = format!("i{item}");
        let event = Event {
            event_id: None,
            user_id: "u",
            item_id: &item_id,
            kind: CLICK,
            ts: Timestamp(ts),
            value: None,
            session_id: None,
            surface: None,
            recommendation_id: None,
            categories: &[],
        };
        state.apply(&event, None, &Catalog::default());
    }

    /// An hour of clicks on some hundred items.
    fn state() -> PartitionState {
        let mut state = PartitionState::new(Arc::new(StreamConfig::default()));
        for place in 0..EVENTS {
            click(&mut state, place * place % 701, START + place * 60 * MINUTE / EVENTS);
        }
        state
    }

    /// A state that goes on for some looks: each is followed by an event that moves older ones.
    struct Moving {
        state: RefCell<PartitionState>,
        moves: i64,
        looks: Cell<i64>,
    }

    impl Partitions for Moving {
        fn len(&self) -> usize {
            1
        }

        fn with(&self, _partition: usize, look: &mut dyn FnMut(&PartitionState)) {
            look(&self.state.borrow());
            let looks = self.looks.get() + 1;
            self.looks.set(looks);
            if looks <= self.moves {
                let floor = self.state.borrow().popularity().floor();
                click(&mut self.state.borrow_mut(), 1, AS_OF + MINUTE + looks * MINUTE);
                assert!(self.state.borrow().popularity().floor() > floor, "nothing was moved");
            }
        }
    }

    /// The counts by item and pane, in all, and after how many looks.
    fn counted(moves: i64) -> (BTreeMap<(u32, i64), u32>, u32, i64) {
        let layout = Layout::build(&Catalog::default(), &[state()][..]);
        let moving = Moving { state: RefCell::new(state()), moves, looks: Cell::new(0) };
        let collected = collect(&moving, 0, &layout, Arc::default(), false).expect("it is here");
        assert!(collected.floor <= Timestamp(AS_OF), "{:?}", collected.floor);
        let (mut counts, mut all) = (BTreeMap::new(), 0);
        // By the coarsest pane that any fact lies in; what was clicked to move others is left out.
        for fact in collected.facts.iter().filter(|fact| fact.ts <= Timestamp(AS_OF)) {
            *counts.entry((fact.item, fact.ts.0 / (6 * 60 * MINUTE))).or_insert(0) += fact.count;
            all += fact.count;
        }
        (counts, all, moving.looks.get())
    }

    #[test]
    fn facts_that_are_moved_while_they_are_counted_count_once() {
        let (still, all, looks) = counted(0);
        assert_eq!(i64::from(all), EVENTS);
        assert!(looks >= EVENTS / STEP.facts as i64, "{looks} looks");
        let (moved, _, more) = counted(4);
        assert_eq!(moved, still);
        assert!(more > looks, "it has begun anew");
        let (never_still, _, _) = counted(10);
        assert_eq!(never_still, still);
    }
}

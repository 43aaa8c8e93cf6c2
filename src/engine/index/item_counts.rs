//! Counts what a partition holds, a little at a time.
//!
//! Whoever shows a state keeps events out of it meanwhile, and questions wait behind the events that
//! wait. So a count looks at a few thousand facts, gives the state back, and goes on; what it finds is
//! put where it belongs when nobody waits. Events that come in between are counted or not, as if they
//! had come a little earlier or later. But when facts were moved from one place to another, they could
//! be counted twice or not at all: then the count begins anew.

use std::sync::Arc;

use crate::engine::events::event::Timestamp;
use crate::engine::facts::popularity::Counted;
use crate::engine::facts::state::PartitionState;
use crate::engine::index::layout::{Layout, PartitionMap, Partitions};
use crate::engine::windows::window::Ladder;

/// Names to look up at a time, and facts to count: some tens of microseconds.
const STEP: Limits = Limits { names: 256, facts: 4096 };
/// Everything at once.
const WHOLE: Limits = Limits { names: usize::MAX, facts: usize::MAX };
/// How often to begin anew before a count is taken at once: facts are moved some times a minute, and
/// all the time only during a replay.
const TRIES: usize = 3;

#[derive(Clone, Copy)]
struct Limits {
    names: usize,
    facts: usize,
}

/// What a partition holds at an instant.
pub struct Census {
    /// From the partition's numbers to rows.
    pub map: Arc<PartitionMap>,
    /// An item's number, the shortest window that it counts in, and how many.
    pub counts: Vec<(u32, u8, u32)>,
    /// The earliest instant that could have been asked for.
    pub floor: Timestamp,
    /// The windows of popularity.
    pub ladder: Ladder,
    /// Which facts are where: while it is the same, none has been moved.
    version: Option<(u64, Timestamp)>,
    from: Counted,
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

/// Counts events of the types of `mask` in a partition at an instant; none if it is not here. `map`
/// is one of an earlier count, or empty.
pub fn take(
    partitions: &(impl Partitions + ?Sized),
    partition: usize,
    layout: &Layout,
    mask: u32,
    as_of: Timestamp,
    map: Arc<PartitionMap>,
) -> Option<Census> {
    let mut census = Census {
        map,
        counts: Vec::new(),
        floor: Timestamp(i64::MIN),
        ladder: Ladder::new(&[]),
        version: None,
        from: Counted::default(),
    };
    for limits in [STEP; TRIES].into_iter().chain([WHOLE]) {
        census.begin();
        let end = loop {
            let mut step = Step::Away;
            partitions.with(partition, &mut |state| step = census.step(state, layout, mask, as_of, limits));
            if step != Step::More {
                break step;
            }
        };
        match end {
            Step::Done => return Some(census),
            Step::Away => return None,
            Step::More | Step::Moved => {}
        }
    }
    // A count that is taken at once has only one step.
    None
}

impl Census {
    fn begin(&mut self) {
        self.counts.clear();
        (self.version, self.from) = (None, Counted::default());
    }

    fn step(
        &mut self,
        state: &PartitionState,
        layout: &Layout,
        mask: u32,
        as_of: Timestamp,
        limits: Limits,
    ) -> Step {
        if !self.map.is_of(state) {
            self.map = Arc::new(PartitionMap::of(state));
        }
        let version = (state.instance, state.popularity().floor());
        if self.version.is_none() {
            if !self.map.covers(state) {
                Arc::make_mut(&mut self.map).extend(layout, state, limits.names);
                if !self.map.covers(state) {
                    return Step::More;
                }
            }
            self.version = Some(version);
            self.ladder = state.popularity_ladder().clone();
        }
        if self.version != Some(version) {
            return Step::Moved;
        }
        let (ladder, counts) = (state.popularity_ladder(), &mut self.counts);
        let add = |item, first, count| counts.push((item, first as u8, count));
        let all = state.popularity().count(ladder, mask, as_of, &mut self.from, limits.facts, add);
        self.floor = state.floor();
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

    /// The counts by item and window, in all, and after how many looks.
    fn counted(moves: i64) -> (BTreeMap<(u32, u8), u32>, u32, i64) {
        let layout = Layout::build(&Catalog::default(), &[state()][..]);
        let moving = Moving { state: RefCell::new(state()), moves, looks: Cell::new(0) };
        let census = take(&moving, 0, &layout, 1 << CLICK.0, Timestamp(AS_OF), Arc::default());
        let census = census.expect("it is here");
        assert!(census.floor <= Timestamp(AS_OF), "{:?}", census.floor);
        let (mut counts, mut all) = (BTreeMap::new(), 0);
        for (item, first, count) in census.counts {
            *counts.entry((item, first)).or_insert(0) += count;
            all += count;
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

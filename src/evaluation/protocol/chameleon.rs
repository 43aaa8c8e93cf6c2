//! The protocol of CHAMELEON's tables, for comparison with what has been published and for nothing else: the item that
//! was clicked is ranked among 50 that were not, which makes everybody look good.
//!
//! Moreira, Jannach and da Cunha, "Contextual hybrid session-based news recommendation with recurrent neural networks"
//! (IEEE Access 7, 2019), and the code of gabrielspmoreira/chameleon_recsys. The stream is cut into hours. Of every so
//! manieth one the visits that begin in it are asked about: for each click but the first, the list of 10 of the item and
//! of 50 others. Those are drawn from the clicks of the last hour, at most the newest 20,000 of them, each draw a click
//! and so the popular ones more often; never twice, and none that the visit has. Where there are fewer, fewer are drawn.
//!
//! The original asks about a batch of visits at a time, has its baselines learn it, and draws from the batch as well.
//! Here each visit is asked about by itself: contenders know, and others are drawn from, what was before it began. Nobody
//! is told who asks.

use hashbrown::HashSet;

use super::super::contender::{Contender, Listable, NOBODY, Observed, Question};
use super::super::ranks::Ranks;
use super::sessions::by_visit;
use crate::engine::time::HOUR;

/// What of the protocol may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Every so many hours one is asked about.
    pub every: i64,
    /// How many items that were not clicked are ranked.
    pub negatives: usize,
    /// How many clicks they are drawn from at most, the newest.
    pub buffer: usize,
    /// Another seed draws others.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { every: 5, negatives: 50, buffer: 20_000, seed: 1 }
    }
}

/// Up to which rank the tables count.
pub const LENGTH: u32 = 10;

/// Asks contenders about every so manieth hour of a stream, in the order of its times, and has them learn all of it.
/// The first hour is never asked about. Lists have up to `length` items. `progress` is told of each event that is learnt.
pub fn evaluate(
    events: &[Observed],
    contenders: &mut [Box<dyn Contender + '_>],
    settings: &Settings,
    length: usize,
    progress: &dyn Fn(u64),
) -> Ranks {
    let items = events.iter().map(|event| event.item as usize + 1).max().unwrap_or(0);
    let mut ranks = Ranks::of(contenders, items);
    let mut first = vec![i64::MAX; items];
    for event in events {
        let first = &mut first[event.item as usize];
        *first = event.ts.min(*first);
    }
    let mut draws = Draws(settings.seed);
    let mut learnt = 0;
    let Some(begin) = events.first().map(|event| event.ts) else { return ranks };
    let (hour_of, every) = (|ts: i64| (ts - begin) / HOUR, settings.every.max(1));
    let is_asked = |visit: &&Vec<Observed>| hour_of(visit[0].ts) > 0 && hour_of(visit[0].ts) % every == 0;
    for visit in by_visit(events).iter().filter(is_asked) {
        let begins = visit[0].ts;
        let before = learnt;
        learn(events, &mut learnt, begins, contenders);
        progress((learnt - before) as u64);
        let recent = &events[..learnt];
        let hour = recent.partition_point(|event| event.ts < begins - HOUR);
        let recent = &recent[hour.max(learnt.saturating_sub(settings.buffer))..];
        ask(visit, recent, contenders, (settings, length), (&mut draws, &first), &mut ranks);
    }
    learn(events, &mut learnt, i64::MAX, contenders);
    ranks
}

/// Contenders learn what was before an instant.
fn learn(events: &[Observed], learnt: &mut usize, until: i64, contenders: &mut [Box<dyn Contender + '_>]) {
    for event in events[*learnt..].iter().take_while(|event| event.ts < until) {
        contenders.iter_mut().for_each(|contender| contender.observe(event));
        *learnt += 1;
    }
}

struct Drawn(Vec<u32>);

impl Listable for Drawn {
    fn may_list(&self, item: u32) -> bool {
        self.0.contains(&item)
    }
}

fn ask(
    visit: &[Observed],
    recent: &[Observed],
    contenders: &mut [Box<dyn Contender + '_>],
    (settings, length): (&Settings, usize),
    (draws, first): (&mut Draws, &[i64]),
    ranks: &mut Ranks,
) {
    let items: Vec<u32> = visit.iter().map(|event| event.item).collect();
    let others = recent.iter().map(|event| event.item).filter(|item| !items.contains(item));
    let others: Vec<u32> = others.collect();
    let different: HashSet<u32> = others.iter().copied().collect();
    for (place, event) in visit.iter().enumerate().skip(1) {
        let mut drawn = vec![event.item];
        if different.len() <= settings.negatives {
            drawn.extend(&different);
        }
        while drawn.len() <= settings.negatives.min(different.len()) {
            let other = others[draws.below(others.len())];
            if !drawn.contains(&other) {
                drawn.push(other);
            }
        }
        let question = Question {
            user: NOBODY,
            visit: event.visit,
            so_far: &items[..place],
            before: &[],
            ts: event.ts,
            n: drawn.len().min(length),
            listable: &Drawn(drawn),
        };
        let first = first[event.item as usize];
        ranks.ask(contenders, &question, event, (visit[place - 1].ts, (first < event.ts).then_some(first)));
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same draws on every machine.
struct Draws(u64);

impl Draws {
    /// A number under `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::event::EventType;
    use crate::engine::time::MINUTE;

    /// Lists all it may, highest first, and knows when it learnt of something.
    struct Highest {
        learnt: i64,
    }

    impl Contender for Highest {
        fn name(&self) -> &str {
            "highest"
        }

        fn observe(&mut self, event: &Observed) {
            self.learnt = event.ts;
        }

        fn list(&mut self, question: &Question<'_>, list: &mut Vec<u32>) {
            assert!(self.learnt < question.ts / MINUTE * MINUTE, "what came after the visit began is known");
            assert!(self.learnt >= question.ts / MINUTE * MINUTE - MINUTE, "what was before is not known");
            list.extend((0..1000).rev().filter(|item| question.listable.may_list(*item)));
            assert_eq!(list.len(), question.n);
        }
    }

    /// A visit of three clicks each minute, on items of the next minutes.
    fn stream(hours: i64) -> Vec<Observed> {
        let click = |at: i64| Observed {
            user: at as u32 / 3,
            visit: at as u32 / 3,
            item: (at / 180 * 60 + at % 180 / 3 + at % 3) as u32,
            kind: EventType(0),
            positive: true,
            ts: at / 3 * MINUTE + at % 3,
        };
        (0..hours * 180).map(click).collect()
    }

    fn ranks(events: &[Observed], every: i64, negatives: usize) -> Ranks {
        let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Highest { learnt: 0 })];
        let settings = Settings { every, negatives, ..Settings::default() };
        evaluate(events, &mut contenders, &settings, usize::MAX, &|_| ())
    }

    #[test]
    fn every_so_manieth_hour_is_asked_about_against_items_of_the_last_hour() {
        let found = ranks(&stream(3), 2, 50);
        assert_eq!(found.asked.len(), 120, "60 visits of the third hour, all but their first clicks");
        assert!(found.asked.iter().all(|asked| asked.ts >= 2 * HOUR && [2, 3].contains(&asked.position)));
        // What was clicked before has a lower number.
        assert!(found.of[0].iter().all(|rank| *rank == 1), "{:?}", found.of);
    }

    #[test]
    fn negatives_are_never_those_of_the_visit_and_the_same_each_time() {
        // One hour again: what was clicked in it was also clicked in the hour before.
        let again = |mut event: Observed| {
            event.item %= 63;
            event
        };
        let events: Vec<Observed> = stream(3).into_iter().map(again).collect();
        let (once, more) = (ranks(&events, 2, 50), ranks(&events, 2, 500));
        assert_eq!(once.of, ranks(&events, 2, 50).of);
        assert!(once.of[0].iter().any(|rank| *rank > 1));
        // All 63 but the three of the visit, or fewer, are there; each is drawn once.
        assert!(more.of[0].iter().all(|rank| (1..=61).contains(rank)), "{:?}", more.of);
    }
}
